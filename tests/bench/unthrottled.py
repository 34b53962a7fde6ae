"""The emulated registry with limits out of reach, to find out what its own code takes: ``python -m ... PORT``."""

from __future__ import annotations

import socket
import sys

from infra.local.registry.server import serve
from infra.local.registry.service import Registry
from workloads.registries import CATEGORIES, Limit, RegistrySize

UNTHROTTLED = RegistrySize("L", {category: Limit(10**9) for category in CATEGORIES})

if __name__ == "__main__":
    registry = Registry(UNTHROTTLED, "bench")
    serve({socket.create_server(("127.0.0.1", int(sys.argv[1]))): registry.answer}, None, registry.outage)

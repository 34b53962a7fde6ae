"""Which ports of loopback are free. Without pulumi, so that the command line can look before anything is touched."""

from __future__ import annotations

import random
import socket

from workloads.errors import ProcessError

PORTS = range(20_000, 32_000)
"""Where free ports are looked for: below the range that the kernel takes for outgoing connections."""


def is_free(port: int) -> bool:
    """Whether nothing listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """``count`` different ports on which nothing listens now. Raises ProcessError if there are not so many."""
    candidates = random.sample(PORTS, len(PORTS))
    ports = [port for port, _ in zip((p for p in candidates if is_free(p)), range(count), strict=False)]
    if len(ports) < count:
        raise ProcessError(f"There are no {count} free ports between {PORTS.start} and {PORTS.stop} on 127.0.0.1.")
    return ports

"""Run an emulated registry until SIGTERM or SIGINT.

    python -m infra.local.registry --port 5000 --size L --region eastus2

Plain HTTP on 127.0.0.1 and on nothing else: it asks nobody who they are. Contents live in memory and end with the
process. Exit codes: 0 stopped by a signal, 2 wrong arguments or a busy port.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
from typing import NoReturn

from infra.local.registry.server import serve
from infra.local.registry.service import Registry
from workloads.errors import ProjectError, UsageError
from workloads.registries import SIZE_NAMES, SIZES

HOST = "127.0.0.1"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"The registry's arguments are wrong: {message}.")


def _port(value: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise argparse.ArgumentTypeError(f"{value!r} is not a port from 1 to 65535")
    return int(value)


def _region(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+", value):
        raise argparse.ArgumentTypeError(f"{value!r} is not a region's name such as eastus2")
    return value


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m infra.local.registry", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=_port, required=True, help="port to listen on at 127.0.0.1")
    parser.add_argument("--size", choices=SIZE_NAMES, required=True, help="what it admits per minute")
    parser.add_argument("--region", type=_region, required=True, help="Azure region it stands in for")
    return parser.parse_args(argv)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UsageError(
            f"The registry cannot listen on {HOST}:{port}: {os.strerror(error.errno or 0)}. Choose another port."
        ) from error


def main(argv: list[str] | None = None) -> int:
    try:
        arguments = _arguments(argv)
        listener = _listen(arguments.port)
    except ProjectError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    serve(Registry(SIZES[arguments.size], arguments.region).answer, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run a front until SIGTERM or SIGINT: one address, several processes behind it.

    python -m infra.local.front --port 6001 --metrics-port 9001 --endpoint ratify-0=20001 --endpoint ratify-1=20002
    python -m infra.local.front --port 8443 --metrics-port 9002 --endpoint gatekeeper=20003,20004/readyz

An endpoint is NAME=PORT; with ,PORT/PATH it is ready while that page answers 200, without while its port accepts
connections. Everything is on 127.0.0.1. /metrics on the metrics port has the counts, /readyz answers 200 while an
endpoint is ready. Exit codes: 0 stopped by a signal, 2 wrong arguments or a busy port.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import sys
from typing import NoReturn

import uvloop

from infra.local.front.endpoints import HOST, Endpoint
from infra.local.front.pages import Page
from infra.local.front.relays import Front
from workloads.errors import ProjectError, UsageError

BACKLOG = 1024


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"The front's arguments are wrong: {message}.")


def _port(word: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", word) or not 1 <= int(word) <= 65535:
        raise argparse.ArgumentTypeError(f"{word!r} is not a port from 1 to 65535")
    return int(word)


def _endpoint(word: str) -> Endpoint:
    match = re.fullmatch(r"([a-z0-9-]+)=([0-9]{1,5})(?:,([0-9]{1,5})(/[!-~]*))?", word)
    if not match:
        raise argparse.ArgumentTypeError(f"{word!r} is not NAME=PORT or NAME=PORT,PORT/PATH")
    name, port, health, path = match.groups()
    return Endpoint(name, int(port), (int(health), path) if health else None)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m infra.local.front", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=_port, required=True, help="port of the address")
    parser.add_argument("--metrics-port", type=_port, required=True, help="port of /metrics and /readyz")
    parser.add_argument("--endpoint", type=_endpoint, action="append", required=True, help="NAME=PORT[,PORT/PATH]")
    return parser.parse_args(argv)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port), backlog=BACKLOG)
    except OSError as error:
        raise UsageError(
            f"The front cannot listen on {HOST}:{port}: {os.strerror(error.errno or 0)}. Choose another port."
        ) from error


async def _serve(endpoints: list[Endpoint], listener: socket.socket, pages: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    front = Front(endpoints)
    watching = [asyncio.create_task(endpoint.watch()) for endpoint in endpoints]
    servers = [
        await loop.create_server(front.client, sock=listener),
        await loop.create_server(lambda: Page(front), sock=pages),
    ]
    await stopping.wait()
    for server in servers:
        server.close()
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    front.close()


def main(argv: list[str] | None = None) -> int:
    try:
        arguments = _arguments(argv)
        with _listen(arguments.port) as listener, _listen(arguments.metrics_port) as pages:
            uvloop.run(_serve(arguments.endpoint, listener, pages))
    except ProjectError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run an emulated registry until SIGTERM or SIGINT.

    python -m infra.local.registry --port 5000 --size L --region eastus2

Plain HTTP on 127.0.0.1 and on nothing else. Without --identities it asks nobody who they are; without --storage its
contents live in memory and end with the process. SIGUSR1 begins an outage (503 for everything but /metrics), SIGUSR2
ends it. Exit codes: 0 stopped by a signal, 2 wrong arguments, an unreadable file or a busy port.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from infra.local.registry import identities
from infra.local.registry.access import Access
from infra.local.registry.blobs import DataEndpoint
from infra.local.registry.disk import Disk
from infra.local.registry.pacing import Pacing
from infra.local.registry.server import serve
from infra.local.registry.service import REFERRERS_PAGE, Registry
from infra.local.registry.storage import Storage
from infra.local.registry.tokens import Tokens
from workloads.errors import ProjectError, UsageError
from workloads.registries import SIZE_NAMES, sizes

HOST = "127.0.0.1"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"The registry's arguments are wrong: {message}.")


def _matching(form: str, words: str) -> Callable[[str], str]:
    def convert(value: str) -> str:
        if not re.fullmatch(form, value):
            raise argparse.ArgumentTypeError(f"{value!r} is not {words}")
        return value

    return convert


def _port(value: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise argparse.ArgumentTypeError(f"{value!r} is not a port from 1 to 65535")
    return int(value)


def _whole(value: str) -> int:
    return int(_matching("[0-9]{1,9}", "a whole number")(value))


def _number(value: str) -> float:
    return float(_matching(r"[0-9]{1,9}(\.[0-9]{1,9})?", "a number")(value))


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m infra.local.registry", description=(__doc__ or "").split("\n")[0])
    region = _matching("[a-z0-9]+(-[a-z0-9]+)*", "a region's name such as eastus2")
    parser.add_argument("--port", type=_port, required=True, help="port to listen on at 127.0.0.1")
    parser.add_argument("--size", choices=SIZE_NAMES, required=True, help="what it admits per minute")
    parser.add_argument("--region", type=region, required=True, help="Azure region it stands in for")
    parser.add_argument("--identities", type=Path, help="file of those who may log in; without, nobody has to")
    parser.add_argument("--anonymous-pull", action="store_true", help="give tokens to pull without a login")
    parser.add_argument("--token-seconds", type=_whole, default=3600, help="how long an access token is good for")
    parser.add_argument("--data-port", type=_port, help="port of the data endpoint, where GETs of blobs are sent to")
    parser.add_argument(
        "--referrers-page", type=_whole, default=REFERRERS_PAGE, help="referrers on a page; 0 for no referrers API"
    )
    parser.add_argument("--latency-ms", type=_number, default=0.0, help="how long each answer is held back")
    parser.add_argument("--bandwidth-mbps", type=_number, help="the link that all answers share, in Mbit/s")
    parser.add_argument("--storage", type=Path, help="file that keeps the contents; without, they are in memory only")
    return parser.parse_args(argv)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UsageError(
            f"The registry cannot listen on {HOST}:{port}: {os.strerror(error.errno or 0)}. Choose another port."
        ) from error


def _registry(arguments: argparse.Namespace) -> Registry:
    storage = Storage(Disk(arguments.storage) if arguments.storage else None)
    access = None
    if arguments.identities:
        tokens = Tokens(f"{HOST}:{arguments.port}", arguments.token_seconds)
        access = Access(identities.read(arguments.identities), tokens, anonymous=arguments.anonymous_pull)
    return Registry(
        sizes()[arguments.size],
        arguments.region,
        storage=storage,
        access=access,
        data=DataEndpoint(f"{HOST}:{arguments.data_port}", storage) if arguments.data_port else None,
        referrers_page=arguments.referrers_page,
    )


def main(argv: list[str] | None = None) -> int:
    try:
        arguments = _arguments(argv)
        registry = _registry(arguments)
        listeners = {_listen(arguments.port): registry.answer}
        if registry.data:
            listeners[_listen(arguments.data_port)] = registry.data.answer
    except ProjectError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    pacing = None
    if arguments.latency_ms or arguments.bandwidth_mbps:
        bandwidth = arguments.bandwidth_mbps * 1e6 / 8 if arguments.bandwidth_mbps else None
        pacing = Pacing(arguments.latency_ms / 1000, bandwidth)
    serve(listeners, pacing, registry.outage)
    return 0


if __name__ == "__main__":
    sys.exit(main())

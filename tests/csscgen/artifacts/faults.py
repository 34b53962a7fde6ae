"""The emulated registry with logins and a disk, that misbehaves at random: ``python -m ... PORT FOLDER SHARE SEED``.

A share of its requests, drawn by the seed, is not answered as it should be: refused with 429, 500, 503 or an expired
token, cut off before or after the request was carried out, never answered, or answered in part. ``FOLDER`` has the
identities file, keeps the contents, and gets a line for each request: the fault, "none", or "still-expired" for a token
that had expired before. The metrics page is spared.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import struct
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from infra.local.registry import identities
from infra.local.registry.access import Access
from infra.local.registry.disk import Disk
from infra.local.registry.protocol import Answer, Refusal, Request
from infra.local.registry.server import Connection
from infra.local.registry.service import Registry
from infra.local.registry.storage import Storage
from infra.local.registry.tokens import Tokens
from tests.infra.local.registry.helpers import AMPLE

FAULTS = {
    "429": 2.0,
    "429-wait": 0.4,  # stops a client for a second each time
    "500": 3.0,
    "503": 3.0,
    "reset-before": 2.5,
    "reset-after": 2.5,
    "hang-before": 0.2,  # costs a client its timeout
    "hang-after": 0.2,
    "expired": 2.0,
    "truncated": 2.2,
    "shortened": 2.0,
}
"""How often each fault is drawn, in parts of the whole. Before and after: whether the request was carried out."""
CONTENTS, IDENTITIES, LOG = "contents.sqlite", "identities.json", "faults"
_REFUSALS = {
    "429": Refusal("TOOMANYREQUESTS"),
    "429-wait": Refusal("TOOMANYREQUESTS", headers=[(b"retry-after", b"1")]),
    "500": Refusal("UNAVAILABLE", status=500),
    "503": Refusal("UNAVAILABLE"),
}


@dataclass
class Mischief:
    """Decides which request suffers from what."""

    registry: Registry
    share: float
    chance: random.Random
    log: int
    """A file descriptor that is appended to: what is written outlasts a SIGKILL."""

    def __post_init__(self) -> None:
        self._expired: set[bytes] = set()

    def answer(self, request: Request) -> tuple[Answer, str]:
        """The answer to a request, and what is to happen on its way."""
        if request.path == "/metrics":
            return self.registry.answer(request), "none"
        token = request.header(b"authorization") or b""
        fault = "still-expired" if token in self._expired else self._draw(request)
        os.write(self.log, f"{fault}\n".encode())
        if fault.endswith("expired"):
            self._expired.add(token)
            fields = [(name, value) for name, value in request.headers if name != b"authorization"]
            request = replace(request, headers=[*fields, (b"authorization", b"Bearer expired")])
        if fault in _REFUSALS:
            return _REFUSALS[fault].answer(), fault
        if fault.endswith("-before"):
            return Answer(500), fault  # which nobody sees
        answer = self.registry.answer(request)
        if fault == "shortened":
            answer = replace(answer, body=answer.body[: len(answer.body) // 2])
        elif fault == "truncated" and not answer.body:
            answer = replace(answer, body=b"of which half is cut off")
        return answer, fault

    def _draw(self, request: Request) -> str:
        if self.chance.random() >= self.share:
            return "none"
        (fault,) = self.chance.choices(list(FAULTS), list(FAULTS.values()))
        if fault == "shortened" and request.method != "GET":
            return "truncated"
        if fault == "expired" and not (request.header(b"authorization") or b"").startswith(b"Bearer "):
            return "500"
        return fault


class Unreliable(Connection):
    """A connection on which answers get lost."""

    def __init__(self, mischief: Mischief) -> None:
        super().__init__(self._answer_or_not)
        self._mischief = mischief
        self._fault = "none"

    def _answer_or_not(self, request: Request) -> Answer:
        answer, self._fault = self._mischief.answer(request)
        return answer

    def _send(self, pieces: list[bytes], *, close: bool, at_once: bool = False) -> None:
        if self._fault.startswith("reset"):
            linger = struct.pack("ii", 1, 0)  # on, for no time: closing sends RST (socket(7))
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        elif self._fault == "truncated":
            *head, body = pieces
            data = b"".join(head)
            # The answer to a HEAD has no body, and its last piece ends the header fields.
            self._write([data, body[: len(body) // 2]], close=True)
        elif not self._fault.startswith("hang"):
            super()._send(pieces, close=close, at_once=at_once)


async def _serve(port: int, mischief: Mischief) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(lambda: Unreliable(mischief), "127.0.0.1", port, backlog=1024)
    await stopped.wait()
    server.close()


def main(port: int, folder: Path, share: float, seed: int) -> None:
    access = Access(identities.read(folder / IDENTITIES), Tokens(f"127.0.0.1:{port}", 3600), anonymous=False)
    registry = Registry(AMPLE, "x", storage=Storage(Disk(folder / CONTENTS)), access=access)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    asyncio.run(_serve(port, Mischief(registry, share, random.Random(seed), log)))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))

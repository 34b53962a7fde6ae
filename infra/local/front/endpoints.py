"""The processes behind a front, and whether each of them is ready: what a kubelet finds out for a Service.

Probed once per second. One that refuses its probe has ended, which a kubelet knows without asking: it is out at once.
One that answers late or wrongly is out after three times, which is Kubernetes' default; its own period is 10 s. A probe
that succeeds brings it in.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

HOST = "127.0.0.1"
PERIOD_SECONDS = 1.0
TIMEOUT_SECONDS = 1.0
FAILURES = 3


@dataclass
class Endpoint:
    """A process behind the front. ``health`` is (port, path) of its readiness page, None for a mere connection."""

    name: str
    port: int
    health: tuple[int, str] | None = None
    ready: bool = False
    connections: int = 0
    """Connections that it was given, since the front started."""
    open: int = 0
    failed: int = 0
    """Connections that it was given and refused."""
    _failures: int = 0

    async def probe(self) -> None:
        """Asks the process once, and takes it in or out."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                succeeded = await self._ask()
        except ConnectionError:
            succeeded, self._failures = False, FAILURES
        except (OSError, ValueError):  # a TimeoutError is an OSError
            succeeded = False
        self._failures = 0 if succeeded else self._failures + 1
        if succeeded:
            self.ready = True
        elif self._failures >= FAILURES:
            self.ready = False

    async def watch(self) -> None:
        """Probes until cancelled."""
        while True:
            await self.probe()
            await asyncio.sleep(PERIOD_SECONDS)

    async def _ask(self) -> bool:
        port, path = self.health or (self.port, None)
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            if path is None:
                return True
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
            return (await reader.readline()).split(maxsplit=2)[1:2] == [b"200"]
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

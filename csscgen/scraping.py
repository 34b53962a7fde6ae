"""Reads every component's metrics page at a fixed interval, from before the load until after it.

Pages are kept as bytes, on disk, and decoded when the load is over, so that what is measured is the components and not
the reader; of the two pages that are megabytes, only the families that are asked for later are kept. Beside its page
every local process is read from /proc, so that CPU and memory mean the same for all of them, the harness included.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import aiohttp

from analysis.expositions import parse
from workloads.errors import CollectError
from workloads.ratify.metrics import CPU_SECONDS, KEPT_FAMILIES, RESIDENT_BYTES, UP

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
HARNESS = "harness"


@dataclass(frozen=True)
class Target:
    """What is read of one component: its metrics page, and its process if it is a local one."""

    name: str
    url: str | None
    pid: int | None = None

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> list[Target]:
        """The targets that a stack's outputs name."""
        targets = outputs.get("targets") or {}
        return [cls(name, target.get("metrics"), target.get("pid")) for name, target in targets.items()]


@dataclass
class Scrape:
    """One reading of one target."""

    time: float
    target: str
    asked: bool
    """Whether it has a page to be asked for."""
    page: bytes | None
    """What it answered; None if it did not."""
    process: tuple[float, float] | None
    """CPU seconds since its start and resident bytes, from /proc."""

    def samples(self) -> Iterable[tuple[str, str, float]]:
        """The reading as samples: metric, labels, value. A page that is malformed counts as not answered."""
        up = 0.0
        if self.page is not None:
            try:
                found = list(parse(self.page, None, self.target))
                up = 1.0
                yield from found
            except CollectError:
                pass
        if self.asked:
            yield UP, "", up
        if self.process is not None:
            yield CPU_SECONDS[0], "", self.process[0]
            yield RESIDENT_BYTES[0], "", self.process[1]


class Sink(Protocol):
    """Takes the scrapes as they come, and gives them back."""

    def append(self, scrape: Scrape, /) -> None: ...

    def __iter__(self) -> Iterator[Scrape]: ...


@dataclass
class Scraper:
    """Reads the targets. ``client`` has the CA and the client certificate for pages with https."""

    targets: list[Target]
    seconds: float
    client: Mapping[str, Any] | None = None
    scrapes: Sink = field(default_factory=list[Scrape])
    latest: dict[str, bytes] = field(default_factory=dict)
    """The last page of each target, for the live display."""
    answer_seconds: float = 8.0
    """How long a page is waited for."""

    def follow(self, name: str, pid: int | None) -> None:
        """From now on this is the target's process: None if it has none."""
        self.targets = [replace(target, pid=pid) if target.name == name else target for target in self.targets]

    async def run(self, stopping: asyncio.Event, ready: asyncio.Event) -> None:
        """Scrapes on an absolute schedule until ``stopping``, and once more. ``ready`` is set after the first round.

        A round does not wait for a page of the one before: who answers slowly is asked less often, the others are not.
        Raises CollectError if the client's certificate cannot be used.
        """
        connector = aiohttp.TCPConnector(ssl=self._context() or True, limit=0)
        timeout = aiohttp.ClientTimeout(total=self.answer_seconds)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            due = time.monotonic()
            running = self._round(session, {})
            await asyncio.gather(*running.values())
            ready.set()
            while not stopping.is_set():
                due = max(due + self.seconds, time.monotonic())
                try:
                    async with asyncio.timeout(due - time.monotonic()):
                        await stopping.wait()
                except TimeoutError:
                    running = self._round(session, running)
            await asyncio.gather(*running.values())
            await asyncio.gather(*self._round(session, {}).values())

    def _round(
        self, session: aiohttp.ClientSession, before: Mapping[str, asyncio.Task[None]]
    ) -> dict[str, asyncio.Task[None]]:
        """Starts a reading of every target; of one whose reading before is still under way, only of its process."""
        now = time.time()
        running = {}
        for target in (*self.targets, Target(HARNESS, None, os.getpid())):
            process = process_usage(target.pid) if target.pid else None
            task = before.get(target.name)
            if task is not None and not task.done():
                self.scrapes.append(Scrape(now, target.name, False, None, process))
            else:
                if task is not None:
                    task.result()  # raises what is no failure of the target
                task = asyncio.create_task(self._read(session, target, now, process))
            running[target.name] = task
        return running

    async def _read(
        self, session: aiohttp.ClientSession, target: Target, now: float, process: tuple[float, float] | None
    ) -> None:
        page = None
        if target.url is not None:
            try:
                async with session.get(target.url, allow_redirects=False) as response:
                    body = await response.read()
                    page = prune(target.name, body) if response.status == 200 else None
            except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
                pass
        if page is not None:
            self.latest[target.name] = page
        self.scrapes.append(Scrape(now, target.name, target.url is not None, page, process))

    def _context(self) -> ssl.SSLContext | None:
        if not self.client:
            return None
        try:
            context = ssl.create_default_context(cafile=self.client["ca"])
            context.load_cert_chain(*self.client["certificate"])
        except OSError as error:
            raise CollectError(f"The certificate that metrics are read with cannot be used: {error}") from error
        return context


def prune(target: str, page: bytes) -> bytes:
    """The page without the families that nobody asks for, where they are known."""
    if (kept := KEPT_FAMILIES.get(target)) is None:
        return page
    prefixes = tuple(name.encode() for name in kept)
    return b"\n".join(line for line in page.split(b"\n") if line.startswith(prefixes))


def process_usage(pid: int) -> tuple[float, float] | None:
    """CPU seconds and resident bytes of a process; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS, float(int(fields[21]) * PAGE)

"""Reads every component's metrics page at a fixed interval, from before the load until after it.

Pages are kept as bytes, on disk, and decoded when the load is over, so that what is measured is the components and not
the reader; of the two pages that are megabytes, only the families that are asked for later are kept. Beside its page
every local process is read from /proc, so that CPU and memory mean the same for all of them, the harness included.

Targets may come and go while the load is running, as pods do. That is marked beside their samples: figures of a replica
that came late begin at its birth, those of one that left end with its last page, and neither is taken for a gap.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import aiohttp

from analysis.expositions import parse
from workloads.errors import CollectError
from workloads.ratify.metrics import CAME, CPU_SECONDS, KEPT_FAMILIES, LEFT, RESIDENT_BYTES, UP

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
HARNESS = "harness"


class Origin(Protocol):
    """Where pages come from: who is trusted there, and how one says who one is."""

    def open(self, timeout: aiohttp.ClientTimeout, /) -> aiohttp.ClientSession: ...

    def headers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Certificates:
    """Pages of this machine's processes. ``client`` has the CA and the client certificate for those with https."""

    client: Mapping[str, Any] | None = None

    def open(self, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        """Raises CollectError if the certificate cannot be used."""
        connector = aiohttp.TCPConnector(ssl=self._context() or True, limit=0)
        return aiohttp.ClientSession(connector=connector, timeout=timeout)

    def headers(self) -> Mapping[str, str]:
        return {}

    def _context(self) -> ssl.SSLContext | None:
        if not self.client:
            return None
        try:
            context = ssl.create_default_context(cafile=self.client["ca"])
            context.load_cert_chain(*self.client["certificate"])
        except OSError as error:
            raise CollectError(f"The certificate that metrics are read with cannot be used: {error}") from error
        return context


@dataclass(frozen=True)
class Target:
    """What is read of one component: its metrics page, and its process if it is a local one."""

    name: str
    url: str | None
    pid: int | None = None
    origin: Origin | None = None
    """Where its page comes from; None for the scraper's own."""

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
    mark: str | None = None
    """``CAME`` or ``LEFT``, if the target came or left while the others were being read."""

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
        if self.mark is not None:
            yield self.mark, "", 1.0


class Sink(Protocol):
    """Takes the scrapes as they come, and gives them back."""

    def append(self, scrape: Scrape, /) -> None: ...

    def __iter__(self) -> Iterator[Scrape]: ...


@dataclass
class Scraper:
    """Reads the targets; ``client`` is for the pages of local ones (:class:`Certificates`)."""

    targets: list[Target]
    seconds: float
    client: Mapping[str, Any] | None = None
    scrapes: Sink = field(default_factory=list[Scrape])
    latest: dict[str, bytes] = field(default_factory=dict)
    """The last page of each target, for the live display."""
    answer_seconds: float = 8.0
    """How long a page is waited for."""
    _marks: list[tuple[str, str]] = field(default_factory=list)
    """Target and mark, of what came and left since the last round."""

    @property
    def names(self) -> set[str]:
        """The targets by name."""
        return {target.name for target in self.targets}

    def follow(self, name: str, pid: int | None) -> None:
        """From now on this is the target's process: None if it has none."""
        self.targets = [replace(target, pid=pid) if target.name == name else target for target in self.targets]

    def add(self, target: Target, *, late: bool) -> None:
        """From the next round on this target is read too. ``late``: it was not there before, and counts from 0."""
        self.targets = [*self.targets, target]
        if late:
            self._marks.append((target.name, CAME))

    def drop(self, name: str) -> None:
        """The target is gone for good."""
        self.targets = [target for target in self.targets if target.name != name]
        self._marks.append((name, LEFT))

    async def run(self, stopping: asyncio.Event, ready: asyncio.Event) -> None:
        """Scrapes on an absolute schedule until ``stopping``, and once more. ``ready`` is set after the first round.

        A round does not wait for a page of the one before: who answers slowly is asked less often, the others are not.
        Raises CollectError if the client's certificate cannot be used.
        """
        async with _Sessions(Certificates(self.client), self.answer_seconds) as sessions:
            due = time.monotonic()
            running = self._round(sessions, {})
            await asyncio.gather(*running.values())
            ready.set()
            while not stopping.is_set():
                due = max(due + self.seconds, time.monotonic())
                try:
                    async with asyncio.timeout(due - time.monotonic()):
                        await stopping.wait()
                except TimeoutError:
                    running = self._round(sessions, running)
            await asyncio.gather(*running.values())
            await asyncio.gather(*self._round(sessions, {}).values())

    def _round(self, sessions: _Sessions, before: Mapping[str, asyncio.Task[None]]) -> dict[str, asyncio.Task[None]]:
        """Starts a reading of every target; of one whose reading before is still under way, only of its process.

        Returns the readings that are under way, those of targets that have left among them.
        """
        now = time.time()
        marks, self._marks = self._marks, []
        for name, mark in marks:
            self.scrapes.append(Scrape(now, name, False, None, None, mark))
        running = {name: task for name, task in before.items() if not task.done()}
        for task in before.values():
            if task.done():
                task.result()  # raises what is no failure of the target
        for target in (*self.targets, Target(HARNESS, None, os.getpid())):
            process = process_usage(target.pid) if target.pid else None
            if target.name in running:
                self.scrapes.append(Scrape(now, target.name, False, None, process))
            else:
                running[target.name] = asyncio.create_task(self._read(sessions, target, now, process))
        return running

    async def _read(self, sessions: _Sessions, target: Target, now: float, process: tuple[float, float] | None) -> None:
        page = None
        if target.url is not None:
            session, headers = sessions.of(target.origin)
            try:
                async with session.get(target.url, headers=headers, allow_redirects=False) as response:
                    body = await response.read()
                    page = prune(target.name, body) if response.status == 200 else None
            except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
                pass
        if page is not None:
            self.latest[target.name] = page
        self.scrapes.append(Scrape(now, target.name, target.url is not None, page, process))


class _Sessions(AsyncExitStack):
    """A session for each origin, opened when it is first asked for; those of the scraper's own at once."""

    def __init__(self, own: Origin, answer_seconds: float) -> None:
        super().__init__()
        self._own = own
        self._timeout = aiohttp.ClientTimeout(total=answer_seconds)
        self._open: dict[int, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> _Sessions:
        self.of(None)
        return self

    def of(self, origin: Origin | None) -> tuple[aiohttp.ClientSession, Mapping[str, str]]:
        """The session for an origin's pages, and the headers that go with a request."""
        origin = origin or self._own
        session = self._open.get(id(origin))
        if session is None:
            session = self._open[id(origin)] = origin.open(self._timeout)
            self.push_async_callback(session.close)
        return session, origin.headers()


def prune(target: str, page: bytes) -> bytes:
    """The page without the families that nobody asks for, where they are known."""
    if (kept := KEPT_FAMILIES.get(target)) is None:
        return page
    prefixes = tuple(name.encode() for name in kept)
    return b"\n".join(line for line in page.split(b"\n") if line.startswith(prefixes))


def peak_bytes() -> int:
    """The most memory that this process had resident. VmHWM of proc(5): getrusage has its parent's peak in it."""
    with open("/proc/self/status") as file:
        return int(file.read().partition("VmHWM:")[2].split()[0]) * 1024


def process_usage(pid: int) -> tuple[float, float] | None:
    """CPU seconds and resident bytes of a process; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS, float(int(fields[21]) * PAGE)

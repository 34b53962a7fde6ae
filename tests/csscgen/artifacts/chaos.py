"""A trial by fire: a registry that misbehaves at random and dies twice, while it is seeded."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from csscgen.artifacts.logins import Login
from csscgen.artifacts.seeder import SeedProgress, SeedReport, seed
from csscgen.artifacts.signing import Signer
from csscgen.artifacts.targets import Target
from infra.local.sockets import free_ports
from tests.csscgen.artifacts.faults import CONTENTS, FAULTS, IDENTITIES, LOG
from tests.csscgen.artifacts.stored import Stored, audit
from tests.csscgen.artifacts.verifying import running
from workloads.naming import ImageSet

SHARE = 0.2
DEATHS = ((1 / 3, signal.SIGTERM), (2 / 3, signal.SIGKILL))
"""After which part of the images the registry dies, and of what."""
LOGIN = Login("push", "a password")


@dataclass(frozen=True)
class Outcome:
    """What came out of it."""

    report: SeedReport
    again: list[SeedReport]
    """Seedings of the same afterwards, when the registry behaves again: with the journal, and without."""
    deaths: int
    faults: dict[str, int]
    """Requests by what happened to them; "none" to most."""
    stored: Stored

    @property
    def requests(self) -> int:
        return sum(self.faults.values())

    @property
    def share(self) -> float:
        """The part of the requests that something befell by chance, without those whose token had expired before."""
        drawn = sum(self.faults.get(fault, 0) for fault in FAULTS)
        return drawn / (drawn + self.faults["none"])


class Trial:
    """Seeds ``sets`` in a folder of its own.

    ``away`` is how long the registry is dead each time, in seconds; ``chance`` is the seed of what happens.
    """

    def __init__(
        self, folder: Path, sets: list[ImageSet], signer: Signer, waiter: Path, *, away: float, chance: int = 1
    ) -> None:
        self._folder = folder
        self._sets = sets
        self._signer = signer
        self._waiter = waiter
        self._away = away
        self._chance = chance
        self._images = sum(each.containers for each in sets)
        self._pushed = 0
        (self._port,) = free_ports(1)
        self._target = Target(f"127.0.0.1:{self._port}", logins=[LOGIN], journal=folder / "journal")
        entry = {"password": LOGIN.password, "actions": ["pull", "push", "delete", "metadata_read"]}
        (folder / IDENTITIES).write_text(json.dumps({LOGIN.user: entry}))

    def run(self, on_progress: Callable[[SeedProgress], None] = lambda _: None) -> Outcome:
        report, deaths = asyncio.run(self._under_fire(on_progress))
        faults = dict(Counter((self._folder / LOG).read_text().split()))
        with self._registry(0.0, 0):
            again = [
                asyncio.run(seed(self._sets, target, signer=self._signer, waiter=self._waiter))
                for target in (self._target, Target(self._target.registry, logins=[LOGIN]))
            ]
        return Outcome(report, again, deaths, faults, audit(self._folder / CONTENTS, self._sets))

    async def _under_fire(self, on_progress: Callable[[SeedProgress], None]) -> tuple[SeedReport, int]:
        def tell(progress: SeedProgress) -> None:
            self._pushed = self._images if progress.stage == "check" else progress.done
            on_progress(progress)

        started, ended = threading.Event(), threading.Event()
        registry = asyncio.create_task(asyncio.to_thread(self._lives, started, ended))
        try:
            await asyncio.to_thread(started.wait, 30)
            report = await seed(self._sets, self._target, signer=self._signer, waiter=self._waiter, on_progress=tell)
        finally:
            ended.set()
            deaths = await registry
        return report, deaths

    def _lives(self, started: threading.Event, ended: threading.Event) -> int:
        """Let the registry live and die until the end; how often it died."""
        for deaths, (part, how) in enumerate(DEATHS):
            with self._registry(SHARE, self._chance + deaths) as process:
                started.set()
                while self._pushed < part * self._images:
                    if ended.wait(0.02):
                        return deaths
                process.send_signal(how)
                process.wait(10)
            ended.wait(self._away)
        with self._registry(SHARE, self._chance + len(DEATHS)):
            ended.wait()
        return len(DEATHS)

    @contextmanager
    def _registry(self, share: float, chance: int) -> Iterator[subprocess.Popen[bytes]]:
        argv = [sys.executable, "-m", "tests.csscgen.artifacts.faults"]
        argv += map(str, (self._port, self._folder, share, chance))
        with running(argv, f"http://127.0.0.1:{self._port}/metrics", self._folder / "registry.log") as process:
            yield process

"""Looks after the processes that are meant to run, while a command works on their stacks.

One that ended on its own ends the command, whatever that is waiting for: a control plane without etcd would let it wait
for minutes, and then the error would name what waited. What somebody ends on purpose has no record at that time (see
:mod:`infra.local.running`), so a fault of a schedule is none for the watchdog.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.local.running import Record, how_it_ended, last_lines, records
from workloads.errors import ProcessError

EVERY_SECONDS = 0.2
GRACE_SECONDS = 0.4
"""How long after an error a death that explains it is looked for."""


class Watchdog:
    """Watches the stacks in ``folders``. ``step`` tells what the command does; ``found`` is told of the first death.

    A folder that is not there yet is looked at all the same: its stack may be coming up.
    """

    def __init__(self, folders: Sequence[Path], step: Callable[[], str], found: Callable[[ProcessError], None]) -> None:
        self._folders = folders
        self._step = step
        self._found = found
        self._known: dict[Path, tuple[tuple[int, int], list[Record]]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.cause: ProcessError | None = None
        """What ended first, once something has."""

    def look(self) -> ProcessError | None:
        """Looks now. Returns what ended on its own, told as an error; the first finding stays."""
        with self._lock:
            if self.cause is None and not self._stop.is_set() and (gone := self._gone()):
                self.cause = ProcessError(_told(gone, self._step()))
                self._found(self.cause)
            return self.cause

    def explain(self) -> ProcessError | None:
        """What ended on its own, if something did just before or after an error: the error follows from it."""
        if self._stop.is_set() or not any(self._records()):
            return self.cause
        end = time.monotonic() + GRACE_SECONDS
        while (cause := self.look()) is None and time.monotonic() < end:
            time.sleep(EVERY_SECONDS / 4)
        return cause

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Looks every fifth of a second in a thread of its own."""
        thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            thread.join()

    def stop(self) -> None:
        """Looks no more: from here on processes are ended on purpose."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_SECONDS) and self.look() is None:
            pass

    def _gone(self) -> list[Record]:
        """The processes that ended on their own, in the order in which they were started: causes come first."""
        gone = [record for record in self._records() if not record.alive]
        if gone:
            self._known.clear()
        # Who ends a process on purpose takes the record away first: it may have done so since it was read.
        return sorted((record for record in gone if _is_meant(record)), key=lambda record: record.started)

    def _records(self) -> Iterator[Record]:
        """The records of all stacks; a folder is read again when it has changed."""
        for folder in self._folders:
            try:
                stat = os.stat(folder / "processes")
            except OSError:
                continue
            version = (stat.st_mtime_ns, stat.st_ino)
            known = self._known.get(folder)
            if known is None or known[0] != version:
                known = self._known[folder] = (version, records(folder))
            yield from known[1]


def _is_meant(record: Record) -> bool:
    return record in records(Path(record.folder))


def _told(gone: Sequence[Record], step: str) -> str:
    first, others = gone[0], gone[1:]
    so = f", and so did {', '.join(f'{one.name} (pid {one.pid})' for one in others)}" if others else ""
    return (
        f"{first.name} (pid {first.pid}) ended on its own after {first.seconds:.1f} s, during {step}{so}: "
        f"{how_it_ended(first.pid, first.started)}. The last lines of its log:\n{last_lines(Path(first.log))}"
    )

"""Carries out a schedule of faults while the load goes on, and measures how long recovery takes.

Each fault has a thread of its own and a place on an absolute schedule that begins when the first object is sent. The
run does not wait for the schedule: it is over when the outcome of every pod is known. What was due later is reported as
not carried out, and what is under way then is undone. Whatever happens, nothing stays stopped, limited or replaced, and
what was killed is started again, so that the stack is as it was, be it destroyed or kept.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.files import write_atomically
from csscgen.inflicting import ACTIONS, Action, Victim, find
from infra.faults import Fault
from infra.local.running import last_lines
from workloads.errors import CollectError, ProjectError

FILE = "faults.jsonl"
POLL_SECONDS = 0.03
READY_SECONDS = 60.0
"""How long a process is waited for after its fault."""
CLOSE_SECONDS = 15.0
"""How long it is waited for when the run is over: with its last sample it has figures for the whole window."""


@dataclass
class Entry:
    """A line of faults.jsonl. Times are epoch seconds; what did not happen is null."""

    target: str
    action: str
    at: float
    seconds: float
    share: float | None
    began: float | None = None
    ended: float | None = None
    """When the cause was gone: the process was started again, continued, given its certificate back."""
    ready: float | None = None
    """When its readiness probe answered after that."""
    error: str | None = None
    """Why it was not carried out, or what went wrong, in sentences."""


def unfinished(folder: Path) -> list[str]:
    """The faults of the run in a folder that began and that nobody has undone, in words: its harness was killed."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
        entries = [Entry(**json.loads(line)) for line in lines]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise CollectError(f"{folder / FILE} is not a record of faults: {error}.") from error
    # An outage of a registry ends by itself.
    open_ = [entry for entry in entries if entry.began and not entry.ended and entry.action != "outage"]
    return [f"{entry.action} of {entry.target}" for entry in open_]


class Faults:
    """The faults of one run. ``start`` when the first object is sent; ``close`` before the last samples are taken."""

    def __init__(
        self,
        schedule: Sequence[Fault],
        outputs: Mapping[str, Any],
        shared: Mapping[str, Any],
        follow: Callable[[str, int | None], None],
        folder: Path,
    ) -> None:
        """``follow`` is told the new pid of a process that was started again; ``folder`` is the run's."""
        self.entries = [Entry(f.target, f.action, f.at, f.seconds, f.share) for f in schedule]
        self._schedule = list(schedule)
        self._find: Callable[[str], Victim] = lambda target: find(target, outputs, shared, follow)
        self._folder = folder
        self._over = threading.Event()
        self._patience = CLOSE_SECONDS
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """The first object is sent: the schedule begins."""
        began = time.monotonic()
        for fault, entry in zip(self._schedule, self.entries, strict=True):
            work = (fault, entry, began + fault.at)
            self._threads.append(threading.Thread(target=self._carry_out, args=work, name=fault.name, daemon=True))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Undoes what is under way and waits until what was hit is ready again; after Ctrl-C it does not wait."""
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            self._patience = 0.0
        self._over.set()
        for thread in self._threads:
            thread.join(READY_SECONDS)
        for entry in self.entries:
            if entry.began is None and entry.error is None:
                entry.error = "It was not carried out: no load was sent."
        if self.entries:
            self._save()

    def _carry_out(self, fault: Fault, entry: Entry, due: float) -> None:
        try:
            if self._over.wait(max(0.0, due - time.monotonic())):
                entry.error = f"It was not carried out: the run was over before {fault.at:g} s."
            else:
                victim = self._find(fault.target)
                self._inflict(ACTIONS[fault.action](victim, fault), entry)
                self._await_ready(victim, entry)
        except (ProjectError, OSError) as error:
            entry.error = str(error)
        finally:
            self._save()

    def _inflict(self, action: Action, entry: Entry) -> None:
        moment, end = time.time(), time.monotonic() + action.fault.seconds
        try:
            action.begin()
            entry.began = moment
            self._save()
            action.hold(self._over, end - time.monotonic())
        finally:
            if entry.began:
                entry.ended = time.time()
            action.end()
        assert entry.ended
        if self._over.is_set() and time.monotonic() < end:
            entry.error = f"It was ended after {entry.ended - entry.began:.1f} s: the run was over."

    def _await_ready(self, victim: Victim, entry: Entry) -> None:
        assert entry.ended
        end = time.monotonic() + READY_SECONDS
        while not victim.is_ready():
            if not victim.record.alive:
                lines = last_lines(Path(victim.record.log))
                entry.error = (
                    f"{victim.record.name} ended after it was started again. The last lines of its log:\n{lines}"
                )
                return
            if self._over.is_set():
                if not self._patience:
                    return
                end = min(end, time.monotonic() + self._patience)
            if time.monotonic() >= end:
                entry.error = (
                    f"{victim.record.name} was not ready again {time.time() - entry.ended:.0f} s after the end."
                )
                return
            time.sleep(POLL_SECONDS)
        entry.ready = time.time()

    def _save(self) -> None:
        with self._lock:
            lines = "".join(f"{json.dumps(asdict(entry))}\n" for entry in self.entries)
            write_atomically(self._folder / FILE, lines.encode())

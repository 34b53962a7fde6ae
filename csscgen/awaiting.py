"""What an engine's operation waits for, told while it waits: AKS takes minutes, and a still line tells nothing.

The engine tells when a step begins and ends. In between nothing comes, so a thread of its own tells how long the oldest
step has been under way, and how many others are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

from analysis.formats import seconds
from infra.engine import StepEvent

EVERY_SECONDS = 1.0
VERBS = {
    "create": "creating",
    "update": "updating",
    "replace": "replacing",
    "delete": "deleting",
    "read": "reading",
    "same": "checking",
}


class Awaiting:
    """Follows one operation; use it as a context manager, and ``follow`` as the engine's callback.

    ``tell`` is given a line every second until the operation ends, however it ends.
    """

    def __init__(
        self, tell: Callable[[str], None], *, every: float = EVERY_SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self._tell = tell
        self._every = every
        self._clock = clock
        self._began = clock()
        self._open: dict[str, StepEvent] = {}
        self._done = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def follow(self, event: StepEvent) -> None:
        """A step began or ended."""
        with self._lock:
            if event.status == "started":
                self._open[event.urn] = event
            elif self._open.pop(event.urn, None):
                self._done += event.status == "done"

    def text(self) -> str:
        """What is waited for now: ``creating ManagedCluster aks for 4 min 10 s, 3 more; 12 done``."""
        with self._lock:
            steps = sorted(self._open.values(), key=lambda step: step.at)
            done = f"; {self._done} done" if self._done else ""
        if not steps:
            return f"running the program for {self._since(self._began)}{done}"
        first = steps[0]
        more = f", {len(steps) - 1} more" if len(steps) > 1 else ""
        kind = first.type.rpartition(":")[2]
        return f"{VERBS[first.op]} {kind} {first.name} for {self._since(first.at)}{more}{done}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._tick, name="awaiting", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _tick(self) -> None:
        while not self._ended.wait(self._every):
            self._tell(self.text())

    def _since(self, moment: float) -> str:
        return seconds(max(int(self._clock() - moment), 0))

"""pods.jsonl, requests.jsonl and events.jsonl: written every few seconds while a load runs, and a last time at its end.

A harness that is killed has then lost seconds and not the run. A file is replaced as a whole, and only when what it
tells has changed. Writing 20,000 pods takes a third of a second, so the pause grows with what a checkpoint took: the
harness is not to be what is measured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from analysis.files import write_atomically
from csscgen.loading import Request
from csscgen.tracking import Tracker

PODS, REQUESTS, EVENTS = "pods.jsonl", "requests.jsonl", "events.jsonl"
EVERY_SECONDS = 1.0
SHARE = 0.02
"""Of one core: what checkpoints may take of the harness's time."""


class Checkpoints:
    """Of one run. ``requests`` is the list that the load appends to."""

    def __init__(self, folder: Path, tracker: Tracker, requests: Sequence[Request]) -> None:
        self._folder = folder
        self._tracker = tracker
        self._requests = requests
        self._written: dict[str, Any] = {}
        self._stop = threading.Event()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Writes checkpoints in a thread of its own."""
        thread = threading.Thread(target=self._keep, name="checkpoints", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def write(self) -> None:
        """Writes what has changed."""
        tracker = self._tracker
        denials = sum(sum(one.reasons.values()) + sum(one.troubles.values()) for one in tracker.denials.values())
        pods = (len(tracker.pods), tracker.changed_at, tracker.ready, tracker.failed, denials)
        self._write(PODS, pods, tracker.records())
        self._write(REQUESTS, len(self._requests), (request.record() for request in list(self._requests)))
        self._write(EVENTS, len(tracker.events), list(tracker.events))

    def _write(self, name: str, version: Any, records: Iterable[dict[str, Any]]) -> None:
        if self._written.get(name) == version and (self._folder / name).exists():
            return
        write_atomically(self._folder / name, b"".join(map(_line, records)))
        self._written[name] = version

    def _keep(self) -> None:
        pause = 0.0  # the first one at once, so that there is one however early a kill comes
        while not self._stop.wait(pause):
            began = time.thread_time()
            with suppress(RuntimeError):  # a collection grew under the eyes of this thread: the next one has it
                self.write()
            pause = max(EVERY_SECONDS, (time.thread_time() - began) / SHARE)


def _line(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)

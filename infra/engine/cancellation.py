"""Lets a step that waits end when its operation is interrupted: the pauses of a waiting step are made here.

A provider does not know the operation that it works for, and a dynamic one is even loaded from a pickle. So the
operation says for its own thread what would stop it, and whoever pauses in that thread is woken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from workloads.errors import EngineError

_thread = threading.local()


@contextmanager
def cancellable(stop: threading.Event) -> Iterator[None]:
    """What this thread does inside ends at its next pause once ``stop`` is set."""
    before = getattr(_thread, "stop", None)
    _thread.stop = stop
    try:
        yield
    finally:
        _thread.stop = before


def pause(seconds: float) -> None:
    """Sleeps. Raises EngineError as soon as the operation that this thread works for is interrupted."""
    stop: threading.Event | None = getattr(_thread, "stop", None)
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise EngineError("The operation was interrupted.")

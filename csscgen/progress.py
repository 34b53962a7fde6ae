"""Progress on stderr: a live line on a terminal, a line per step and every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.formats import seconds

EVERY_SECONDS = 10.0
BAR_WIDTH = 24


class Progress:
    """Tells what is going on. Thread-safe enough for its callers: a line is one write."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._status = None
        if self._live:
            from rich.console import Console
            from rich.status import Status

            self._status = Status("", console=Console(stderr=True))
        self._told = 0.0
        self._step = ""

    @property
    def current(self) -> str:
        """The step that is under way, or was last."""
        return self._step

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._quiet:
            return
        if self._status is not None:
            self._status.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def update(self, text: str) -> None:
        """How far the current step is."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(f"{self._step}: {text}"))
        elif time.monotonic() - self._told >= EVERY_SECONDS:
            self._told = time.monotonic()
            self.say(f"  {self._step}: {text}")

    def count(self, text: str, done: int, total: int) -> None:
        """How far the current step is, as a bar."""
        if not total:
            self.update(text)
            return
        filled = BAR_WIDTH * done // total
        self.update(f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {done} of {total} {text}")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step that is announced, and told with its duration when it ends."""
        self._step, self._told = name, time.monotonic()
        started = time.monotonic()
        if self._status is not None:
            self._status.update(name)
            self._status.start()
        try:
            yield
        except BaseException:
            self.say(f"✗ {name} failed after {_duration(time.monotonic() - started)}")
            raise
        else:
            self.say(f"✓ {name} in {_duration(time.monotonic() - started)}")
        finally:
            if self._status is not None:
                self._status.stop()


def _duration(value: float) -> str:
    """Tenths of a second as long as they can be of interest."""
    return f"{value:.1f} s" if value < 120 else seconds(value)

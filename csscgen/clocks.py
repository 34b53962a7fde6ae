"""Whether the wall clock went evenly: all times of a run are of it, and a jump falsifies every one that spans it.

The wall clock is held against the monotonic one, which nobody sets and which stands still while the machine sleeps.
What a time service corrects bit by bit, at most 0.5 ms in a second, is no jump.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

READ_SECONDS = 0.5
TOLERANCE_SECONDS = 0.1
"""A smaller step is not told apart from what the time service and the scheduler of a busy machine do."""
_SPREAD_SECONDS = 0.005
_ATTEMPTS = 5


@dataclass(frozen=True)
class Jump:
    """The wall clock was set by ``seconds`` (negative: back); ``at`` is its time after that, epoch seconds."""

    at: float
    seconds: float


class Clock:
    """Follows the wall clock; ``jumps`` are those that were seen."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self.jumps: list[Jump] = []
        self._wall, self._steady = wall, steady
        self._offset: float | None = None

    def read(self) -> None:
        """Looks at the clock. A look during which this thread was set aside says nothing and is repeated."""
        for _ in range(_ATTEMPTS):
            before, wall, after = self._steady(), self._wall(), self._steady()
            if after - before <= _SPREAD_SECONDS:
                break
        else:
            return
        offset = wall - (before + after) / 2
        if self._offset is not None and abs(offset - self._offset) > TOLERANCE_SECONDS:
            self.jumps.append(Jump(wall, offset - self._offset))
        self._offset = offset

    async def follow(self) -> None:
        """Looks at the clock until it is cancelled."""
        while True:
            self.read()
            await asyncio.sleep(READ_SECONDS)

    def record(self) -> list[dict[str, float]]:
        """For run.json."""
        return [asdict(jump) for jump in self.jumps]

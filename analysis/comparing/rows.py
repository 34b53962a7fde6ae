"""What a comparison says: a row per figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workloads.profiles import Direction

Verdict = Literal["better", "worse", "same", "unknown"]


@dataclass(frozen=True)
class Row:
    """One figure on both sides.

    ``base`` and ``new`` are medians over the runs of a side (of figures compared exactly, the worst run), in ``unit``.
    ``change`` and ``interval`` (95 %) are shares of the base: 0.1 is 10 % more; None where they cannot be had.
    ``p_value`` is that of the Mann-Whitney test, as it is. A row that is not ``judged`` is there to be read, and its
    verdict is always unknown. ``reason`` says why a verdict is what it is.
    """

    metric: str
    unit: str
    direction: Direction
    base: float | None
    new: float | None
    change: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    judged: bool
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Comparison:
    """All rows; ``reasons`` says what differs between the sides besides the figures, and what is worse."""

    rows: tuple[Row, ...]
    reasons: tuple[str, ...]
    circumstances: tuple[str, ...] = ()
    """Sentences on what else the runs differ in: versions of components, the machine."""

    @property
    def worse(self) -> tuple[Row, ...]:
        """The rows that got worse."""
        return tuple(row for row in self.rows if row.verdict == "worse")

"""Percentiles of values that are all known, by nearest rank.

The nearest-rank percentile is a value that really occurred, the smallest that at least p percent of the values do not
exceed; nothing is interpolated. It is always given with the number of values: a p99 of 20 values is their maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil


def nearest_rank(ordered: Sequence[float], percent: float) -> float:
    """The percentile, 0 < percent <= 100, of values in rising order. Raises ValueError if there are none."""
    if not ordered:
        raise ValueError("There is no percentile of no values.")
    return ordered[max(1, ceil(percent / 100 * len(ordered) - 1e-9)) - 1]


def distribution(values: Sequence[float], percents: Sequence[int]) -> dict[str, float]:
    """``count``, ``p<percent>`` for each percent, and ``max``. Raises ValueError if there are no values."""
    ordered = sorted(values)
    return {
        "count": len(ordered),
        **{f"p{percent}": nearest_rank(ordered, percent) for percent in percents},
        "max": nearest_rank(ordered, 100),
    }

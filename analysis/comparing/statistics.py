"""The test and the interval of a difference between two sides of runs. A value stands for a whole run.

Records within a run share its moment and are not independent: a test on them calls equal runs different.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb, erfc, sqrt
from random import Random
from statistics import median

EXACT = 20_000
RESAMPLES = 2000


def mann_whitney(base: Sequence[float], new: Sequence[float]) -> float:
    """The two-sided p of the Mann-Whitney U test; neither side may be empty.

    Exact, by all divisions of the mid-ranks, where there are at most EXACT; else the normal approximation with
    correction for ties and continuity. Mann and Whitney, Annals of Mathematical Statistics 18 (1947), 50-60.
    """
    n, total = len(base), len(base) + len(new)
    ranks = ranks_of([*base, *new])
    middle = n * (total + 1) / 2
    seen = abs(sum(ranks[:n]) - middle)
    if comb(total, n) <= EXACT:
        extreme = sum(abs(sum(some) - middle) >= seen - 1e-9 for some in combinations(ranks, n))
        return extreme / comb(total, n)
    spread = sqrt(n * (total - n) / (total * (total - 1)) * sum((rank - (total + 1) / 2) ** 2 for rank in ranks))
    return erfc(max(0.0, seen - 0.5) / spread / sqrt(2)) if spread else 1.0


def ranks_of(values: Sequence[float]) -> list[float]:
    """Ranks from 1, equal values at the mean of theirs."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), 1):
        places.setdefault(value, []).append(place)
    return [sum(places[value]) / len(places[value]) for value in values]


def interval(base: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the difference of medians. The same values give the same interval.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    draw = Random(0)
    found = sorted(
        median(draw.choices(new, k=len(new))) - median(draw.choices(base, k=len(base))) for _ in range(RESAMPLES)
    )
    return found[RESAMPLES // 40], found[-RESAMPLES // 40 - 1]

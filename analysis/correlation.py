"""Whether two quantities rise and fall together, by Spearman's rank correlation. It says nothing of a cause."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import erfc, factorial, sqrt
from typing import NamedTuple

from analysis.comparing.statistics import ranks_of
from workloads.errors import CollectError

EXACT = 50_000
FEWEST = 6
"""Of fewer pairs no order is rarer than 1 in 100, so that none can tell anything."""


class Correlation(NamedTuple):
    """Spearman's rho, -1 to 1, of how many pairs, and its two-sided p if the pairs are independent."""

    rho: float
    pairs: int
    p: float


def spearman(one: Sequence[float], other: Sequence[float]) -> Correlation:
    """The rank correlation of the pods' time, ``one``, and something else, in pairs.

    Raises CollectError, with the reason, if they have none. p is exact, by all permutations of the
    ranks, where there are at most EXACT; else by the normal approximation. Ties have the mean of their ranks. Spearman,
    American Journal of Psychology 15 (1904), 72-101; Kendall, Rank Correlation Methods (1948), chapter 5.
    """
    count = len(one)
    if count < FEWEST:
        raise CollectError(f"{count} scrape intervals are too few to correlate: at least {FEWEST} are needed.")
    middle = (count + 1) / 2
    left, right = ([rank - middle for rank in ranks_of(side)] for side in (one, other))
    widths = [_product(side, side) for side in (left, right)]
    if not all(widths):
        what = "The pods' time" if not widths[0] else "It"
        raise CollectError(f"{what} was the same in every scrape interval, and so goes with nothing.")
    spread = sqrt(widths[0] * widths[1])
    seen = _product(left, right)
    if factorial(count) <= EXACT:
        limit = abs(seen) - 1e-9
        p = sum(abs(_product(left, order)) >= limit for order in permutations(right)) / factorial(count)
    else:
        p = erfc(abs(seen) / spread * sqrt(count - 1) / sqrt(2))
    return Correlation(seen / spread, count, p)


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(float.__mul__, one, other))

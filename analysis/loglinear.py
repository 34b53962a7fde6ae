"""Histograms that can be merged: of seconds, with a bounded relative error, wherever they were filled.

The buckets are those of HdrHistogram (G. Tene, hdrhistogram.org; here with 128 to each power of two): whole
microseconds up to 255, and from there on as wide as their value's power of two divided by 128. They are the same in
every histogram, so that counts are added and a merged histogram is exactly the one of all values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any, Self

from analysis.shapes import Fault, entries, fault, items, maybe, number
from workloads.errors import CollectError

BITS = 7
UNIT = 1e-6
"""Seconds."""
ERROR = 0.004
"""Of a percentile, relative, at most: half a bucket by its lower end. Below 256 µs it is half a microsecond."""


class LogLinear:
    """Counts of values in seconds, and the least and the greatest of them as they were."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        """Raises ValueError for a value that is negative by half a microsecond or more."""
        seconds = list(values)
        self.counts: Counter[int] = Counter(bucket(value) for value in seconds)
        self.least = min(seconds, default=None)
        self.greatest = max(seconds, default=None)

    @property
    def count(self) -> int:
        return self.counts.total()

    def add(self, other: LogLinear) -> None:
        """Take in all that the other one has."""
        self.counts.update(other.counts)
        self.least = min((each for each in (self.least, other.least) if each is not None), default=None)
        self.greatest = max((each for each in (self.greatest, other.greatest) if each is not None), default=None)

    def percentile(self, percent: float) -> float:
        """The percentile by nearest rank, 0 < percent ≤ 100, wrong by at most ERROR.

        Raises CollectError if there are no values.
        """
        if self.least is None or self.greatest is None:
            raise CollectError("Nothing was counted.")
        rank = max(1, ceil(percent / 100 * self.count - 1e-9))
        if rank == self.count:
            return self.greatest
        below = 0
        for place in sorted(self.counts):
            below += self.counts[place]
            if below >= rank:
                return min(max(middle(place), self.least), self.greatest)
        raise AssertionError("The counts are fewer than their sum.")

    def record(self) -> dict[str, Any]:
        """As JSON: the buckets that are not empty by rising place, each ``[place, count]``."""
        return {"least": self.least, "greatest": self.greatest, "counts": sorted(map(list, self.counts.items()))}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """The histogram that wrote a record of the form RECORD."""
        histogram = cls()
        histogram.counts.update({int(place): int(count) for place, count in record["counts"]})
        histogram.least, histogram.greatest = record["least"], record["greatest"]
        return histogram


def bucket(seconds: float) -> int:
    """The place of a value's bucket. Raises ValueError if it is negative."""
    units = round(seconds / UNIT)
    if units < 0:
        raise ValueError(f"{seconds} s is no duration.")
    exponent = max(0, units.bit_length() - BITS - 1)
    return (exponent << BITS) + (units >> exponent)


def middle(place: int) -> float:
    """The middle of a bucket in seconds."""
    exponent = max(0, (place >> BITS) - 1)
    units = (place - (exponent << BITS)) << exponent
    return (units + ((1 << exponent) - 1) / 2) * UNIT


def _bucket(value: Any) -> Fault | None:
    pair = isinstance(value, list) and len(value) == 2 and all(type(each) is int and each >= 0 for each in value)
    return None if pair else fault(value)


RECORD = entries({"least": maybe(number), "greatest": maybe(number), "counts": items(_bucket)})

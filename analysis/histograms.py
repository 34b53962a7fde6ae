"""Quantiles of Prometheus histograms, and what they can and cannot say.

A histogram knows how many observations were at or below each bound, and nothing in between. A quantile is therefore an
estimate inside one bucket: linear interpolation, the same as Prometheus' ``histogram_quantile`` (prometheus.io/docs,
"Errors of quantile estimation"), wrong by at most the width of that bucket. Unlike it, a quantile that falls beyond the
last finite bound is unknown here, not that bound: a slow component must not look like one that meets its limit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf, isnan, nan

from analysis.expositions import parse_labels
from analysis.samples import Samples, Window
from workloads.errors import CollectError, quoted
from workloads.ratify.metrics import Metric

BEYOND = "It lies beyond the last bucket."
EMPTY = "Nothing was observed in the window."


@dataclass(frozen=True)
class Histogram:
    """Observations by bucket: ``counts[i]`` of them were above ``bounds[i - 1]`` and at or below ``bounds[i]``.

    Bounds rise and end in +Inf. An empty histogram may have no bounds at all.
    """

    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()

    @classmethod
    def from_cumulative(cls, cumulative: Mapping[float, float], scale: float = 1.0) -> Histogram:
        """From Prometheus' cumulative buckets, by bound; ``scale`` turns the bounds into our unit.

        A bucket with less than the one below it, as after a restart that nobody noticed, counts as empty.
        """
        bounds, counts, below = [], [], 0.0
        for bound in sorted(cumulative):
            bounds.append(bound * scale)
            counts.append(max(0.0, cumulative[bound] - below))
            below = max(below, cumulative[bound])
        return cls(tuple(bounds), tuple(counts))

    @property
    def count(self) -> float:
        """How many observations there are."""
        return sum(self.counts)

    @property
    def max_bucket(self) -> float | None:
        """The upper bound of the highest bucket that has an observation; None if that is +Inf, or there is none."""
        highest = max((b for b, n in zip(self.bounds, self.counts, strict=True) if n > 0), default=inf)
        return None if highest == inf else highest

    def quantile(self, q: float) -> float | None:
        """The estimated value that a share ``q`` (0 to 1) of the observations does not exceed.

        None if there are no observations, or if it lies beyond the last finite bound. The first bucket is taken to
        start at 0, unless its bound is negative or 0.
        """
        rank = q * self.count
        below = 0.0
        for index, (bound, inside) in enumerate(zip(self.bounds, self.counts, strict=True)):
            if inside > 0 and below + inside >= rank:
                if bound == inf:
                    return None
                floor = self.bounds[index - 1] if index else min(bound, 0.0)
                return floor + (bound - floor) * min(1.0, max(0.0, (rank - below) / inside))
            below += inside
        return None

    def error(self, q: float) -> float | None:
        """The most by which ``quantile`` can be wrong: the distance to the further bound of its bucket.

        None where there is no quantile.
        """
        rank = q * self.count
        below = 0.0
        for index, (bound, inside) in enumerate(zip(self.bounds, self.counts, strict=True)):
            if inside > 0 and below + inside >= rank:
                value = self.quantile(q)
                floor = self.bounds[index - 1] if index else min(bound, 0.0)
                return None if value is None else max(value - floor, bound - value)
            below += inside
        return None

    def merge(self, other: Histogram) -> Histogram:
        """Both histograms' observations in one.

        Where the bounds differ, only those that both have are kept, as the rest cannot be said of the sum.
        """
        if not self.bounds or not other.bounds:
            return self if self.bounds else other
        if self.bounds == other.bounds:
            return Histogram(self.bounds, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))
        shared = sorted({*self.bounds} & {*other.bounds})
        counts = [0.0] * len(shared)
        for one in (self, other):
            for bound, inside in zip(one.bounds, one.counts, strict=True):
                counts[bisect_left(shared, bound)] += inside
        return Histogram(tuple(shared), tuple(counts))


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """All of them in one; empty if there are none."""
    total = Histogram()
    for one in histograms:
        total = total.merge(one)
    return total


def over_window(
    samples: Samples,
    metric: Metric,
    target: str,
    window: Window,
    keep: Callable[[Mapping[str, str]], bool] = lambda labels: True,
) -> Histogram:
    """What a target observed in a window, over all its series that ``keep`` accepts by their labels.

    Raises CollectError if the target's scrapes do not enclose the window.
    """
    series: dict[frozenset[tuple[str, str]], dict[float, float]] = defaultdict(dict)
    for name in metric.names:
        for text, grown in samples.increases(f"{name}_bucket", target, window).items():
            labels = parse_labels(text)
            if keep(labels):
                others = frozenset(item for item in labels.items() if item[0] != "le")
                series[others][_bound(labels, metric)] = grown
    return merged(Histogram.from_cumulative(one, metric.scale) for one in series.values())


def _bound(labels: Mapping[str, str], metric: Metric) -> float:
    """The upper bound of a bucket. Raises CollectError if it has none."""
    try:
        bound = float(labels.get("le", ""))
    except ValueError:
        bound = nan
    if isnan(bound):
        raise CollectError(
            f"A bucket of {metric.names[0]} has the bound {quoted(labels.get('le'))}, which is no number."
        )
    return bound


def over_time(
    samples: Samples, metric: Metric, target: str, *, came: bool = False, restarts: Collection[float] = ()
) -> list[tuple[float, Histogram]]:
    """What a target observed between consecutive scrapes: (instant of the later one, observations).

    At a scrape of ``restarts`` a new process counts from 0, as it does where a bucket fell. ``came`` says that the
    target was not there before its first scrape, so that what it shows is an interval's too.
    """
    times = [*([-inf] if came else []), *samples.scrapes(target)]
    values: dict[tuple[str, frozenset[tuple[str, str]]], dict[float, dict[float, float]]] = defaultdict(dict)
    for name in metric.names:
        for one in samples.series(f"{name}_bucket", target):
            labels = parse_labels(one.labels)
            others = frozenset(item for item in labels.items() if item[0] != "le")
            values[name, others][_bound(labels, metric)] = dict(zip(one.times, one.values, strict=True))
    intervals = []
    for earlier, later in zip(times, times[1:], strict=False):
        parts = []
        for buckets in values.values():
            old = {le: at.get(earlier, 0.0) for le, at in buckets.items()}
            new = {le: at.get(later, 0.0) for le, at in buckets.items()}
            fresh = later in restarts or any(new[le] < old[le] for le in buckets)
            grown = {le: new[le] - (0.0 if fresh else old[le]) for le in buckets}
            parts.append(Histogram.from_cumulative(grown, metric.scale))
        intervals.append((later, merged(parts)))
    return intervals

"""What the scrapes of one component say about the window, all its replicas together.

Counters and histograms of the replicas are added; memory and CPU are added instant by instant, so that a peak is one of
the component and not the sum of peaks that never met. Every question is answered or refused with the reason
(CollectError): absence is zero only where the metric's witnesses say so (workloads.ratify.metrics).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from analysis.expositions import parse_labels
from analysis.histograms import Histogram, merged, over_time, over_window
from analysis.samples import Samples, Window, selected
from workloads.errors import CollectError
from workloads.ratify.metrics import CPU_SECONDS, RESIDENT_BYTES, Metric

if TYPE_CHECKING:  # records have sums of shards, whose figures are made of components
    from analysis.records import Records

Points = list[tuple[float, float]]
"""(epoch seconds, value), in order of time."""
Keep = Callable[[Mapping[str, str]], bool]
"""Which series to look at, by their labels."""


def _every(_labels: Mapping[str, str]) -> bool:
    return True


class Component:
    """The scraped targets of one component (``ratify`` for ratify-0, ratify-1, …) in one window."""

    def __init__(
        self,
        name: str,
        samples: Samples | None,
        window: Window | None,
        problem: str | None = None,
        unscraped: str | None = None,
    ) -> None:
        """``problem`` says why there are no samples at all, ``unscraped`` why there are none of this component."""
        self.name = name
        self._unscraped = unscraped
        self._samples = samples
        self._window = window
        self._problem = problem

    def counter(self, metric: Metric, label: str, keep: Keep = _every) -> dict[str, float]:
        """The counter's growth in the window by the values of a label, over the series that ``keep`` accepts.

        Raises CollectError if unknown.
        """
        samples, window = self._source()
        targets = self._exporting(metric, metric.names)
        sums: dict[str, float] = defaultdict(float)
        for target in targets:
            for name in metric.names:
                increases = samples.increases(name, target, window)
                kept = {labels: grown for labels, grown in increases.items() if keep(parse_labels(labels))}
                for value, grown in selected(kept, label).items():
                    sums[value] += grown
        return dict(sums)

    def histogram(self, metric: Metric, keep: Keep = _every) -> Histogram:
        """What was observed in the window, over the series that ``keep`` accepts. Raises CollectError if unknown."""
        samples, window = self._source()
        targets = self._exporting(metric, [f"{name}_count" for name in metric.names])
        return merged(over_window(samples, metric, target, window, keep) for target in targets)

    def mean(self, metric: Metric, keep: Keep = _every) -> float:
        """The mean of what was observed in the window, over the series that ``keep`` accepts: sum by count, exactly.

        Raises CollectError if unknown, or if there was nothing.
        """
        samples, window = self._source()
        count = total = 0.0
        for target in self._exporting(metric, [f"{name}_count" for name in metric.names]):
            for name in metric.names:
                counts, sums = (samples.increases(f"{name}_{part}", target, window) for part in ("count", "sum"))
                for labels, grown in counts.items():
                    if grown and keep(parse_labels(labels)):
                        if labels not in sums:
                            raise CollectError(f"{target} exported {name}_count without {name}_sum.")
                        count += grown
                        total += sums[labels]
        if count == 0:
            raise CollectError(f"{self.name} observed no {metric.names[0]} in the window.")
        return total / count * metric.scale

    def by_replica(self, metric: Metric) -> dict[str, Histogram]:
        """What each target observed in the window, be it nothing. Raises CollectError if unknown."""
        samples, window = self._source()
        targets = self._exporting(metric, [f"{name}_count" for name in metric.names])
        return {target: over_window(samples, metric, target, window, lambda labels: True) for target in targets}

    def restarts(self) -> int:
        """How many processes replaced another one in the window. Raises CollectError if unknown."""
        samples, window = self._source()
        restarts = [samples.bracket(target, window).restarts for target in self._targets()]
        if any(one is None for one in restarts):
            raise CollectError(f"{self.name} does not export the start time of its process.")
        return sum(len(one) for one in restarts if one is not None)

    def failed_scrapes(self) -> dict[str, int]:
        """How many scrapes got no answer in the window, by target; targets without failures are left out."""
        samples, window = self._source()
        failed = {target: samples.failed_scrapes(target, window) for target in self._targets()}
        return {target: count for target, count in failed.items() if count}

    def scrapes(self) -> list[float]:
        """The instants of the window's scrapes. Raises CollectError if there are none."""
        return self._instants(self._targets())

    def memory(self) -> Points:
        """Resident memory of all replicas, bytes, at every instant of the bracket. Raises CollectError if unknown."""
        return _summed([self._enclosed(RESIDENT_BYTES, target) for target in self._targets()], at_or_after=False)

    def cpu(self) -> Points:
        """CPU in use by all replicas, cores: at an instant, the mean rate of the interval that ends there.

        Raises CollectError if unknown.
        """
        found = [self._used(target) for target in self._targets()]
        rates = _summed([each._replace(points=_rates(each)) for each in found], at_or_after=True)
        if not rates:
            raise CollectError(f"{self.name} was scraped only once in the window.")
        return rates

    def mean_cpu(self) -> float:
        """CPU in use by all replicas, cores, over the whole bracket. Raises CollectError if unknown."""
        window = self._source()[1]
        total = 0.0
        for target in self._targets():
            points, came, left, fresh = self._used(target)
            span = points[-1][0] - points[0][0]
            total += sum(_growths(points, fresh)) / (max(span, window.end - window.start) if came or left else span)
        return total

    def latencies(self, metric: Metric) -> list[tuple[float, Histogram]]:
        """Observations per scrape interval of the window: (instant of its end, observations of all replicas).

        Raises CollectError if unknown.
        """
        samples, window = self._source()
        targets = self._exporting(metric, [f"{name}_count" for name in metric.names])
        ends = self._instants(targets)
        found = {end: Histogram() for end in ends[1:]}
        for target in targets:
            bracket = samples.bracket(target, window)
            scrapes = bracket.scrapes
            restarts = bracket.restarts or ()
            for time, observed in over_time(samples, metric, target, came=bracket.came, restarts=restarts):
                if scrapes[0] < time <= scrapes[-1] or (bracket.came and time == scrapes[0]):
                    end = _nearest(ends[1:], time)
                    found[end] = found[end].merge(observed)
        return list(found.items())

    def counter_over_time(self, metric: Metric, label: str) -> dict[str, Points]:
        """Running total of a counter since the window's start by the values of a label, summed over replicas.

        Raises CollectError if unknown.
        """
        samples, window = self._source()
        targets = self._exporting(metric, metric.names)
        instants = self._instants(targets)
        growths: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
        for target in targets:
            bracket = samples.bracket(target, window)
            for name in metric.names:
                for one in samples.series(name, target, bracket.scrapes):
                    points = list(zip(one.times, one.values, strict=True))
                    if bracket.came or points[0][0] != bracket.scrapes[0]:
                        points.insert(0, (bracket.scrapes[0], 0.0))
                    by_time = growths[parse_labels(one.labels).get(label, "")]
                    fresh = bracket.restarts or ()
                    for (time, _), grown in zip(points[1:], _growths(points, fresh), strict=True):
                        by_time[_nearest(instants, time)] += grown
        return {value: _accumulated(instants, by_time) for value, by_time in growths.items()}

    def _source(self) -> tuple[Samples, Window]:
        if self._samples is None:
            raise CollectError(self._problem or "No metrics were collected.")
        if self._window is None:
            raise CollectError("The run has no window: no load was sent.")
        return self._samples, self._window

    def _targets(self) -> list[str]:
        samples, window = self._source()
        targets = [target for target in samples.targets(self.name) if samples.lived(target, window)]
        if not targets:
            raise CollectError(self._unscraped or f"No target {self.name} was scraped.")
        return targets

    def _instants(self, targets: Sequence[str]) -> list[float]:
        """The scrapes of the window: those of the target that has most of them."""
        samples, window = self._source()
        return max((samples.bracket(target, window).scrapes for target in targets), key=len)

    def _exporting(self, metric: Metric, names: Sequence[str]) -> list[str]:
        """The component's targets, if any of them exports the metric, or a witness of its being zero."""
        samples = self._source()[0]
        targets = self._targets()
        if any(samples.present((*names, *metric.witnesses), target) for target in targets):
            return targets
        raise CollectError(f"{self.name} exported no {' or '.join(metric.names)} in this run.")

    def _enclosed(self, names: Sequence[str], target: str) -> Stretch:
        """The samples of the first of these metrics that the target has, in the bracket by their own times."""
        samples, window = self._source()
        came, left = samples.partly(target, window)
        for name in names:
            for one in samples.series(name, target):
                first = bisect_right(one.times, window.start) - 1
                last = bisect_left(one.times, window.end)
                late, early = came and first < 0, left and last == len(one.times)
                whole = first >= 0 and last < len(one.times) and first < last
                if not whole and not ((late or first >= 0) and (early or last < len(one.times)) and (late or early)):
                    raise CollectError(f"The samples of {name} of {target} do not enclose the window.")
                span = slice(max(first, 0), last + 1)
                points = list(zip(one.times[span], one.values[span], strict=True))
                return Stretch(points, late, early)
        raise CollectError(f"There are no samples of {' or '.join(names)} of {target}.")

    def _used(self, target: str) -> Stretch:
        """The CPU seconds that the target has used, with the restarts in them."""
        used = self._enclosed(CPU_SECONDS, target)
        return used._replace(fresh=self._fresh(target, used.points))

    def _fresh(self, target: str, points: Points) -> frozenset[float]:
        """The instants of the points that are the first of a new process, as far as its page tells.

        A process is sampled while its page does not answer too, so it may have been seen before its page was: its first
        point is the first after its start.
        """
        starts = self._source()[0].starts(target, Window(points[0][0], points[-1][0]))
        later = [time for time, _ in points[1:]]
        return frozenset(later[place] for start in starts if (place := bisect_left(later, start)) < len(later))


def component(records: Records, name: str) -> Component:
    """A component's scrapes in the run's window."""
    unscraped = (records.run.get("unscraped") or {}).get(name)
    return Component(name, records.samples, records.window, records.problems.get("metrics.parquet"), unscraped)


class Stretch(NamedTuple):
    """A replica's samples in the window, and whether it came or left meanwhile: it has nothing before, or after."""

    points: Points
    came: bool = False
    left: bool = False
    fresh: Collection[float] = frozenset()
    """Instants of its points that are the first of a new process."""


def _nearest(instants: Sequence[float], time: float) -> float:
    """The scrape of the first replica that belongs to another one's: they are scraped together, but for some ms."""
    after = bisect_left(instants, time)
    return min(instants[max(0, after - 1) : after + 1], key=lambda instant: abs(instant - time))


def _growths(points: Points, fresh: Collection[float]) -> list[float]:
    """Growth of a counter from each point to the next; from 0 at one that is ``fresh``, and at one that fell.

    A fall alone does not tell: by its first scrape a new process may have counted more than the old one ever did.
    """
    return [
        later if time in fresh or later < earlier else later - earlier
        for (_, earlier), (time, later) in zip(points, points[1:], strict=False)
    ]


def _rates(replica: Stretch) -> Points:
    points = replica.points
    spans = zip(points, points[1:], _growths(points, replica.fresh), strict=False)
    return [(later, grown / (later - earlier)) for (earlier, _), (later, _), grown in spans if later > earlier]


def _summed(replicas: list[Stretch], *, at_or_after: bool) -> Points:
    """The sum over replicas at every instant that any of them has.

    A value holds from its instant on, or, ``at_or_after``, up to it; before the first and after the last, those hold,
    unless the replica was not there.
    """
    if len(replicas) == 1:
        return replicas[0].points
    side = bisect_left if at_or_after else bisect_right
    offset = 0 if at_or_after else -1
    columns = [([time for time, _ in each.points], each) for each in replicas if each.points]
    sums = []
    for instant in sorted({time for times, _ in columns for time in times}):
        total = 0.0
        for times, (points, came, left, _) in columns:
            if not (came and instant < times[0]) and not (left and instant > times[-1]):
                total += points[min(max(side(times, instant) + offset, 0), len(points) - 1)][1]
        sums.append((instant, total))
    return sums


def _accumulated(instants: list[float], growths: Mapping[float, float]) -> Points:
    total = 0.0
    points = []
    for instant in instants:
        total += growths.get(instant, 0.0)
        points.append((instant, total))
    return points

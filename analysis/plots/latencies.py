"""Latencies: how they are distributed, and how verification's changed while the run went on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import inf

from analysis.components import component
from analysis.drawing.charts import Axis, Cell, Chart, Curve, Point
from analysis.formats import counted, digits, seconds
from analysis.histograms import EMPTY, Histogram, merged
from analysis.percentiles import nearest_rank
from analysis.plots.plot import Plot, beginning, each, from_zero, latency_axis, picked, times
from analysis.records import Records
from analysis.summary import startups
from analysis.timelines import thinned
from workloads.errors import CollectError
from workloads.ratify import metrics

Intervals = Sequence[tuple[float, Histogram]]
LEAST = 1e-4
"""Seconds: what took less is drawn here, as a logarithm has no zero."""
COLUMNS = 60
"""Of the heat map at most: intervals are joined beyond that."""
STARTUP = "startup"
_QUANTILES = (0.5, 0.9, 0.95, 0.99)
_OBSERVED = {
    "verification": (metrics.RATIFY, metrics.RATIFY_VERIFICATION),
    "mutation": (metrics.RATIFY, metrics.RATIFY_MUTATION),
    "admission": (metrics.GATEKEEPER, metrics.GATEKEEPER_VALIDATION),
}


def distribution(name: str, title: str, records: Records) -> Plot:
    """The share of what took at most so long. Raises CollectError if nothing was observed at all."""
    found, reasons = each((*_OBSERVED, STARTUP), partial(distributed, records))
    curves = [Curve(who, who, points, step=who == STARTUP, dots=True) for who, (points, _) in found.items()]
    text = (
        "The share that took at most so long. Startup is known pod by pod; the others at the bounds of their buckets "
        "(dots), with a straight line between. Admission is one request to Gatekeeper."
    )
    head = ("Latency", "Count", *(f"p{100 * q:g}" for q in _QUANTILES), "max \N{LESS-THAN OR EQUAL TO}")
    rows = [[who, *figures] for who, (_, figures) in found.items()]
    return Plot(name, title, " ".join([text, *reasons]), shares(curves), head, rows)


def distributed(records: Records, who: str) -> tuple[list[Point], list[str]]:
    """(the share of what took at most so long, the row of the table) of startup, verification, mutation or admission.

    Raises CollectError if nothing was observed.
    """
    return _pods(records) if who == STARTUP else _observed(records, who)


def shares(curves: Sequence[Curve]) -> Chart:
    """Distributions: curves of (seconds, percent)."""
    return Chart(latency_axis(), Axis("of all", told=lambda share: f"{share:g}%", low=0.0, high=100.0), curves)


def _pods(records: Records) -> tuple[list[Point], list[str]]:
    if records.pods is None:
        raise CollectError(records.problems["pods.jsonl"])
    values = sorted(startups(records.pods))
    if not values:
        raise CollectError("No pod was seen to become Ready.")
    figures = [seconds(nearest_rank(values, 100 * q)) for q in _QUANTILES]
    return ecdf(values), [digits(len(values)), *figures, seconds(values[-1])]


def ecdf(values: Sequence[float]) -> list[Point]:
    """The steps of values in rising order, seconds: (value, percent that are at most that)."""
    points = [(max(value, LEAST), 100 * rank / len(values)) for rank, value in enumerate(values, start=1)]
    return [(points[0][0], 0.0), *thinned(points)]


def _observed(records: Records, who: str) -> tuple[list[Point], list[str]]:
    owner, metric = _OBSERVED[who]
    histogram = component(records, owner).histogram(metric)
    if not histogram.count:
        raise CollectError(EMPTY)
    figures = [seconds(histogram.quantile(q)) for q in _QUANTILES]
    return cumulative(histogram), [digits(histogram.count), *figures, seconds(histogram.max_bucket)]


def cumulative(histogram: Histogram) -> list[Point]:
    """What a histogram that is not empty knows: (bound, percent at or below it), from the first bucket to the last."""
    points: list[Point] = []
    below = 0.0
    for index, (bound, inside) in enumerate(zip(histogram.bounds, histogram.counts, strict=True)):
        floor = histogram.bounds[index - 1] if index else 0.0
        if inside and not points and floor > 0:
            points.append((floor, 0.0))
        below += inside
        if bound < inf and below:
            points.append((max(bound, LEAST), 100 * below / histogram.count))
        if below >= histogram.count:
            break
    return points


def over_time(name: str, title: str, records: Records) -> Plot:
    """p50 and p95 of verification per scrape interval. Raises CollectError if there was none."""
    intervals = verified(records)
    levels = {f"p{100 * q:g}": quantile(intervals, q) for q in (0.5, 0.95)}
    worst = max((value for _, value in levels["p95"] if value is not None), default=None)
    curves = [Curve(label, label, points, dots=True) for label, points in levels.items()]
    rows = [
        [seconds(max(0.0, time)), digits(one.count), seconds(one.quantile(0.5)), seconds(one.quantile(0.95))]
        for time, one in picked(intervals)
    ]
    text = "Estimates from the histogram's buckets, one point per scrape interval with requests."
    text += "" if worst is None else f" The highest p95 of an interval is {seconds(worst)}."
    return Plot(name, title, text, amounts(curves), ("Until", "Requests", "p50", "p95"), rows, True)


def verified(records: Records) -> Intervals:
    """Verification by scrape interval with requests: (its end, in seconds since the load began; what was observed).

    Raises CollectError if there was none.
    """
    start, intervals = beginning(records), component(records, metrics.RATIFY).latencies(metrics.RATIFY_VERIFICATION)
    found = [(time - start, one) for time, one in intervals if one.count]
    if not found:
        raise CollectError("Ratify answered no verification request.")
    return found


def quantile(intervals: Intervals, q: float) -> list[Point]:
    """(seconds since the load began, seconds) of each interval."""
    return [(time, one.quantile(q)) for time, one in intervals]


def amounts(curves: Sequence[Curve]) -> Chart:
    """Latencies over time, curves of seconds, drawn in ms where all are below a second."""
    worst = max((y for one in curves for _, y in one.points if y is not None), default=None)
    if worst is None or worst >= 1:
        return Chart(times(low=0.0), from_zero("seconds"), curves)
    scaled = [replace(one, points=[(x, None if y is None else y * 1000) for x, y in one.points]) for one in curves]
    return Chart(times(low=0.0), from_zero("ms"), scaled)


def heat(name: str, title: str, records: Records) -> Plot:
    """Verification requests by bucket and scrape interval. Raises CollectError if there was none."""
    verified(records)
    start, ratify = beginning(records), component(records, metrics.RATIFY)
    intervals = ratify.latencies(metrics.RATIFY_VERIFICATION)
    columns = _joined(intervals, ratify.scrapes()[0])
    total = merged(one for _, _, one in columns)
    filled = [index for index, count in enumerate(total.counts) if count]
    buckets = range(filled[0], filled[-1] + 1)
    labels = {index: _label(total, index) for index in buckets}
    fullest = max(max(one.counts, default=0.0) for _, _, one in columns)
    cells = [
        Cell(
            *(left - start, right - start, float(index), index + 1.0, one.counts[index] / fullest),
            f"{labels[index]}: {counted(one.counts[index], 'request')} until {right - start:.1f} s",
        )
        for left, right, one in columns
        for index in buckets
        if index < len(one.counts) and one.counts[index]
    ]
    rows = [
        [f"{right - start:.1f} s", *(digits(one.counts[index] if index < len(one.counts) else 0) for index in buckets)]
        for _, right, one in picked(columns)
    ]
    axis = Axis("latency", low=buckets[0], high=buckets[-1] + 1, marks=[(n + 0.5, labels[n]) for n in buckets])
    text = f"Requests by bucket and scrape interval; the darkest has {digits(fullest)}. Buckets differ in width."
    return Plot(name, title, text, Chart(times(), axis, cells=cells), ("Until", *labels.values()), rows, True)


def _joined(intervals: Intervals, first: float) -> list[tuple[float, float, Histogram]]:
    """(from, until, observations) of at most `COLUMNS` stretches of the intervals."""
    size = -(-len(intervals) // COLUMNS)
    columns, left = [], first
    for index in range(0, len(intervals), size):
        part = intervals[index : index + size]
        columns.append((left, part[-1][0], merged(one for _, one in part)))
        left = part[-1][0]
    return columns


def _label(histogram: Histogram, index: int) -> str:
    """A bucket by its bounds."""
    above, bound = (histogram.bounds[index - 1] if index else 0.0), histogram.bounds[index]
    if bound == inf:
        return f"over {seconds(above)}"
    if bound < 1:
        return f"{digits(above * 1000)}\N{EN DASH}{digits(bound * 1000)} ms"
    return f"{digits(above)}\N{EN DASH}{digits(bound)} s"

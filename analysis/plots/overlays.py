"""What two sides of runs are laid over each other in: a curve per run, drawn by the chart of the report's plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from analysis.drawing.charts import Chart, Curve, Point
from analysis.formats import figure_text
from analysis.plots import latencies, pods, resources
from analysis.plots.plot import Plot, drawn, each
from analysis.records import Records
from analysis.timelines import MAX_POINTS, thinned
from workloads.errors import CollectError
from workloads.ratify import metrics

SIDES = ("base", "new")
TOGETHER = 4_000
"""Points of all curves of a plot at most, about."""


class Overlay(NamedTuple):
    """A plot of all runs: the curve that it takes of each, its chart, and the figures of the summary in its table."""

    name: str
    title: str
    text: str
    take: Callable[[Records], Sequence[Point]]
    chart: Callable[[Sequence[Curve]], Chart]
    figures: Mapping[str, str]
    """By the heads of their columns."""
    step: bool = False
    dots: bool = False


class Seen(NamedTuple):
    """A run as it is laid over others: its place among them, id and figures, and its curves or why there is none."""

    label: str
    side: str
    run: str
    figures: Mapping[str, float | None]
    """By their paths in the summary."""
    curves: Mapping[str, Sequence[Point] | CollectError]


def _distributed(who: str) -> Callable[[Records], Sequence[Point]]:
    return lambda records: latencies.distributed(records, who)[0]


def _quantiles(path: str, last: str) -> dict[str, str]:
    return {name: f"{path}.{key}" for name, key in (("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("max", last))}


def _used(path: str) -> dict[str, str]:
    return {"mean": f"{path}.mean", "peak": f"{path}.peak"}


_BUCKETS = "Known at the bounds of the histogram's buckets (dots), with a straight line between; max is a bound too."
OVERLAYS = (
    Overlay(
        "ready",
        "Pods Ready over time",
        "Running totals, from the first object that was sent.",
        pods.ready,
        pods.chart,
        {"Ready": "pods.ready", "of": "pods.expected", "all Ready after": "pods.all_ready_seconds"},
        step=True,
    ),
    Overlay(
        "startup",
        "Pod startup, distribution",
        "The share of pods that took at most so long from their creation until they were Ready.",
        _distributed(latencies.STARTUP),
        latencies.shares,
        {"pods": "pod_startup_seconds.count", **_quantiles("pod_startup_seconds", "max")},
        step=True,
    ),
    Overlay(
        "verification",
        "Verification latency, distribution",
        f"The share of Ratify's verification requests that took at most so long. {_BUCKETS}",
        _distributed("verification"),
        latencies.shares,
        {
            "requests": "ratify.verification_requests",
            **_quantiles("ratify.verification_seconds", "max_bucket"),
        },
        dots=True,
    ),
    Overlay(
        "latency",
        "Verification latency p95 over time",
        "Estimates from the histogram's buckets, one point per scrape interval with requests.",
        lambda records: latencies.quantile(latencies.verified(records), 0.95),
        latencies.amounts,
        {"p95 of the run": "ratify.verification_seconds.p95"},
        dots=True,
    ),
    Overlay(
        "admission",
        "Admission latency, distribution",
        f"The share of requests to Gatekeeper that took at most so long. {_BUCKETS}",
        _distributed("admission"),
        latencies.shares,
        _quantiles("gatekeeper.validation_seconds", "max_bucket"),
        dots=True,
    ),
    *(
        Overlay(
            f"{who}-{what}",
            f"{who.capitalize()}: {title}",
            f"{text}, all replicas together.",
            partial(take, who=who),
            chart,
            _used(f"{who}.{path}"),
        )
        for who in (metrics.RATIFY, metrics.GATEKEEPER)
        for what, title, text, take, chart, path in (
            ("memory", "memory", "Resident memory", resources.memory_of, resources.memory_chart, "memory_bytes"),
            ("cpu", "CPU", "CPU in use per scrape interval", resources.cpu_of, resources.cpu_chart, "cpu_cores"),
        )
    ),
)


def curves(records: Records) -> dict[str, Sequence[Point] | CollectError]:
    """The curves of a run by the names of the plots, or why there is none."""
    return {overlay.name: _taken(overlay, records) for overlay in OVERLAYS}


def _taken(overlay: Overlay, records: Records) -> Sequence[Point] | CollectError:
    try:
        return overlay.take(records)
    except CollectError as error:
        return error


def overlays(runs: Sequence[Seen]) -> list[Plot]:
    """The plots of runs, in order of their sides; those without data with the reason."""
    return [drawn(one.name, one.title, partial(_overlaid, overlay=one, runs=runs)) for one in OVERLAYS]


def _overlaid(name: str, title: str, overlay: Overlay, runs: Sequence[Seen]) -> Plot:
    by_label = {seen.label: seen for seen in runs}
    found, reasons = each(by_label, lambda label: _had(by_label[label].curves[name]))
    chart = overlay.chart([_curve(overlay, by_label[label], points, len(runs)) for label, points in found.items()])
    rows = [
        [seen.label, *(figure_text(path, seen.figures.get(path)) for path in overlay.figures.values())] for seen in runs
    ]
    return Plot(name, title, " ".join([overlay.text, *reasons]), chart, ("Run", *overlay.figures), rows)


def _had(found: Sequence[Point] | CollectError) -> Sequence[Point]:
    if isinstance(found, CollectError):
        raise found
    return found


def _curve(overlay: Overlay, seen: Seen, points: Sequence[Point], runs: int) -> Curve:
    return Curve(
        seen.side,
        seen.side,
        thinned(points, min(MAX_POINTS, TOGETHER // runs)),
        step=overlay.step,
        dots=overlay.dots and runs <= len(SIDES),
        dashed=seen.side == SIDES[1],
        thin=runs > len(SIDES),
        told=f"{seen.label}: {seen.run}",
    )

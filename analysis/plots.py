"""The report's plots as Plotly's own JSON, each with the sentence and the table that say the same without it.

A trace names its colour by a role (``ready``, ``peak``, …); the page turns roles into colours of its light or dark
theme. Times are seconds since the load began. A plot without data is a sentence that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from analysis.components import Component, Points
from analysis.formats import digits, megabytes, seconds
from analysis.histograms import Histogram
from analysis.records import Records
from analysis.summary import Summary, component
from analysis.timelines import reached, refused, since, thinned, until
from workloads.errors import CollectError
from workloads.ratify import metrics

MAX_ROWS = 40
"""Rows of a plot's table: it is read aloud, not plotted."""

Trace = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """One plot: what it shows, in words (``text``), as a table, and as Plotly traces; without traces, why not."""

    name: str
    title: str
    text: str
    traces: list[Trace] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def plots(records: Records, summary: Summary) -> list[Plot]:
    """Every plot of the report, in its order."""
    ratify = component(records, metrics.RATIFY)
    gatekeeper = component(records, metrics.GATEKEEPER)
    start = records.window.start if records.window else 0.0
    drawn: list[tuple[str, str, Callable[[str, str], Plot]]] = [
        ("pods", "Pods over time", lambda name, title: _pods(name, title, records, start)),
        ("answers", "Registry answers to Ratify", lambda name, title: _answers(name, title, ratify, start)),
        ("latency", "Verification latency over time", lambda name, title: _latency(name, title, ratify, start)),
        ("distribution", "Verification latency, distribution", lambda name, title: _distribution(name, title, ratify)),
        ("memory", "Memory", lambda name, title: _memory(name, title, [ratify, gatekeeper], start)),
        ("cpu", "CPU", lambda name, title: _cpu(name, title, [ratify, gatekeeper], start)),
    ]
    made = []
    for name, title, draw in drawn:
        try:
            made.append(draw(name, title))
        except CollectError as error:
            made.append(Plot(name, title, f"There is nothing to draw: {error}"))
    return made


def _pods(name: str, title: str, records: Records, start: float) -> Plot:
    if records.pods is None:
        raise CollectError(records.problems["pods.jsonl"])
    if records.window is None:
        raise CollectError("No load was sent.")
    end = records.window.end - start
    curves = {
        "created": since(start, reached(records.pods, "created")),
        "ready": since(start, reached(records.pods, "ready")),
        "refused": since(start, refused(records.events)),
    }
    if not curves["refused"]:
        del curves["refused"]
    traces = []
    for curve, points in curves.items():
        traces.append(_line(curve, curve, thinned(until(points, end)), step=True))
    instants = [end * index / 10 for index in range(11)]
    rows = [
        [seconds(instant), *(digits(_level(points, instant)) for points in curves.values())] for instant in instants
    ]
    text = (
        f"{len(curves['created']):,} pods were created and {len(curves['ready']):,} became Ready within {seconds(end)}."
    )
    if "refused" in curves:
        text += f" Pod creation was refused {digits(curves['refused'][-1][1])} times, retries included."
    return Plot(name, title, text, traces, _axes("pods"), ("Time", *curves), rows)


def _level(points: Points, instant: float) -> float:
    return max((value for time, value in points if time <= instant), default=0.0)


def _answers(name: str, title: str, ratify: Component, start: float) -> Plot:
    totals = ratify.counter_over_time(metrics.RATIFY_REGISTRY_REQUESTS, "status_code")
    if not totals:
        raise CollectError("Ratify counted no request to a registry.")
    traces, rows = [], []
    for status, points in sorted(totals.items()):
        rates = since(start, _per_second(points))
        traces.append({**_line(status, _status_role(status), rates, step=True), "stackgroup": "answers"})
        peak = max((rate for _, rate in rates), default=0.0)
        rows.append([status, digits(points[-1][1]), f"{digits(peak)}/s"])
    text = "Answers per second, by HTTP status. In the window: "
    text += ", ".join(f"{status} {total}" for status, total, _ in rows) + "."
    return Plot(name, title, text, traces, _axes("answers/s"), ("Status", "Answers", "Peak rate"), rows)


def _per_second(points: Points) -> Points:
    """The rate of each interval, at its beginning, and at the end once more: what a step line is drawn from."""
    rates = [
        (earlier, (grown - before) / (later - earlier))
        for (earlier, before), (later, grown) in zip(points, points[1:], strict=False)
        if later > earlier
    ]
    return [*rates, (points[-1][0], rates[-1][1])] if rates else []


def _latency(name: str, title: str, ratify: Component, start: float) -> Plot:
    intervals = [(time, one) for time, one in ratify.latencies(metrics.RATIFY_VERIFICATION) if one.count]
    if not intervals:
        raise CollectError("Ratify answered no verification request.")
    worst = max((value for _, one in intervals if (value := one.quantile(0.95)) is not None), default=None)
    scale, unit = (1.0, "seconds") if worst is None or worst >= 1 else (1000.0, "ms")
    traces = []
    for label, q in (("p50", 0.5), ("p95", 0.95)):
        values = [(time - start, one.quantile(q)) for time, one in intervals]
        points = [(time, None if value is None else value * scale) for time, value in values]
        traces.append({**_line(label, label, points), "mode": "lines+markers", "connectgaps": False})
    rows = [
        [seconds(max(0.0, time - start)), digits(one.count), seconds(one.quantile(0.5)), seconds(one.quantile(0.95))]
        for time, one in _picked(intervals)
    ]
    text = "Estimates from the histogram's buckets, one point per scrape interval with requests."
    text += "" if worst is None else f" The highest p95 of an interval is {seconds(worst)}."
    return Plot(name, title, text, traces, _axes(unit), ("Until", "Requests", "p50", "p95"), rows)


def _distribution(name: str, title: str, ratify: Component) -> Plot:
    histogram = ratify.histogram(metrics.RATIFY_VERIFICATION)
    if not histogram.count:
        raise CollectError("Ratify answered no verification request.")
    labels, counts = _trimmed(histogram)
    share = [f"{count / histogram.count:.1%}" for count in counts]
    trace = {"type": "bar", "name": "requests", "role": "p50", "x": labels, "y": counts}
    trace["hovertemplate"] = "%{x}: %{y} requests<extra></extra>"
    fullest = max(range(len(counts)), key=lambda index: counts[index])
    text = f"{digits(histogram.count)} requests; most of them, {share[fullest]}, took {labels[fullest]}."
    rows = [[label, digits(count), part] for label, count, part in zip(labels, counts, share, strict=True)]
    layout = {"xaxis": {"title": {"text": "latency"}, "type": "category"}, **_y("requests"), "showlegend": False}
    return Plot(name, title, text, [trace], layout, ("Latency", "Requests", "Share"), rows)


def _trimmed(histogram: Histogram) -> tuple[list[str], list[float]]:
    """Buckets from the first to the last that has observations, named by their bounds."""
    filled = [index for index, count in enumerate(histogram.counts) if count]
    labels = []
    for index in range(filled[0], filled[-1] + 1):
        above, bound = (histogram.bounds[index - 1] if index else 0.0), histogram.bounds[index]
        labels.append(f"over {seconds(above)}" if bound == inf else _span(above, bound))
    return labels, list(histogram.counts[filled[0] : filled[-1] + 1])


def _span(above: float, bound: float) -> str:
    if bound < 1:
        return f"{digits(above * 1000)}\N{EN DASH}{digits(bound * 1000)} ms"
    return f"{digits(above)}\N{EN DASH}{digits(bound)} s"


def _memory(name: str, title: str, components: list[Component], start: float) -> Plot:
    curves = {one.name: since(start, one.memory()) for one in components}
    in_megabytes = {who: [(time, value / 1e6) for time, value in points] for who, points in curves.items()}
    traces = [_line(who, who, thinned(points)) for who, points in in_megabytes.items()]
    peaks = {who: max(value for _, value in points) for who, points in curves.items()}
    text = f"Resident memory, all replicas together. Peaks: {_listed(peaks, megabytes)}."
    return Plot(name, title, text, traces, _axes("MB"), *_side_by_side(curves, megabytes))


def _cpu(name: str, title: str, components: list[Component], start: float) -> Plot:
    curves = {one.name: since(start, one.cpu()) for one in components}
    traces = [_line(who, who, thinned(points)) for who, points in curves.items()]
    peaks = {who: max(value for _, value in points) for who, points in curves.items()}
    text = f"CPU in use per scrape interval, all replicas together, in cores. Peaks: {_listed(peaks, digits)}."
    return Plot(name, title, text, traces, _axes("cores"), *_side_by_side(curves, digits))


def _listed(values: dict[str, float], told: Callable[[float], str]) -> str:
    return ", ".join(f"{who} {told(value)}" for who, value in values.items())


def _side_by_side(
    curves: dict[str, Points], told: Callable[[float], str]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """A table of curves at the instants of the first one: what each of them last said by then."""
    first = next(iter(curves.values()))
    rows = []
    for instant, _ in _picked(first):
        values = []
        for points in curves.values():
            before = [value for time, value in points if time <= instant + 1e-9]
            values.append(told(before[-1] if before else points[0][1]))
        rows.append([f"{instant:.1f} s", *values])
    return ("Time", *curves), rows


def _picked(points: Sequence[Any]) -> Sequence[Any]:
    """At most `MAX_ROWS` of the points, evenly."""
    step = -(-len(points) // MAX_ROWS)
    return points[:: max(1, step)]


def _status_role(status: str) -> str:
    return {"2": "ready", "3": "created", "5": "refused"}.get(status[:1], "throttled" if status == "429" else "other")


def _line(name: str, role: str, points: Sequence[tuple[float, float | None]], *, step: bool = False) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "role": role,
        "x": [round(time, 3) for time, _ in points],
        "y": [value if value is None else round(value, 6) for _, value in points],
        "line": {"shape": "hv" if step else "linear"},
    }


def _axes(unit: str) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": "seconds since the load began"}}, **_y(unit)}


def _y(unit: str) -> dict[str, Any]:
    return {"yaxis": {"title": {"text": unit}, "rangemode": "tozero"}}

"""The slowest pods: where their time went, and what else was slow in the scrape intervals in which they were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.drawing.charts import Chart, Curve
from analysis.formats import counted, digits, seconds
from analysis.intervals import Interval, intervals
from analysis.plots.plot import Plot, each, latency_axis, times
from analysis.records import Records
from analysis.slow_pods import ADMISSION, LEVEL, levels, timed
from analysis.summary import Summary
from workloads.errors import CollectError

_STAGES = {
    ADMISSION: "admission",
    "create_to_schedule": "scheduling",
    "schedule_to_run": "starting",
    "run_to_ready": "becoming Ready",
}
_ROSE = {
    "verification": "verification took longer",
    "validation": "Gatekeeper took longer",
    "registry_refusals": "the registry answered 429 or 5xx more often",
    "machine_cpu": "the machine was busier",
}
"""How it is told that a measure rose."""
_DRAWN = ("verification", "validation")


def slow_pods(name: str, title: str, records: Records, summary: Summary) -> Plot:
    """The pods' time beside Ratify's and Gatekeeper's, and what it goes with. Raises CollectError if unknown."""
    figures = summary["slow_pods"]
    if figures is None:
        raise CollectError(summary["missing"]["slow_pods"])
    text = " ".join(told(figures, summary["missing"]))
    rows = list(_rows(figures, summary["missing"]))
    head = ("Measure", "Rank correlation", "Intervals", "p")
    try:
        curves, reasons = _curves(records, summary["ratify"]["admissions_per_verification"])
    except CollectError as error:
        return Plot(name, title, f"{text} Nothing is drawn: {error}", None, head, rows)
    chart = Chart(times(), latency_axis(), curves)
    return Plot(name, title, " ".join([text, *reasons]), chart, head, rows, True)


def told(figures: Mapping[str, Any], missing: Mapping[str, str]) -> Iterator[str]:
    """Sentences: how slow the slowest pods were, in which stage, and what rose and fell with the pods' time."""
    stage = figures["stage_seconds"][figures["lost_in"]]
    yield (
        f"The slowest {digits(figures['count'])} of {counted(figures['pods'], 'pod')} took "
        f"{seconds(figures['at_least_seconds'])} or more. They lost most in {_STAGES[figures['lost_in']]}: "
        f"{seconds(stage['slow'])} on average, where the others took {seconds(stage['others'])}."
    )
    if figures["stage_seconds"][ADMISSION] is None:
        yield missing[f"slow_pods.stage_seconds.{ADMISSION}"]
    known = {measure: one for measure, one in figures["coincidence"].items() if one is not None}
    found = {measure: one for measure, one in known.items() if one["p"] < LEVEL}
    for measure, one in found.items():
        yield (
            f"Pods took {'longer' if one['rho'] > 0 else 'less time'} when {_ROSE[measure]}: rank correlation "
            f"{one['rho']:.2f} over {one['intervals']} scrape intervals."
        )
    if found:
        yield "That names no cause: one may slow the other, or a third thing both."
    elif known:
        yield f"Their time went with nothing that was measured (p {LEVEL:g} or more)."
    else:
        yield "What it went with is not known: the table says why."


def _rows(figures: Mapping[str, Any], missing: Mapping[str, str]) -> Iterator[list[str]]:
    for measure, one in figures["coincidence"].items():
        if one is None:
            yield [_ROSE[measure], missing[f"slow_pods.coincidence.{measure}"], "", ""]
        else:
            yield [_ROSE[measure], f"{one['rho']:.2f}", digits(one["intervals"]), f"{one['p']:.2g}"]


def _curves(records: Records, per_verification: float | None) -> tuple[list[Curve], list[str]]:
    """Mean seconds of requests, and the pods' median, per scrape interval."""
    start = records.window.start if records.window else 0.0
    measured, reasons = each(_DRAWN, lambda name: intervals(records, name, per_verification))
    spans = next(iter(measured.values()))
    pods = [
        span._replace(value=level) for span, level in zip(spans, levels(timed(records.pods or ()), spans), strict=True)
    ]
    curves = [Curve("pods, median", "startup", _points(start, pods), dots=True)]
    roles = {"verification": "verification", "validation": "admission"}
    curves += [
        Curve(f"{name}, mean", roles[name], _points(start, found), dots=True) for name, found in measured.items()
    ]
    return curves, reasons


def _points(start: float, spans: list[Interval]) -> list[tuple[float, float | None]]:
    return [(round(span.end - start, 3), span.value) for span in spans]

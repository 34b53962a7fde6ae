"""Memory and CPU, per component."""

from __future__ import annotations

from collections.abc import Callable

from analysis.components import Points
from analysis.drawing.charts import Axis, Chart, Curve
from analysis.formats import digits, megabytes
from analysis.plots.plot import Plot, each, from_zero, side_by_side, times
from analysis.records import Records
from analysis.summary import component
from analysis.timelines import since, thinned
from workloads.ratify import metrics

MEASURED = (metrics.RATIFY, metrics.GATEKEEPER)
"""What the run is about: if there is nothing of one, the plot says why."""
OTHERS = (metrics.REGISTRY, metrics.APISERVER, "etcd", "kube-controller-manager", "kube-scheduler", "kwok", "harness")
_APART = 10
"""Where the largest component takes so many times the smallest, an even axis would hide the small ones."""


def memory(name: str, title: str, records: Records, start: float) -> Plot:
    """Resident memory. Raises CollectError if there is nothing of any component."""
    curves, reasons = _curves(records, start, lambda who: component(records, who).memory())
    in_megabytes = {who: [(time, value / 1e6) for time, value in points] for who, points in curves.items()}
    text = f"Resident memory, all replicas together. Peaks: {_peaks(curves, megabytes)}."
    chart = Chart(times(), _amounts("MB", in_megabytes), _lines(in_megabytes))
    return Plot(name, title, " ".join([text, *reasons]), chart, *side_by_side(curves, megabytes), True)


def cpu(name: str, title: str, records: Records, start: float) -> Plot:
    """CPU in use. Raises CollectError if there is nothing of any component."""
    curves, reasons = _curves(records, start, lambda who: component(records, who).cpu())
    text = f"CPU in use per scrape interval, all replicas together, in cores. Peaks: {_peaks(curves, digits)}."
    chart = Chart(times(), from_zero("cores"), _lines(curves))
    return Plot(name, title, " ".join([text, *reasons]), chart, *side_by_side(curves, digits), True)


def _curves(records: Records, start: float, take: Callable[[str], Points]) -> tuple[dict[str, Points], list[str]]:
    there = [who for who in OTHERS if records.samples and records.samples.targets(who)]
    found, reasons = each((*MEASURED, *there), take)
    return {who: since(start, points) for who, points in found.items() if points}, reasons


def _amounts(unit: str, curves: dict[str, Points]) -> Axis:
    peaks = [max(value for _, value in points) for points in curves.values()]
    if min(peaks) > 0 and max(peaks) / min(peaks) >= _APART:
        return Axis(f"{unit}, logarithmic", log=True)
    return from_zero(unit)


def _lines(curves: dict[str, Points]) -> list[Curve]:
    return [Curve(who, who, thinned(points)) for who, points in curves.items()]


def _peaks(curves: dict[str, Points], told: Callable[[float], str]) -> str:
    return ", ".join(f"{who} {told(max(value for _, value in points))}" for who, points in curves.items())

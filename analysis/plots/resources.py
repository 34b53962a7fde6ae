"""Memory and CPU: of each component, and of one component in several runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from analysis.components import Points, component
from analysis.drawing.charts import Axis, Chart, Curve
from analysis.formats import digits, megabytes
from analysis.plots.plot import Plot, beginning, each, from_zero, side_by_side, times
from analysis.records import Records
from analysis.timelines import since, thinned
from workloads.ratify import metrics

MEASURED = (metrics.RATIFY, metrics.GATEKEEPER)
"""What the run is about: if there is nothing of one, the plot says why."""
OTHERS = (metrics.REGISTRY, metrics.APISERVER, "etcd", "kube-controller-manager", "kube-scheduler", "kwok", "harness")
_APART = 10
"""Where the largest component takes so many times the smallest, an even axis would hide the small ones."""


def memory(name: str, title: str, records: Records) -> Plot:
    """Resident memory. Raises CollectError if there is nothing of any component."""
    curves, reasons = _curves(records, partial(memory_of, records))
    text = f"Resident memory, all replicas together. Peaks: {_peaks(curves, megabytes)}."
    table = side_by_side(curves, megabytes)
    return Plot(name, title, " ".join([text, *reasons]), memory_chart(_lines(curves)), *table, True)


def cpu(name: str, title: str, records: Records) -> Plot:
    """CPU in use. Raises CollectError if there is nothing of any component."""
    curves, reasons = _curves(records, partial(cpu_of, records))
    text = f"CPU in use per scrape interval, all replicas together, in cores. Peaks: {_peaks(curves, digits)}."
    table = side_by_side(curves, digits)
    return Plot(name, title, " ".join([text, *reasons]), cpu_chart(_lines(curves)), *table, True)


def memory_of(records: Records, who: str) -> Points:
    """(seconds since the load began, bytes) of a component. Raises CollectError if there is nothing."""
    return since(beginning(records), component(records, who).memory())


def cpu_of(records: Records, who: str) -> Points:
    """(seconds since the load began, cores) of a component. Raises CollectError if there is nothing."""
    return since(beginning(records), component(records, who).cpu())


def memory_chart(curves: Sequence[Curve]) -> Chart:
    """Curves of bytes, drawn in MB."""
    megabyte = [replace(one, points=[(x, None if y is None else y / 1e6) for x, y in one.points]) for one in curves]
    peaks = [max(y for _, y in one.points if y is not None) for one in megabyte]
    far = min(peaks) > 0 and max(peaks) / min(peaks) >= _APART
    return Chart(times(), Axis("MB, logarithmic", log=True) if far else from_zero("MB"), megabyte)


def cpu_chart(curves: Sequence[Curve]) -> Chart:
    """Curves of cores."""
    return Chart(times(), from_zero("cores"), curves)


def _curves(records: Records, take: Callable[[str], Points]) -> tuple[dict[str, Points], list[str]]:
    there = [who for who in OTHERS if records.samples and records.samples.targets(who)]
    found, reasons = each((*MEASURED, *there), take)
    return {who: points for who, points in found.items() if points}, reasons


def _lines(curves: dict[str, Points]) -> list[Curve]:
    return [Curve(who, who, thinned(points)) for who, points in curves.items()]


def _peaks(curves: dict[str, Points], told: Callable[[float], str]) -> str:
    return ", ".join(f"{who} {told(max(value for _, value in points))}" for who, points in curves.items())

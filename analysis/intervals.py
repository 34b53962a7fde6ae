"""What Ratify, Gatekeeper, the registry and the machine did in each scrape interval of the window."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from analysis.components import Component, Points, component
from analysis.records import Records
from workloads.errors import CollectError
from workloads.ratify import metrics

MEASURES = ("verification", "validation", "registry_refusals", "machine_cpu")
"""Mean seconds of a request to Ratify and to Gatekeeper, answers 429 and 5xx to Ratify, the share of all cores."""
CACHED = 1.5
"""Admitted pods per verification request from which most were answered by a cache."""
PROCESSES = (
    *(metrics.RATIFY, metrics.GATEKEEPER, metrics.REGISTRY, metrics.APISERVER),
    *("etcd", "kube-controller-manager", "kube-scheduler", "kwok", "front", "prometheus", "harness"),
)
"""The components that are processes of the run, as targets are named."""


class Interval(NamedTuple):
    """A span between two scrapes, epoch seconds, and what was measured in it; None: nothing was there to measure."""

    start: float
    end: float
    value: float | None


def intervals(records: Records, name: str, per_verification: float | None) -> list[Interval]:
    """A measure over the scrape intervals of the window: mean seconds of a request, answers, or the share of all cores.

    ``per_verification`` is how many admitted pods a verification stood for. Raises CollectError if it is not known.
    """
    if name == "machine_cpu":
        return _busy(records)
    if name == "registry_refusals":
        return _refusals(component(records, metrics.RATIFY))
    if per_verification is not None and per_verification > CACHED:
        raise CollectError("Most pods were let in by a cached result, and not verified.")
    if name == "verification":
        return _means(component(records, metrics.RATIFY), metrics.RATIFY_VERIFICATION)
    return _means(component(records, metrics.GATEKEEPER), metrics.GATEKEEPER_VALIDATION)


def _means(component: Component, metric: metrics.Metric) -> list[Interval]:
    """The mean of what a histogram observed, exactly: its sum by its count."""
    total, count = (
        _grown(component, replace(metric, names=tuple(f"{name}_{part}" for name in metric.names)))
        for part in ("sum", "count")
    )
    return [
        Interval(start, end, seconds * metric.scale / observed if observed else None)
        for (start, end, seconds), (_, _, observed) in zip(total, count, strict=True)
    ]


def _refusals(ratify: Component) -> list[Interval]:
    def refused(status: str) -> bool:
        return status == metrics.THROTTLED or status.startswith("5")

    return [Interval(*each) for each in _grown(ratify, metrics.RATIFY_REGISTRY_REQUESTS, "status_code", refused)]


def _grown(
    component: Component, metric: metrics.Metric, label: str = "", keep: Callable[[str], bool] = lambda value: True
) -> list[tuple[float, float, float]]:
    """(start, end, growth) of a counter in each interval, over the series whose label's value is kept."""
    totals = component.counter_over_time(metric, label)
    kept = [points for value, points in totals.items() if keep(value)]
    instants = [time for time, _ in next(iter(totals.values()), ())] or component.scrapes()
    return _differences(instants, [sum(points[place][1] for points in kept) for place in range(len(instants))])


def _differences(instants: Sequence[float], totals: Sequence[float]) -> list[tuple[float, float, float]]:
    steps = zip(instants, instants[1:], totals, totals[1:], strict=False)
    return [(start, end, after - before) for start, end, before, after in steps]


def _busy(records: Records) -> list[Interval]:
    """The share of the machine's CPU that the run's processes took. Raises CollectError if it is not one machine."""
    cores = (records.run.get("machine") or {}).get("cpu_count")
    if records.run.get("platform") != "local" or not cores:
        raise CollectError("How busy the machines were is not known: only a run on one machine has all its processes.")
    samples = records.samples
    processes = [component(records, name) for name in PROCESSES if samples is None or samples.targets(name)]
    if not processes:
        raise CollectError("No process was measured.")
    instants = [time for time, _ in max((process.memory() for process in processes), key=len)]
    spent = [_spent(process.cpu(), instants) for process in processes]
    totals = [sum(of_each) for of_each in zip(*spent, strict=True)]
    # What is less than any clock tells is no difference, which a rank would make one.
    return [
        Interval(start, end, round(used / (end - start) / cores, 6))
        for start, end, used in _differences(instants, totals)
    ]


def _spent(rates: Points, instants: Sequence[float]) -> list[float]:
    """CPU seconds spent by each instant since the first, of rates that hold up to their own instants."""
    times, totals = [instants[0]], [0.0]
    for time, cores in rates:
        if time > times[-1]:
            totals.append(totals[-1] + cores * (time - times[-1]))
            times.append(time)
    found = []
    for instant in instants:
        place = min(bisect_left(times, instant), len(times) - 1)
        into = min(instant, times[place]) - times[place - 1] if place else 0.0
        grown = (totals[place] - totals[place - 1]) / (times[place] - times[place - 1]) * into if place else 0.0
        found.append(totals[max(place - 1, 0)] + grown)
    return found

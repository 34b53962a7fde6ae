"""perfdata/*.json: what ClusterLoader2 writes of a run, for whoever reads that: perfdash, Azure/telescope.

Forms and file names: kubernetes/perf-tests, clusterloader2/pkg/measurement/{util/perftype.go,common/}, and
clusterloader2/pkg/test/simple_test_executor.go (``<summary>_<test>_<RFC 3339>.json``). A summary of ClusterLoader2's
name has its definitions; what it does not measure has a name of its own. What was not measured is left out, and so is
a file without any figure: nothing there is 0 because it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.components import Component
from analysis.intervals import PROCESSES
from analysis.percentiles import nearest_rank
from analysis.records import Record, Records, seen
from analysis.views import value
from workloads.errors import CollectError

VERSION = "1.0"
INTERVAL_SECONDS = 5
"""Over which ClusterLoader2 counts what was scheduled."""

_PERCENTS = (50, 90, 99)
_STARTUP = {
    "create_to_schedule": ("created", "scheduled"),
    "schedule_to_run": ("scheduled", "running"),
    "schedule_to_watch": ("scheduled", "running"),
    "create_to_run": ("created", "running"),
    "pod_startup": ("created", "running"),
    "create_to_ready": ("created", "ready"),
}
"""Transitions of pods. To ClusterLoader2 a pod is up when it is first seen running, as it is to run_to_watch, which is
therefore always 0 there and left out here. create_to_ready is our own."""
_LATENCIES = {
    "RatifyLatency": {"verification": "ratify.verification_seconds", "mutation": "ratify.mutation_seconds"},
    "GatekeeperLatency": {"validation": "gatekeeper.validation_seconds"},
    "APIRequestLatency": {"request": "control_plane.api_request_seconds"},
}


def documents(records: Records, summary: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, document) of every summary that has figures."""
    test = str(summary["stack"]).replace("_", "-")  # readers split the name at underscores
    label = {"run_id": str(summary["run_id"])}
    found: dict[str, dict[str, Any] | None] = {
        "PodStartupLatency_PodStartupLatency": _perf_data(_startup(records.pods or ()), label),
        **{name: _perf_data(_of_summary(summary, paths), label) for name, paths in _LATENCIES.items()},
        "ResourceUsageSummary": _resources(records),
        "SchedulingThroughput": _throughput(records),
    }
    for name, document in found.items():
        if document:
            yield f"{name}_{test}_{summary['started_at']}.json", document


def _perf_data(items: Mapping[str, Mapping[str, float]], labels: Mapping[str, str]) -> dict[str, Any] | None:
    """Latencies in ms by metric and percentile, as a PerfData; None without any."""
    full = [{"data": data, "unit": "ms", "labels": {"Metric": metric}} for metric, data in items.items() if data]
    return {"version": VERSION, "dataItems": full, "labels": labels} if full else None


def _startup(pods: Sequence[Record]) -> dict[str, dict[str, float]]:
    return {
        metric: _percentiles(
            [
                1000 * max(0.0, last - first)
                for pod in pods
                if (first := seen(pod, start)) is not None and (last := seen(pod, end)) is not None
            ]
        )
        for metric, (start, end) in _STARTUP.items()
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"Perc{percent}": nearest_rank(ordered, percent) for percent in _PERCENTS} if ordered else {}


def _of_summary(summary: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Of a histogram's quantiles those that ClusterLoader2 has, in ms."""
    return {
        metric: {
            f"Perc{percent}": amount * 1000
            for percent in _PERCENTS
            if (amount := value(summary, f"{path}.p{percent}")) is not None
        }
        for metric, path in paths.items()
    }


def _resources(records: Records) -> dict[str, Any] | None:
    """CPU (cores) and memory (bytes) of each process by percentile of its scrapes; None without any."""
    if records.samples is None:
        return None
    used = {}
    for component in PROCESSES:
        for target in records.samples.targets(component):
            source = Component(target, records.samples, records.window)
            try:
                cpu, memory = (sorted(v for _, v in points) for points in (source.cpu(), source.memory()))
            except CollectError:
                continue
            used[f"{target}/{component}"] = cpu, memory
    return (
        {
            str(percent): [
                {"Name": name, "CPU": nearest_rank(cpu, percent), "Mem": int(nearest_rank(memory, percent))}
                for name, (cpu, memory) in used.items()
            ]
            for percent in (*_PERCENTS, 100)
        }
        if used
        else None
    )


def _throughput(records: Records) -> dict[str, Any] | None:
    """Pods scheduled per second, by whole intervals of the window; None if there is none, or nothing was seen."""
    moments = [moment for pod in records.pods or () if (moment := seen(pod, "scheduled")) is not None]
    if records.window is None or not moments:
        return None
    start = records.window.start
    whole = int((records.window.end - start) // INTERVAL_SECONDS)
    counts = [0] * whole
    for moment in moments:
        place = int((moment - start) // INTERVAL_SECONDS)
        if 0 <= place < whole:
            counts[place] += 1
    rates = sorted(count / INTERVAL_SECONDS for count in counts)
    return (
        {f"perc{percent}": nearest_rank(rates, percent) for percent in _PERCENTS} | {"max": rates[-1]}
        if rates
        else None
    )

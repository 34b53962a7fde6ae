"""perfdata/*.json: latencies and resources in the form of ClusterLoader2's PerfData, which perfdash reads.

Form: kubernetes/perf-tests, clusterloader2/pkg/measurement/util/perftype.go. One file per summary, named
``<Summary>_<stack>_<start of the run>.json`` as perfdash expects. Figures that are null are left out; a file without
any is not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.views import value

VERSION = "1.0"

_PERCENTILES = {"p50": "Perc50", "p90": "Perc90", "p95": "Perc95", "p99": "Perc99", "max": "Perc100"}

_LATENCIES = {
    "PodStartupLatency": {"pod_startup": "pod_startup_seconds"},
    "RatifyLatency": {"verification": "ratify.verification_seconds", "mutation": "ratify.mutation_seconds"},
    "GatekeeperLatency": {"validation": "gatekeeper.validation_seconds"},
    "APIResponsiveness": {"request": "control_plane.api_request_seconds"},
}


def documents(summary: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, document) of every summary that has figures."""
    for name, metrics in _LATENCIES.items():
        items = [_item(_milliseconds(value(summary, path)), "ms", metric) for metric, path in metrics.items()]
        yield from _document(summary, name, items)
    items = [
        _item(
            {key.capitalize(): amount for key, amount in (value(summary, f"{who}.{what}") or {}).items()},
            unit,
            what,
            who,
        )
        for who in ("ratify", "gatekeeper")
        for what, unit in (("memory_bytes", "bytes"), ("cpu_cores", "cores"))
    ]
    yield from _document(summary, "ResourceUsage", items)


def _document(
    summary: Mapping[str, Any], name: str, items: list[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    full = [item for item in items if item["data"]]
    if full:
        labels = {"run_id": str(summary["run_id"])}
        document = {"version": VERSION, "dataItems": full, "labels": labels}
        yield f"{name}_{summary['stack']}_{summary['started_at']}.json", document


def _item(data: Mapping[str, float | None], unit: str, metric: str, component: str | None = None) -> dict[str, Any]:
    labels = {"Metric": metric} | ({"Component": component} if component else {})
    return {"data": {key: amount for key, amount in data.items() if amount is not None}, "unit": unit, "labels": labels}


def _milliseconds(figures: Mapping[str, float | None] | None) -> dict[str, float | None]:
    return {
        name: None if (amount := (figures or {}).get(key)) is None else amount * 1000
        for key, name in _PERCENTILES.items()
    }

"""Runs side by side, in the columns of the table that the Ratify project published of its load tests.

https://ratify.dev/docs/reference/performance. That table has memory and CPU of one moment after the run; here they are
of the window: peak and mean. What it does not have, and what a reader has to know before he compares, comes behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analysis.formats import NONE, digits
from analysis.views import Summary, value

MEBIBYTE = 1 << 20
NO_OOM = (
    "How often a process was ended for lack of memory is not known: on one machine a process has no memory limit of "
    "its own, and one that the kernel ended looks like any that was killed. restarts and peak memory are what there is."
)


class Column(NamedTuple):
    """One column: its key in JSON, with the unit; its heading; the figure it shows; what turns that into its unit."""

    key: str
    heading: str
    path: str
    scale: float = 1.0


COLUMNS = (
    Column("run", "run", "run_id"),
    Column("type", "type", "scenario.workload"),
    Column("replicas", "replicas", "scenario.ratify_replicas"),
    Column("mode", "mode", "scenario.ratify_mode"),
    Column("registry", "registry", "scenario.registry_size"),
    Column("caches", "caches", "caches"),
    Column("pods", "pods", "pods.expected"),
    Column("throttled", "429", "ratify.registry_requests.429"),
    Column("timeouts", "timeouts", "ratify.timeouts"),
    Column("mutation_p95_ms", "p95 mut, ms", "ratify.mutation_seconds.p95", 1000),
    Column("mutation_max_ms", "max mut, ms", "ratify.mutation_seconds.max_bucket", 1000),
    Column("verification_p95_ms", "p95 ver, ms", "ratify.verification_seconds.p95", 1000),
    Column("verification_max_ms", "max ver, ms", "ratify.verification_seconds.max_bucket", 1000),
    Column("memory_peak_mib", "memory peak, MiB", "ratify.memory_bytes.peak", 1 / MEBIBYTE),
    Column("cpu_peak_cores", "vCPU peak", "ratify.cpu_cores.peak"),
    Column("cpu_mean_cores", "vCPU mean", "ratify.cpu_cores.mean"),
    Column("restarts", "restarts", "ratify.restarts"),
    Column("oom", "OOM", "ratify.oom"),
    Column("ready", "ready", "pods.ready"),
    Column("denied", "denied", "pods.denied"),
    Column("refused_requests", "refused requests", "pods.refused_attempts"),
    Column("unverified", "unverified", "pods.unverified"),
    Column("all_ready_seconds", "all ready, s", "pods.all_ready_seconds"),
    Column("verdict", "verdict", "verdict"),
)


def rows(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """A row per run; ``missing`` has the reasons of what is null in it, by the column's key."""
    return [_row(summary) for summary in summaries]


def _row(summary: Summary) -> dict[str, Any]:
    row = {column.key: _entry(column, summary) for column in COLUMNS}
    reasons = {"ratify.oom": NO_OOM, **(summary.get("missing") or {})}
    missing = {column.key: _reason(column.path, reasons) for column in COLUMNS if row[column.key] is None}
    return {**row, "missing": missing}


def _entry(column: Column, summary: Summary) -> Any:
    found = value(summary, column.path)
    if column.key == "caches":
        return _caches(found)
    if isinstance(found, Mapping):
        found = sum(found.values())
    return found if found is None or column.scale == 1.0 else found * column.scale


def _caches(caches: Mapping[str, Any] | None) -> str | None:
    if not caches or caches.get("ratify") is None:
        return None
    return "on" if caches["ratify"] or caches.get("gatekeeper_response_seconds") else "off"


def _reason(path: str, reasons: Mapping[str, str]) -> str:
    parts = path.split(".")
    above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((reasons[each] for each in above if each in reasons), "The run's summary has no such figure.")


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table that can be pasted into a document; ends without a line feed."""
    texts = [[column.heading for column in COLUMNS], *([_text(row[column.key]) for column in COLUMNS] for row in found)]
    widths = [max(len(line[index]) for line in texts) for index in range(len(COLUMNS))]
    numbers = [any(isinstance(row[column.key], int | float) for row in found) for column in COLUMNS]
    rule = [("-" * (width - 1) + ":") if right else "-" * width for width, right in zip(widths, numbers, strict=True)]
    lines = [
        [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numbers, strict=True)
        ]
        for line in texts
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:]))


def _text(entry: Any) -> str:
    return NONE if entry is None else entry if isinstance(entry, str) else digits(entry)


def kind(summary: Summary) -> str:
    """What tells runs apart that are not to be taken for repetitions of one another: stack, scenario and caches."""
    return repr([summary.get(key) for key in ("stack", "scenario", "caches")])

"""What faults did, from faults.jsonl beside the other records: how long it took until things were as before.

Recovery has two ends. A process is ready when its readiness probe answers again, which is the process's own business.
A pod is admitted when everything on its way works again, which is what a user of the cluster notices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from analysis.components import Component
from analysis.figures import Missing, whole
from analysis.formats import NONE, digits, seconds, utc
from analysis.records import Record, Records, seen
from analysis.samples import Window
from workloads.errors import CollectError
from workloads.ratify import metrics

Summary = Mapping[str, Any]

COUNTS = {
    "webhook_rejections": metrics.APISERVER_REJECTIONS,
    "webhook_fail_open": metrics.APISERVER_FAIL_OPEN,
}


class Row(NamedTuple):
    """A fault as people read it."""

    name: str
    began: str
    lasted: str
    ready: str
    admitted: str
    rejections: str
    fail_opens: str
    note: str


def section(records: Records, missing: Missing) -> dict[str, Any]:
    """``faults``, an entry per fault of the schedule, and ``recovery``, what all of them come to; null without any."""
    if records.faults is None:
        missing.update(dict.fromkeys(("faults", "recovery"), records.problems["faults.jsonl"]))
        return {"faults": None, "recovery": None}
    found = [_entry(f"faults[{number}]", fault, records, missing) for number, fault in enumerate(records.faults)]
    return {"faults": found, "recovery": _recovery(found, missing) if found else None}


def _entry(path: str, fault: Record, records: Records, missing: Missing) -> Record:
    own = Missing()
    began, ended, ready = fault["began"], fault["ended"], fault["ready"]
    entry = {
        **{key: fault[key] for key in ("target", "action", "at", "seconds", "share")},
        "began_at": _moment(began),
        "ended_at": _moment(ended),
        "ready_after_seconds": own.figure(f"{path}.ready_after_seconds", lambda: _between(ended, ready)),
        "admitted_after_seconds": own.figure(
            f"{path}.admitted_after_seconds", lambda: _admitted(began, ended, records.pods)
        ),
        **{
            key: own.figure(f"{path}.{key}", partial(_counted, began, ended, metric, records))
            for key, metric in COUNTS.items()
        },
        "error": fault["error"],
    }
    if fault["error"] is None:  # else that is the reason
        missing.update(own)
    return entry


def _between(ended: float | None, ready: float | None) -> float:
    if ended is None or ready is None:
        raise CollectError("It was not seen to be ready again.")
    return ready - ended


def _admitted(began: float | None, ended: float | None, pods: Sequence[Record] | None) -> float:
    """Seconds from the beginning of a fault to the first pod that was created after its end, by the watch."""
    if began is None or ended is None:
        raise CollectError("It was not carried out.")
    if pods is None:
        raise CollectError("The pods of the run were not recorded.")
    created = (seen(pod, "created") for pod in pods)
    after = [moment for moment in created if moment is not None and moment > ended]
    if not after:
        raise CollectError("No pod was created after its end: none was left to be admitted, or none was let in.")
    return float(min(after) - began)


def _counted(began: float | None, ended: float | None, metric: metrics.Metric, records: Records) -> int:
    if began is None or ended is None:
        raise CollectError("It was not carried out.")
    window = Window(began, ended)
    server = Component(metrics.APISERVER, records.samples, window, records.problems.get("metrics.parquet"))
    return whole(sum(server.counter(metric, "name").values()))


def _moment(epoch: float | None) -> str | None:
    return None if epoch is None else utc(epoch)


def _recovery(faults: Sequence[Record], missing: Missing) -> Record:
    carried = [fault for fault in faults if fault["began_at"]]

    def worst(key: str) -> float:
        values = [fault[key] for fault in carried]
        if not values:
            raise CollectError("No fault of the schedule was carried out.")
        known = [value for value in values if value is not None]
        if key == "ready_after_seconds" and len(known) < len(values):
            raise CollectError("Not every process was seen to be ready again.")
        if not known:
            raise CollectError("After no fault a pod was seen to be created.")
        return float(max(known))

    return {
        "scheduled": len(faults),
        "carried_out": len(carried),
        "ready_seconds": {
            "max": missing.figure("recovery.ready_seconds.max", lambda: worst("ready_after_seconds")),
        },
        "admitted_seconds": {
            "max": missing.figure("recovery.admitted_seconds.max", lambda: worst("admitted_after_seconds")),
        },
    }


def rows(summary: Summary) -> list[Row]:
    """The faults as a table."""
    found = []
    for fault in summary.get("faults") or ():
        start, end = (_epoch(fault[key]) for key in ("began_at", "ended_at"))
        found.append(
            Row(
                name(fault),
                f"{fault['at']:g} s" if start else NONE,
                seconds(end - start) if start and end else NONE,
                seconds(fault["ready_after_seconds"]),
                seconds(fault["admitted_after_seconds"]),
                digits(fault["webhook_rejections"]),
                digits(fault["webhook_fail_open"]),
                fault["error"] or "",
            )
        )
    return found


def told(summary: Summary) -> list[tuple[str, str, str | None]]:
    """The faults as (name, text, why there is none), for where there is no room for a table."""
    found: list[tuple[str, str, str | None]] = []
    for row in rows(summary):
        text = f"ready after {row.ready}, admitted after {row.admitted}"
        found.append((row.name, text if row.began != NONE else "not carried out", None))
    return found


def name(fault: Mapping[str, Any]) -> str:
    """A fault in words."""
    return f"{fault['action']} {fault['target']} at {fault['at']:g} s"


def _epoch(moment: str | None) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if moment else None

"""How the load was sent: rates asked for and reached, lag, answers, and what kept it from its schedule.

All of it is of requests.jsonl, but for the part of admission, which the API server counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from analysis import shards
from analysis.components import Component
from analysis.figures import Missing, Record
from analysis.percentiles import distribution
from analysis.records import Records
from workloads.errors import CollectError
from workloads.ratify import metrics
from workloads.schedules import MOST_WORKERS

LAG = ("p50", "p99", "max")
LATE_SECONDS = 0.020
"""An object that is sent later than this after it was due was late."""
MOST_LATE = 0.01
"""Share of late objects from which the client is a limit: the 99th percentile of the lag is beyond LATE_SECONDS."""
MOST_UNANSWERED = 0.005
"""Share of objects without an answer at the end of a phase from which the control plane may be a limit."""
GROWN = 2.0
"""It is one if answers took so many times as long in the last quarter of the phase as in the first: they pile up."""
FEWEST = 20
"""Fewer objects show no limit."""
DECLARED = "The workloads were declared all at once: no rate was asked for."
CLOSED = "A closed loop asks for no rate: it is as fast as it is answered."
FEW = f"Fewer than {FEWEST} objects had a time at which they were due: they show no limit."
UNCODED = "The records do not say with which status the requests were answered."
_FIGURES = (
    *("objects", "failed", "requested_per_s", "achieved_per_s", "answered_per_s"),
    *("answers", "admission_share", "limiter", "phases", "shards"),
)


def section(records: Records, apiserver: Component, missing: Missing) -> Record:
    """``load`` of the summary."""
    requests = records.requests
    if requests is None:
        reason = records.problems["requests.jsonl"]
        return {
            **missing.given("load", None, _FIGURES, reason),
            **{f"{key}_seconds": missing.given(f"load.{key}_seconds", None, LAG, reason) for key in ("lag", "answer")},
        }
    declared = records.setting("load", "mode") == "declared"
    numbers = [] if declared else sorted({request.get("phase") or 0 for request in requests})
    settings = records.setting("load", "phases")
    parts = [(number, _of_phase(requests, number), _phase(settings, number)) for number in numbers]
    admission = missing.figure("load.admission_share", lambda: _admission_share(apiserver))
    connections = MOST_WORKERS * max(1, len(records.shards or ()))
    phases = [_phase_figures(number, own, phase, admission, connections, missing) for number, own, phase in parts]
    return {
        "objects": sum(1 for one in requests if one.get("verb", "create") == "create"),
        "failed": sum(1 for one in requests if one["status"] == "failed"),
        **_rates("load", requests, declared, missing),
        "answers": missing.figure("load.answers", lambda: _answers(requests)),
        "admission_share": admission,
        "limiter": missing.figure("load.limiter", lambda: _worst(phases, declared)),
        "phases": phases,
        "shards": missing.figure("load.shards", lambda: _shards(records, missing)),
    }


def _shards(records: Records, missing: Missing) -> list[Record]:
    if records.shards is None:
        raise CollectError(records.problems[shards.SHARDS])
    return shards.rows(records.shards, "load.shards", missing)


def _of_phase(requests: Sequence[Record], number: float) -> list[Record]:
    return [request for request in requests if (request.get("phase") or 0) == number]


def _phase(settings: Any, number: float) -> Record:
    """A phase's pattern, and the seconds between its bursts; a constant rate where the settings do not say."""
    known = isinstance(settings, list) and isinstance(number, int) and 0 <= number < len(settings)
    found = settings[number] if known and isinstance(settings[number], dict) else {}
    every = found.get("every")
    return {
        "pattern": found.get("pattern") or "constant",
        "every": every if isinstance(every, int | float) else 0.0,
    }


def _phase_figures(
    number: float,
    requests: Sequence[Record],
    phase: Record,
    admission: float | None,
    connections: int,
    missing: Missing,
) -> Record:
    path = f"load.phases.{number}"
    return {
        "pattern": phase["pattern"],
        "requests": len(requests),
        "failed": sum(1 for one in requests if one["status"] == "failed"),
        **_rates(path, requests, False, missing),
        "limiter": missing.figure(f"{path}.limiter", lambda: _limiter(requests, phase, admission, connections)),
    }


def _rates(path: str, requests: Sequence[Record], declared: bool, missing: Missing) -> Record:
    """Rates and delays of the requests that were due at a time, or of all if none was."""
    due = [request for request in requests if request["intended"] is not None]
    paced = due or requests

    def requested() -> float:
        if declared or (requests and not due):
            raise CollectError(DECLARED if declared else CLOSED)
        return _rate(due, "intended")

    def waits(since: str, until: str) -> Record:
        took = [one[until] - one[since] for one in paced if None not in (one[until], one[since])]
        if not took:
            raise CollectError("No object was sent." if due or not requests else CLOSED)
        found = distribution(took, (50, 99))
        return {key: found[key] for key in LAG}

    return {
        "requested_per_s": missing.figure(f"{path}.requested_per_s", requested),
        "achieved_per_s": missing.figure(f"{path}.achieved_per_s", lambda: _rate(paced, "sent")),
        "answered_per_s": missing.figure(f"{path}.answered_per_s", lambda: _rate(paced, "answered")),
        "lag_seconds": missing.group(f"{path}.lag_seconds", LAG, lambda: waits("intended", "sent")),
        "answer_seconds": missing.group(f"{path}.answer_seconds", LAG, lambda: waits("sent", "answered")),
    }


def _rate(requests: Sequence[Record], moment: str) -> float:
    """Per second: the gaps between the first and the last of them."""
    times: list[float] = [one[moment] for one in requests if one[moment] is not None]
    if len(times) < 2 or max(times) <= min(times):
        raise CollectError("Fewer than two objects at different times make no rate.")
    return (len(times) - 1) / (max(times) - min(times))


def _answers(requests: Sequence[Record]) -> dict[str, int]:
    """Requests by the HTTP status of their answer; ``none`` had no answer."""
    if any("code" not in one or (one["code"] is None and one["status"] != "failed") for one in requests):
        raise CollectError(UNCODED)
    counts = Counter("none" if one["code"] is None else str(one["code"]) for one in requests)
    return dict(sorted(counts.items()))


def _admission_share(apiserver: Component) -> float:
    """The part of the time of creating requests that the API server waited for webhooks.

    A webhook's calls are counted by operation and not by resource, so both are those of all resources. Validating ones
    are called at the same time, so that several of them make it too large. Raises CollectError if unknown.
    """
    spent = apiserver.counter(
        metrics.APISERVER_REQUEST_SECONDS,
        "verb",
        lambda labels: labels.get("verb") == "POST" and not labels.get("subresource"),
    )
    total = sum(spent.values())
    if not total:
        raise CollectError("The API server created nothing in the window.")
    waited = apiserver.counter(
        metrics.APISERVER_WEBHOOK_SECONDS, "operation", lambda labels: labels.get("operation") == "CREATE"
    )
    return min(1.0, sum(waited.values()) / total)


def _worst(phases: Sequence[Record], declared: bool) -> Record:
    """The limiter of the phase that lost most by its own."""
    if declared:
        raise CollectError(DECLARED)
    found = [(number, phase["limiter"]) for number, phase in enumerate(phases) if phase["limiter"]]
    if not found:
        raise CollectError(FEW)
    number, worst = max(found, key=lambda each: each[1]["share"])
    said = f"Phase {number}: " if len(phases) > 1 and worst["name"] != "none" else ""
    return {**worst, "reason": f"{said}{worst['reason']}"}


def _limiter(requests: Sequence[Record], phase: Record, admission: float | None, connections: int) -> Record:
    """What kept a phase from its schedule, the share of its objects that it concerns, and a sentence on it."""
    if phase["pattern"] == "closed":
        return {"name": "none", "share": 0.0, "reason": CLOSED}
    due = sorted(
        (one for one in requests if None not in (one["intended"], one["sent"], one["answered"])),
        key=lambda one: float(one["intended"]),
    )
    if len(due) < FEWEST:
        raise CollectError(FEW)
    limits = [each for each in (_client(requests, due, connections), _control_plane(due, phase, admission)) if each]
    if limits:
        return max(limits, key=lambda each: float(each["share"]))
    reason = f"Objects were sent within {LATE_SECONDS * 1000:.0f} ms of their time, and answers did not pile up."
    return {"name": "none", "share": 0.0, "reason": reason}


def _client(requests: Sequence[Record], due: Sequence[Record], connections: int) -> Record | None:
    """Objects that were late though one of the ``connections`` was free to send them by."""
    sent = sorted(one["sent"] for one in requests)
    answered = sorted(one["answered"] for one in requests if one["answered"] is not None)

    def free(moment: float) -> bool:
        return bisect_right(sent, moment) - bisect_right(answered, moment) < connections

    late = sum(1 for one in due if one["sent"] - one["intended"] > LATE_SECONDS and free(one["intended"]))
    share = late / len(due)
    if share <= MOST_LATE:
        return None
    reason = (
        f"{share:.1%} of the objects were sent more than {LATE_SECONDS * 1000:.0f} ms late though connections were "
        "free: this machine was too busy to send them, and the rates are its own. Ask for less, or leave it more CPU."
    )
    return {"name": "client", "share": share, "reason": reason}


def _control_plane(due: Sequence[Record], phase: Record, admission: float | None) -> Record | None:
    """Objects that had no answer when the phase was over, if answers took longer and longer."""
    first, last = due[0]["intended"], due[-1]["intended"]
    end = last + phase["every"]
    took = [one["answered"] - one["intended"] for one in due]
    quarter = len(took) // 4
    unanswered = sum(1 for one in due if one["answered"] > end)
    share = unanswered / len(due)
    if share <= MOST_UNANSWERED or median(took[-quarter:]) < GROWN * median(took[:quarter]):
        return None
    told = f"{len(due) - unanswered} of {len(due)} objects were answered in the {end - first:.1f} s of the schedule"
    if end > first:
        told += f", {(len(due) - unanswered) / (end - first):.1f} of {len(due) / (end - first):.1f} per second"
    if admission is None:
        return {"name": "apiserver", "share": share, "reason": f"{told}; what part admission had in it is not known."}
    name = "admission" if admission >= 0.5 else "apiserver"
    reason = f"{told}; webhooks took {admission:.0%} of the time of creating requests."
    return {"name": name, "share": share, "reason": reason}

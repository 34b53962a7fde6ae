"""What became of every pod of the plan, and whether each that got in was verified.

Three sources say how many were let in unverified: the audit log, pod by pod; the API server's counter of webhooks that
failed open; and a comparison of what was admitted with what Ratify was asked about. They see different things, so each
is a figure, and the verdict says where they disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.figures import Missing
from analysis.formats import counted, digits, times
from analysis.records import AFTERWARDS, Record, Records, seen
from workloads.audit import VERIFYING
from workloads.errors import CollectError
from workloads.ratify.causes import OTHER, classify

ENDS = ("ready", "denied", "failed", "missing")
COUNTS = ("expected", *ENDS, "expected_denied", "wrongly_admitted", "wrongly_denied", "reasons", "causes")
MAX_NAMES = 5


def admitted(pods: Iterable[Record]) -> int:
    """How many pods of the plan the API server let in, by the watch."""
    return sum(1 for pod in pods if pod["name"] is not None)


def account(records: Records, missing: Missing, ratify: Mapping[str, Any]) -> Record:
    """The figures ``pods``; ``ratify`` has those of the verifier."""
    counts = missing.given("pods", _counts(records), COUNTS, records.problems.get("pods.jsonl", ""))
    return {
        **counts,
        "all_ready_seconds": missing.figure("pods.all_ready_seconds", lambda: _all_ready(records)),
        "unverified": missing.figure("pods.unverified", lambda: _audited(records)["unverified"]),
        "unaccounted": missing.figure("pods.unaccounted", lambda: _unaccounted(records, ratify)),
        "refused_attempts": missing.figure("pods.refused_attempts", lambda: _refused_attempts(records)),
    }


def _counts(records: Records) -> Record | None:
    pods = records.pods
    if pods is None:
        return None
    ends = Counter(pod["end"] for pod in pods)
    unready = [(pod["reason"], pod.get("cause") or OTHER) for pod in pods if pod["reason"]]
    must = [pod for pod in pods if pod.get("must_be_denied")]
    return {
        "expected": len(pods),
        **{end: ends[end] for end in ENDS},
        "expected_denied": len(must),
        "wrongly_admitted": admitted(must),
        "wrongly_denied": sum(1 for pod in pods if pod["end"] == "denied" and not pod.get("must_be_denied")),
        "reasons": [
            {"reason": reason, "cause": cause, "count": count}
            for (reason, cause), count in Counter(unready).most_common()
        ],
        "causes": dict(Counter(cause for _, cause in unready).most_common()),
    }


def _all_ready(records: Records) -> float:
    """Seconds from the first object that was sent until the last pod was Ready."""
    pods = _pods(records)
    if records.window is None:
        raise CollectError("The run has no window: no load was sent.")
    late = sum(1 for pod in pods if pod["end"] != "ready")
    if late or not pods:
        raise CollectError(f"{late} pods were not ready in the end." if late else "The run had no pods.")
    moments = [moment for pod in pods if (moment := seen(pod, "ready")) is not None]
    if len(moments) < len(pods):
        afterwards = records.run.get("collected_afterwards")
        raise CollectError(AFTERWARDS if afterwards else "When some of the pods became Ready was not watched.")
    return max(moments) - records.window.start


def _audited(records: Records) -> Record:
    """What the audit log says. Raises CollectError if there is none, or if a part of it is lost."""
    if records.admissions is None:
        raise CollectError(f"Who got in unverified is not known: {records.problems['admissions.json']}")
    if not records.admissions["complete"]:
        raise CollectError("The API server's audit log was too long for its files: its beginning may be lost.")
    return records.admissions


def _unaccounted(records: Records, ratify: Mapping[str, Any]) -> int:
    """Pods that were admitted although Ratify was not asked and no webhook is known to have failed open, at least.

    That is Gatekeeper letting pass what it does not evaluate: it has just started and has not read the policy, or it
    leaves the namespace alone. Retries and denials take verification requests too, so there may be more of them.
    """
    pods, unverified = _pods(records), _audited(records)["unverified"]
    if records.setting("ratify", "cache") is not False:
        raise CollectError("With caches on one verification request stands for many pods, so the two do not compare.")
    if ratify["verification_requests"] is None:
        raise CollectError("The number of verification requests is not known.")
    if ratify["restarts"] != 0:
        raise CollectError("Ratify was restarted, and what it had counted since its last scrape is lost.")
    return max(0, admitted(pods) - int(unverified) - int(ratify["verification_requests"]))


def _refused_attempts(records: Records) -> dict[str, int]:
    """Refused requests by cause, retries included: of the audit log, else of the events, which leave some out."""
    if records.admissions is not None and records.admissions["complete"]:
        return dict(records.admissions["refused_attempts"])
    if records.pods is None:
        raise CollectError(records.problems["pods.jsonl"])
    causes: Counter[str] = Counter()
    for event in records.events:
        if event.get("cause"):
            causes[event["cause"]] += event.get("times", 1)
    for request in records.requests or ():
        if request["status"] == "failed":
            causes[classify(request["message"] or "")] += 1
    return dict(causes.most_common())


def _pods(records: Records) -> list[Record]:
    if records.pods is None:
        raise CollectError(records.problems["pods.jsonl"])
    return records.pods


def objections(records: Records, summary: Mapping[str, Any]) -> list[str]:
    """Sentences for what no run may do, whatever its thresholds: admit what is unsigned, or what nobody looked at."""
    pods, opened = summary["pods"], (summary["control_plane"]["fail_open_by_webhook"] or {}).get(VERIFYING)
    said = []
    if pods["wrongly_admitted"]:
        said.append(_wrongly_admitted(records, pods["wrongly_admitted"]))
    if pods["unverified"]:
        said.append(
            f"{_pods_were(pods['unverified'])} admitted without verification, because the API server could not ask "
            f"{VERIFYING} and its failure policy is Ignore: {_unverified_names(records, pods['unverified'])}."
        )
    elif opened:
        said.append(f"{VERIFYING} failed open {times(opened)}: {_opened_for(records, summary)}.")
    if pods["unaccounted"]:
        said.append(
            f"{_pods_were(pods['unaccounted'])} admitted beyond those that Ratify was asked about and those for which "
            "a webhook failed open: Gatekeeper let them in without asking."
        )
    audited = _audited_fail_opens(records)
    if opened is not None and audited is not None and opened != audited:
        said.append(
            f"The API server counted {digits(opened)} fail-opens of {VERIFYING} between the scrapes around the window, "
            f"and its audit log has {digits(audited)} in the window."
        )
    return said


def _wrongly_admitted(records: Records, count: int) -> str:
    found = Counter(
        f"{pod['workload']} ({pod.get('variant') or 'unsigned'})"
        for pod in records.pods or ()
        if pod.get("must_be_denied") and pod["name"] is not None
    )
    return f"{_pods_were(count)} admitted that had to be denied, of {_listed(list(found), len(found))}."


def _unverified_names(records: Records, count: int) -> str:
    named = [f"{pod['namespace']}/{pod['name']}" for pod in records.pods or () if pod.get("unverified")]
    named += (records.admissions or {}).get("unmatched", {}).get("names", [])
    return _listed(named, count) if named else "the audit log has no names of them"


def _opened_for(records: Records, summary: Mapping[str, Any]) -> str:
    if summary["pods"]["unverified"] is None:
        reason = summary["missing"].get("pods.unverified", "")
        return f"that many requests were not verified ({reason.rstrip('.')})"
    found = [
        f"{each['count']} × {each['verb']} of {each['resource']}"
        for each in (records.admissions or {}).get("fail_open", ())
        if each["webhook"] == VERIFYING
    ]
    return f"no pod was created that way, but there was {', '.join(found)}" if found else "in the window for no request"


def _audited_fail_opens(records: Records) -> int | None:
    if records.admissions is None or not records.admissions["complete"]:
        return None
    return sum(int(each["count"]) for each in records.admissions["fail_open"] if each["webhook"] == VERIFYING)


def _listed(names: list[str], count: int) -> str:
    rest = count - len(names[:MAX_NAMES])
    return ", ".join(names[:MAX_NAMES]) + (f" and {digits(rest)} more" if rest > 0 else "")


def _pods_were(count: int) -> str:
    return f"{counted(count, 'pod')} {'was' if count == 1 else 'were'}"

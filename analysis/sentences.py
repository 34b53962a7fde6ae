"""What a summary says, in sentences: shared by the report and by the terminal, so that they say the same."""

from __future__ import annotations

from typing import NamedTuple

from analysis.formats import NONE, counted, digits, seconds, times
from analysis.views import Summary, value
from workloads.audit import VERIFYING
from workloads.ratify.causes import BY_NAME, OTHER


def headline(summary: Summary) -> str:
    """The verdict in one sentence: how many pods became Ready, and whether the run and its thresholds held."""
    ready = _ready(summary["pods"])
    if summary["error"]:
        return f"The run failed in phase {summary['error']['phase']}; {ready[0].lower()}{ready[1:]}."
    if summary["deadline_passed"]:
        ready += " before the deadline"
    rows = summary["thresholds"]
    broken = sum(1 for row in rows if not row["ok"])
    if not rows:
        held = "no threshold was set"
    elif not broken:
        held = f"all {len(rows)} thresholds held" if len(rows) > 1 else "its threshold held"
    else:
        held = f"{broken} of {len(rows)} thresholds broken" if len(rows) > 1 else "its threshold is broken"
    return f"{ready}; {held}."


def _ready(pods: Summary) -> str:
    if pods["expected"] is None:
        return "No pod was recorded"
    if pods["ready"] == pods["expected"]:
        return f"All {digits(pods['expected'])} pods became Ready"
    return f"{digits(pods['ready'])} of {digits(pods['expected'])} pods became Ready"


def meaning(summary: Summary) -> list[str]:
    """What the figures stand for, in sentences: caches, throttling, refusals, and the machine."""
    parts = (
        _afterwards(summary),
        _gaps(summary),
        _limit(summary),
        caches(summary),
        _throttling(summary),
        _admission(summary),
        _platform(summary),
    )
    return [sentence for sentence in parts if sentence]


def _afterwards(summary: Summary) -> str:
    if not summary.get("collected_afterwards"):
        return ""
    return (
        "The run was collected afterwards, from what the cluster and Prometheus still knew: its times are the API "
        "server's, in whole seconds. Nobody watched its pods or timed its requests: what needs that is in no figure, "
        "and neither is what was deleted before."
    )


def _gaps(summary: Summary) -> str:
    """From when to when nothing was watched, because the harness had been killed."""
    gaps = summary["resumed"]
    if not gaps:
        return ""
    seconds = sum(gap["to"] - gap["from"] for gap in gaps)
    times = "once" if len(gaps) == 1 else f"{len(gaps)} times"
    return (
        f"The harness was cut off {times} and the run was resumed: for {seconds:.0f} s in all nothing was watched. "
        "Pods that became Ready then are counted, and their startup is in no figure; rates and memory have a gap there."
    )


class Explained(NamedTuple):
    """A cause of refusals: the pods that it kept out, the requests that it refused, what it is, and what to do."""

    cause: str
    pods: str
    requests: str
    meaning: str
    advice: str


def causes(summary: Summary) -> list[Explained]:
    """The causes of pods that are not ready and of refused requests, those that kept most pods out first."""
    pods, attempts = summary["pods"]["causes"] or {}, summary["pods"]["refused_attempts"] or {}
    names = sorted({*pods, *attempts}, key=lambda name: (-pods.get(name, 0), -attempts.get(name, 0), name))
    return [
        Explained(
            name,
            digits(pods.get(name, 0)),
            NONE if summary["pods"]["refused_attempts"] is None else digits(attempts.get(name, 0)),
            BY_NAME.get(name, BY_NAME[OTHER]).meaning,
            BY_NAME.get(name, BY_NAME[OTHER]).advice,
        )
        for name in names
    ]


_LIMITS = {
    "client": "The load was limited by the client",
    "apiserver": "The load was limited by the API server",
    "admission": "The load was limited by admission",
}


def _limit(summary: Summary) -> str:
    """What kept the load from its schedule, and by how much; nothing if it kept to it."""
    limit = _LIMITS.get(value(summary, "load.limiter.name") or "none")
    return f"{limit}. {value(summary, 'load.limiter.reason')}" if limit else ""


def _throttling(summary: Summary) -> str:
    """How 429 answers, timeouts, refusals and the pods' end hang together, each step by its figure."""
    throttled = value(summary, "registry.throttled")
    if throttled is None:
        throttled = value(summary, "ratify.registry_requests.429")
    if not throttled:
        return ""
    pods, timeouts = summary["pods"], summary["ratify"]["timeouts"]
    parts = [f"The registry answered 429 {times(throttled)}, and Ratify asked again as long as its deadline lets it"]
    if timeouts is not None:
        parts.append(f"it ran into its deadline {times(timeouts)}" if timeouts else "it never ran into its deadline")
    attempts = pods["refused_attempts"]
    if attempts is not None:
        told = ", ".join(f"{name} {digits(count)}" for name, count in attempts.items())
        refused = f"admission refused {counted(sum(attempts.values()), 'request')} ({told})"
        parts.append(refused if attempts else "admission refused no request")
    text = "; ".join(parts)
    if pods["expected"] is None:
        return f"{text}."
    if pods["ready"] == pods["expected"]:
        after = "" if pods["all_ready_seconds"] is None else f" after {seconds(pods['all_ready_seconds'])}"
        every = "Controllers tried again, and all" if attempts else "All"
        return f"{text}. {every} {digits(pods['expected'])} pods were Ready{after}."
    return f"{text}. In the end {digits(pods['ready'])} of {digits(pods['expected'])} pods were Ready."


def caches(summary: Summary) -> str:
    """Which caches were on, and how many admitted pods a verification request stood for."""
    were_on = summary["caches"]
    ratify, lifetime = were_on["ratify"], were_on["gatekeeper_response_seconds"]
    per_request = summary["ratify"]["admissions_per_verification"]
    if ratify is None or lifetime is None:
        return "Whether caches were on is not known."
    if not ratify and not lifetime:
        tail = "" if per_request is None else f" (admitted pods per verification request: {digits(per_request)})"
        return (
            f"No result was cached: every verification asked the registry anew{tail}. Ratify's blob cache on disk "
            "has no switch: each signature was fetched once."
        )
    on = [
        *(["Ratify's caches"] if ratify else []),
        *([f"Gatekeeper's response cache ({lifetime} s)"] if lifetime else []),
    ]
    were = "was" if len(on) == 1 and lifetime else "were"
    text = f"{' and '.join(on)} {were} on"
    if per_request is None:
        return f"{text}."
    return f"{text}: one verification request stood for {digits(per_request)} admitted pods, so figures are warm ones."


def _admission(summary: Summary) -> str:
    """What a count of ready pods hides: pods that got in unverified, and pods that were refused before they got in."""
    opened = value(summary, "control_plane.fail_open_by_webhook") or {}
    refused = value(summary, "control_plane.webhook_rejections")
    parts = []
    if skipped := sum(count for webhook, count in opened.items() if webhook != VERIFYING):
        parts.append(
            f"The mutating webhook failed open {times(skipped)}: that many objects kept the tags of their images and "
            "were verified by them."
        )
    if refused:
        parts.append(
            f"Webhooks refused {counted(refused, 'request')}, retries of controllers included; startup is counted from "
            "a pod's creation, so the time that it was refused is not in it."
        )
    return " ".join(parts)


def _platform(summary: Summary) -> str:
    if summary["platform"] == "local":
        return (
            "Every component ran on one machine with simulated nodes: hold the figures against other runs on the same "
            "machine; they do not predict a cluster."
        )
    return "The figures are those of this cluster and its registry at this hour."

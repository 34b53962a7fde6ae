"""What a summary says, in words and lines: shared by the report and by the terminal, so that they say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from analysis import faults
from analysis.formats import NONE, counted, digits, figure_text, seconds, times
from workloads.audit import VERIFYING
from workloads.ratify.causes import BY_NAME, OTHER

Summary = Mapping[str, Any]


class Entry(NamedTuple):
    """One figure: its name beside it, its text, and why it is not there."""

    name: str
    text: str
    missing: str | None


class Group(NamedTuple):
    """Figures that are read together."""

    title: str
    entries: list[Entry]


_GROUPS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Pods", "pods", tuple((name, name) for name in ("expected", "ready", "denied", "failed", "missing"))),
    (
        "Admission",
        "pods",
        (
            ("unverified", "unverified"),
            ("unaccounted for", "unaccounted"),
            ("had to be denied", "expected_denied"),
            ("wrongly admitted", "wrongly_admitted"),
            ("wrongly denied", "wrongly_denied"),
            ("all ready after", "all_ready_seconds"),
        ),
    ),
    (
        "Pod startup",
        "pod_startup_seconds",
        (("p50", "p50"), ("p90", "p90"), ("p95", "p95"), ("p99", "p99"), ("max", "max"), ("pods", "count")),
    ),
    (
        "Verification",
        "ratify",
        (
            ("requests", "verification_requests"),
            ("p50", "verification_seconds.p50"),
            ("p95", "verification_seconds.p95"),
            ("p99", "verification_seconds.p99"),
            ("max \N{LESS-THAN OR EQUAL TO}", "verification_seconds.max_bucket"),
            ("pods per request", "admissions_per_verification"),
        ),
    ),
    (
        "Mutation",
        "ratify",
        (
            ("requests", "mutation_requests"),
            ("p50", "mutation_seconds.p50"),
            ("p95", "mutation_seconds.p95"),
            ("p99", "mutation_seconds.p99"),
            ("max \N{LESS-THAN OR EQUAL TO}", "mutation_seconds.max_bucket"),
        ),
    ),
    (
        "Ratify",
        "ratify",
        (
            ("memory peak", "memory_bytes.peak"),
            ("memory mean", "memory_bytes.mean"),
            ("CPU peak", "cpu_cores.peak"),
            ("CPU mean", "cpu_cores.mean"),
            ("timeouts", "timeouts"),
            ("restarts", "restarts"),
            ("out of memory", "oom"),
            ("blob cache hits", "cache_hits"),
            ("blob cache misses", "cache_misses"),
        ),
    ),
    (
        "Gatekeeper",
        "gatekeeper",
        (
            ("allow", "validation_requests.allow"),
            ("deny", "validation_requests.deny"),
            ("error", "validation_requests.error"),
            ("p50", "validation_seconds.p50"),
            ("p95", "validation_seconds.p95"),
            ("p99", "validation_seconds.p99"),
            ("memory peak", "memory_bytes.peak"),
            ("CPU peak", "cpu_cores.peak"),
            ("audit", "audit_seconds"),
        ),
    ),
    (
        "Registry",
        "registry",
        (("CPU peak", "cpu_cores.peak"), ("CPU mean", "cpu_cores.mean"), ("throttled", "throttled")),
    ),
    (
        "Control plane",
        "control_plane",
        (
            ("API p99", "api_request_seconds.p99"),
            ("webhook fail-opens", "webhook_fail_open"),
            ("webhook rejections", "webhook_rejections"),
        ),
    ),
    (
        "Load",
        "load",
        (
            ("objects", "objects"),
            ("failed", "failed"),
            ("requested", "requested_per_s"),
            ("achieved", "achieved_per_s"),
            ("answered", "answered_per_s"),
            ("lag p99", "lag_seconds.p99"),
        ),
    ),
    (
        "Artifacts",
        "artifacts",
        (
            ("images", "images"),
            ("signatures", "signatures"),
            ("manifests", "manifests_per_s"),
            ("retries", "retries"),
            ("throttled", "throttled"),
        ),
    ),
    (
        "Harness",
        "harness",
        (("CPU time", "cpu_seconds"), ("memory peak", "peak_rss_bytes"), ("of the machine", "share_of_machine_cpu")),
    ),
)


def groups(summary: Summary) -> list[Group]:
    """The figures of a summary in the order in which they are read."""
    found = [
        Group(title, [_entry(summary, name, f"{root}.{path}") for name, path in entries])
        for title, root, entries in _GROUPS
    ]
    _insert(found, "Gatekeeper", 0, _answers(summary, "Answers to Ratify", "ratify.registry_requests"))
    for title, path in (
        ("Empty buckets", "registry.throttled_by_bucket"),
        ("Throttled", "registry.throttled_by_category"),
        ("Categories", "registry.requests_by_category"),
        ("Registry's count", "registry.requests"),
    ):
        if value(summary, path):
            _insert(found, "Registry", 1, _answers(summary, title, path))
    if "oom" not in (summary["ratify"] or {}):  # on one machine nobody knows
        _drop(found, "Ratify", "out of memory")
    if len(value(summary, "ratify.by_replica") or ()) > 1:
        _insert(found, "Ratify", 1, _replicas(summary))
    if summary.get("faults"):
        _insert(found, "Load", 1, Group("Faults", [Entry(*one) for one in faults.told(summary)]))
    return found


def _replicas(summary: Summary) -> Group:
    """Verifications and memory of each replica, so that an uneven load is seen."""
    entries = []
    for name in summary["ratify"]["by_replica"]:
        path = f"ratify.by_replica.{name}"
        entries.append(_entry(summary, f"{name} requests", f"{path}.verification_requests"))
        entries.append(_entry(summary, f"{name} memory peak", f"{path}.memory_bytes.peak"))
    return Group("Replicas", entries)


def _drop(found: list[Group], title: str, name: str) -> None:
    """Leaves a figure out that the run cannot have."""
    for group in found:
        if group.title == title:
            group.entries[:] = [entry for entry in group.entries if entry.name != name]


def _insert(found: list[Group], title: str, offset: int, group: Group) -> None:
    """Puts a group before the one of that title, or after it with an offset of 1."""
    found.insert(next(index for index, each in enumerate(found) if each.title == title) + offset, group)


def value(summary: Summary, path: str) -> Any:
    """What is at a path of a summary; None if nothing is."""
    here: Any = summary
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


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
        _caches(summary),
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


def _caches(summary: Summary) -> str:
    caches = summary["caches"]
    ratify, lifetime = caches["ratify"], caches["gatekeeper_response_seconds"]
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


def place(summary: Summary) -> str:
    """Where the run was, in a few words: the platform and, of a cluster, its version and nodes."""
    cluster = summary.get("cluster") or {}
    told = [f"Kubernetes {cluster['version']}"] if cluster.get("version") else []
    told += [counted(cluster["nodes"], "node")] if cluster.get("nodes") else []
    return f"{summary['platform']} platform" + (f" ({', '.join(told)})" if told else "")


def _entry(summary: Summary, name: str, path: str) -> Entry:
    found = value(summary, path)
    return Entry(name, figure_text(path, found), None if found is not None else _reason(summary, path))


def _reason(summary: Summary, path: str) -> str:
    reason: str = summary["missing"].get(path, "It was not recorded.")
    return reason


def _answers(summary: Summary, title: str, path: str) -> Group:
    counts = value(summary, path)
    if counts is None:
        return Group(title, [_entry(summary, "all", path)])
    return Group(title, [Entry(name, digits(count), None) for name, count in _flat(counts)])


def _flat(counts: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Counts by one word, or by several in a row."""
    for name, count in counts.items():
        if isinstance(count, Mapping):
            yield from ((f"{name} {below}", n) for below, n in _flat(count))
        else:
            yield name, count

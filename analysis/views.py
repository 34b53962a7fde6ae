"""What a summary says, in groups of figures: shared by the report and by the terminal, so that they say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from analysis import faults
from analysis.formats import counted, digits, figure_text

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

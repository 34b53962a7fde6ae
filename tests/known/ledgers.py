"""What the summary of a run with the stub of Ratify has to say, by the stub's ledger, and which figures it cannot tell.

The registry is the emulator: the stub is the only one who asks it in the window, and has written down every answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.samples import Window
from tests.known.components import RATIFY_BOUNDS, Within, quantiles
from tests.known.happenings import Truth
from tests.stubs.ledger import MUTATION_BOUNDS, Line, read

UNTOLD = {
    "run_id": "it is of the run",
    "stack": "it is of the run",
    "family": "it is of the run",
    "engine.": "it is of the run",
    "platform": "it is of the run",
    "collected_afterwards": "it is of the run",
    "started_at": "it is of the run",
    "finished_at": "it is of the run",
    "error": "it is of the run",
    "deadline_passed": "it is of the run",
    "resumed": "it is of the run",
    "faults": "the run has no schedule of faults",
    "recovery": "the run has no schedule of faults",
    "scenario.": "it is of the settings",
    "caches.": "it is of the settings",
    "artifacts.": "the registry was seeded before, and not by the stub",
    "load.": "it is the time of the engine and of the whole control plane",
    "pods.all_ready_seconds": "scheduling and kwok take a part of it",
    "pod_startup_seconds.p": "it is kwok's time",
    "pod_startup_seconds.max": "it is kwok's time",
    "ratify.memory_bytes.": "it is what the stub's process takes",
    "ratify.by_replica.ratify-0.memory_bytes.": "it is what the stub's process takes",
    "ratify.cpu_cores.": "it is what the stub's process takes",
    "gatekeeper.memory_bytes.": "it is what Gatekeeper takes",
    "gatekeeper.cpu_cores.": "it is what Gatekeeper takes",
    "gatekeeper.validation_seconds.p": "Gatekeeper's own time comes to Ratify's",
    "gatekeeper.validation_seconds.max_bucket": "Gatekeeper's own time comes to Ratify's",
    "gatekeeper.validation_seconds.error.": "Gatekeeper's own time comes to Ratify's",
    "gatekeeper.audit_seconds": "it is Gatekeeper's own",
    "control_plane.api_request_seconds.": "it is of all requests, most of which have nothing to do with the stub",
    "control_plane.watch.": "it is of the harness's own watches",
    "registry.cpu_cores.": "it is what the emulator takes",
    "harness.": "it is what the harness takes",
}
"""Beginnings of the paths of figures that no ledger determines, and why. All others have to have their truth."""


def within(ledger: Path, scrapes: Iterable[float], window: Window) -> list[Line]:
    """The ledger's lines that a window's bracket has: from the last reading of the page before it to the first after.

    ``scrapes`` are the moments at which the harness began to read, so that the reading is the ledger's next.
    """
    lines, moments = read(ledger), list(scrapes)
    readings = [place for place, line in enumerate(lines) if line.endpoint == "metrics"]
    first = max(moment for moment in moments if moment <= window.start)
    last = min(moment for moment in moments if moment >= window.end)
    begin, end = (next(place for place in readings if lines[place].at >= moment) for moment in (first, last))
    return [line for line in lines[begin:end] if line.endpoint != "metrics"]


def truth(lines: Sequence[Line], window: Window, expected: int) -> Truth:
    """Figure → what it has to be after a run in which so many pods were expected, and all became ready."""
    verified, mutated = ([line for line in lines if line.endpoint == name] for name in ("verify", "mutate"))
    refused = [line for line in verified if line.outcome != "success"]
    attempts = Counter(str(line.outcome) for line in refused if line.at >= window.start)  # the audit log's, not pages'
    pods = dict.fromkeys(("denied", "failed", "missing", "expected_denied", "wrongly_admitted", "wrongly_denied"), 0)
    pods |= {"expected": expected, "ready": expected, "unverified": 0, "unaccounted": 0}
    opened = {f"{kind}.gatekeeper.sh": 0 for kind in ("mutation", "validation")}
    return {
        **_below("pods", {**pods, "reasons": [], "causes": {}, "refused_attempts": dict(attempts)}),
        "pod_startup_seconds.count": expected,
        "slow_pods": None,  # of fewer than 20 pods none stands out
        **_below("ratify", _ratify(verified, mutated, expected)),
        **_below("gatekeeper", _gatekeeper(verified, len(refused))),
        **_below("control_plane", {"webhook_fail_open": 0, "fail_open_by_webhook": opened}),
        "control_plane.webhook_rejections": len(refused),
        **_below("registry", _registry([one for line in lines for one in line.asked])),
    }


def _below(subject: str, figures: Mapping[str, Any]) -> Truth:
    return {f"{subject}.{name}": value for name, value in figures.items()}


def _ratify(verified: Sequence[Line], mutated: Sequence[Line], expected: int) -> Mapping[str, Any]:
    both = (*verified, *mutated)
    errors = Counter(line.error for line in both if line.error)
    return {
        "verification_requests": len(verified),
        "verification_seconds": _seconds(verified, RATIFY_BOUNDS),
        "admissions_per_verification": expected / len(verified),
        "mutation_requests": len(mutated),
        "mutation_seconds": _seconds(mutated, MUTATION_BOUNDS),
        "registry_requests": _counts(status for line in both for _, status in line.asked),
        "timeouts": errors.total(),
        "system_errors": [{"error": error, "count": count} for error, count in errors.most_common()],
        "cache_hits": sum(line.hits for line in both),
        "cache_misses": sum(line.misses for line in both),
        "restarts": 0,
        "by_replica": {"ratify-0": {"verification_requests": len(verified)}},
    }


def _seconds(lines: Sequence[Line], bounds: tuple[float, ...]) -> Mapping[str, Any]:
    """Ratify cuts off to whole milliseconds, so that a mean is up to one of them less."""
    mean = sum(line.took for line in lines) / len(lines)
    whole = sorted(float(int(line.took)) for line in lines)
    return {**quantiles(whole, bounds, 0.001), "mean": Within(mean / 1000, (mean - 1) / 1000, mean / 1000)}


def _gatekeeper(verified: Sequence[Line], refused: int) -> Mapping[str, Any]:
    """Of each object that it validates it asks Ratify once, and its own time comes to Ratify's."""
    least = sum(line.took for line in verified) / len(verified) / 1000
    return {
        "validation_requests": {"allow": len(verified) - refused, "deny": refused, "error": 0},
        "validation_seconds.mean": lambda figure: figure >= least,
    }


def _registry(asked: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    throttled = Counter(category for category, status in asked if status == "429")
    return {
        "requests": _counts(status for _, status in asked),
        "requests_by_category": _counts(category for category, _ in asked),
        "throttled_by_category": dict(throttled),
        # One identity asks, and its bucket is half of the registry's.
        "throttled_by_bucket": {"pull": dict(throttled)} if throttled else {},
        "throttled": throttled.total(),
    }


def _counts(keys: Iterable[str]) -> Callable[[Mapping[str, int]], bool]:
    """That a table has these counts, and 0 for everything else that it names."""
    true = Counter(keys)
    return lambda table: {key: count for key, count in table.items() if count} == true

"""Two runs of which everything is known, written as a run writes them: all goes well in one, little in the other.

``write`` leaves the folder of one and returns the truth: each figure's path in its summary, with what it has to be. A
`Within` is a figure that a histogram can only bound. None is a figure that cannot be known from such a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import orjson

from analysis.loglinear import LogLinear
from csscgen.auditing import collect_admissions
from csscgen.checkpoints import Checkpoints
from csscgen.faults import Entry
from csscgen.loading import Request
from csscgen.runs import Run, machine
from csscgen.spools import Spool, publish
from csscgen.tracking import Tracker
from tests.csscgen import audits
from tests.csscgen.pods import TIMEOUT, denial, failed_create, pod, ready_pod
from tests.csscgen.servers import plan
from tests.known.coincidences import slow_pods
from tests.known.components import (
    APISERVER_BOUNDS,
    END,
    GATEKEEPER_BOUNDS,
    RATIFY_BOUNDS,
    SCRAPES,
    START,
    Component,
    Life,
    Within,
    labels,
    quantiles,
)
from workloads.ratify.objects import Plan

Truth = dict[str, Any]
SPAN = SCRAPES[-1] - SCRAPES[0]
FOREVER = 1e9
VALIDATING, MUTATING = "validation.gatekeeper.sh", "mutation.gatekeeper.sh"
VERIFICATION, MUTATION = "ratify_verification_request", "ratify_mutation_request"
VALIDATION, AUDIT = "gatekeeper_validation_request_duration_seconds", "gatekeeper_audit_duration_seconds"
API = "apiserver_request_duration_seconds"
WEBHOOK = "apiserver_admission_webhook_admission_duration_seconds"
ANSWERS, ERRORS, BLOBS = (f"ratify_{name}_count_total" for name in ("registry_request", "system_error", "blob_cache"))
TOO_LATE = "operation failed with error operation timed out after duration 4.9s"
NO_TOKEN = "failed to get a token"
REFUSED = (
    "denied by validation.gatekeeper.sh: verification failed for <image>: failed to verify artifact: <image> (No "
    "verification results for the artifact <image>. Ensure verifiers are properly configured)"
)


class Clock:
    """A clock that is set."""

    now = START

    def __call__(self) -> float:
        return self.now


def write(folder: Path, *, hard: bool, spelling: str = "_millisecond") -> Truth:
    """Writes the run, and returns its truth."""
    folder.mkdir(parents=True)
    scenario = plan(shards=8, replicas=80, negatives={"unsigned": 0.25} if hard else {}, containers=2)
    run = _run(folder, hard)
    clock = Clock()
    tracker = Tracker(scenario, clock)
    load, requests = _load(hard)
    pods, events = _pods(tracker, clock, scenario, hard)
    Checkpoints(folder, tracker, requests).write()
    collect_admissions(_audit(folder, events), run)
    shards = _shards(folder, requests) if hard else {"load.shards": []}
    if hard:
        faults = [
            Entry("ratify-1", "kill", 29.5, 0.1, None, 1029.5, 1029.6, 1030.4),
            Entry("registry", "stop", 70.0, 1.0, None, error="The run was over before."),
        ]
        (folder / "faults.jsonl").write_bytes(b"".join(orjson.dumps(asdict(each)) + b"\n" for each in faults))
    components, figures = _components(hard, spelling)
    spool = Spool(folder)
    for time in SCRAPES:
        for component in components:
            spool.append(component.scrape(time))
    spool.close()
    publish(folder)
    run.save()
    verifications = figures["ratify.verification_requests"]
    made = pods.pop("made")
    admitted = sum(pods[f"pods.{end}"] for end in ("ready", "failed")) + (1 if hard else 0)
    return {
        **_settings(hard),
        **load,
        **shards,
        **pods,
        **figures,
        "ratify.admissions_per_verification": admitted / verifications,
        # A restart of Ratify loses what it had counted, so that the two cannot be compared.
        "pods.unaccounted": None if hard else admitted - 1 - verifications,
        **_faults(hard),
        "slow_pods": slow_pods(made, components),
    }


def _run(folder: Path, hard: bool) -> Run:
    settings: dict[str, Any] = {
        "scenario": {
            "size": "S",
            "workload": "deployment",
            "shards": 8,
            "replicas": 80,
            "containers": 2,
            "signatures": 1,
        },
        "cluster": {"nodes": 3, "maxPods": 40, "systemNodes": 1},
        "registry": {"size": "L"},
        "ratify": {"mode": "ha", "replicas": 2, "cache": False, "install": True},
        "gatekeeper": {"responseCacheSeconds": 0, "install": True},
        "load": {"mode": "created", "phases": [{"pattern": "constant", "every": 0.1}]},
        "thresholds": {"pods.ready": ">= pods.expected", "ratify.verification_seconds.p99": "<= 3"},
    }
    run = Run(folder, "known", "local", {"name": "embedded", "version": "1"}, settings, {})
    run.started_at, run.finished_at = "2026-11-22T16:00:00Z", "2026-11-22T16:02:00Z"
    run.window = {"start": START, "end": END}
    run.artifacts = {"images": 16, "signatures": 16, "manifests_per_s": 120.0, "retries": 2, "throttled": 1}
    run.harness = {"cpu_seconds": 12.0, "peak_rss_bytes": 2e8, "window_cpu_seconds": 6.0}
    run.watch = {"relists": 1, "interruptions": 2} if hard else {"relists": 0, "interruptions": 0}
    run.clock_jumps = [{"at": 1030.0, "seconds": -0.5}, {"at": 1040.0, "seconds": 0.2}] if hard else []
    run.deadline_passed = hard
    if hard:
        run.resumed = [{"step": "settle", "from": 1040.0, "to": 1041.0}]
        run.error = {"phase": "collect", "message": "The log of ratify-0 could not be copied."}
    return run


def _settings(hard: bool) -> Truth:
    cores = machine()["cpu_count"]
    return {
        "run_id": "hard" if hard else "fine",
        "stack": "known",
        "family": "ratify",
        "engine": {"name": "embedded", "version": "1"},
        "platform": "local",
        "collected_afterwards": False,
        "started_at": "2026-11-22T16:00:00Z",
        "finished_at": "2026-11-22T16:02:00Z",
        "error": {"phase": "collect", "message": "The log of ratify-0 could not be copied."} if hard else None,
        "deadline_passed": hard,
        "resumed": [{"step": "settle", "from": 1040.0, "to": 1041.0}] if hard else [],
        "scenario": {
            "workload": "deployment",
            "shards": 8,
            "replicas": 80,
            "containers": 2,
            "signatures": 1,
            "nodes": 3,
            "ratify_mode": "ha",
            "ratify_replicas": 2,
            "registry_size": "L",
        },
        "caches": {"ratify": False, "gatekeeper_response_seconds": 0},
        "artifacts": {"images": 16, "signatures": 16, "manifests_per_s": 120.0, "retries": 2, "throttled": 1},
        "harness": {
            **{"cpu_seconds": 12.0, "peak_rss_bytes": 2e8, "share_of_machine_cpu": 6.0 / 60 / cores},
            "clock_jump_seconds": 0.5 if hard else 0.0,
        },
        "control_plane.watch": {"relists": 1, "interruptions": 2} if hard else {"relists": 0, "interruptions": 0},
    }


def _load(hard: bool) -> tuple[Truth, list[Request]]:
    """200 objects at 10 per second from 1001 s on; each is 1 ms late and every 40th 15 ms, and takes 40 ms."""
    requests = []
    for index in range(200):
        due = 1001.0 + index / 10
        sent = due + (0.015 if index % 40 == 1 else 0.001)
        failed = hard and index < 5
        requests.append(
            Request(
                f"deployment/ratify-perf-0/x-{index}",
                due,
                sent,
                sent + 0.040,
                "failed" if failed else "created",
                TIMEOUT if failed else None,
                0,
                "create",
                500 if failed else 201,
                900,
            )
        )
    failures = 5 if hard else 0
    rates = {
        "requested_per_s": 10.0,
        "achieved_per_s": 10.0,
        "answered_per_s": 10.0,
        "lag_seconds": {"p50": 0.001, "p99": 0.015, "max": 0.015},
        "answer_seconds": dict.fromkeys(("p50", "p99", "max"), 0.040),
    }
    limiter: dict[str, Any] = {"name": "none", "share": 0.0, "reason": _sentence}
    one = {"pattern": "constant", "requests": 200, "failed": failures, **rates, "limiter": limiter}
    load = {"objects": 200, "failed": failures, **rates, "limiter": limiter, "phases": [one]}
    load["answers"] = {"201": 195, "500": 5} if hard else {"201": 200}
    return {f"load.{key}": value for key, value in load.items()}, requests


def _shards(folder: Path, requests: list[Request]) -> Truth:
    """Two drivers that sent every other object; each row is what theirs were."""
    lines, rows = [], []
    for shard in range(2):
        own = requests[shard::2]
        lags = [one.sent - one.intended for one in own if one.intended is not None]
        lines.append(
            {
                **{"shard": shard, "shards": 2, "begin": 1001.0, "objects": 100, "requests": 100},
                **{"failed": sum(one.status == "failed" for one in own), "first_sent": own[0].sent},
                **{"first_due": own[0].intended, "lag": LogLinear(lags).record()},
                "answer": LogLinear(one.answered - one.sent for one in own).record(),
            }
        )
    (folder / "shards.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    # Every 40th object from the first on is 15 ms late, and all of those are the second driver's.
    for shard, late, failed in ((0, 0.001, 3), (1, 0.015, 2)):
        lag = {"p50": 0.001, "p99": late, "max": late}
        rows.append({"shard": shard, "objects": 100, "failed": failed, "begin_skew_seconds": late, "lag_seconds": lag})
    return {"load.shards": rows}


def _sentence(text: Any) -> bool:
    return isinstance(text, str) and text.endswith(".")


def _pods(tracker: Tracker, clock: Clock, scenario: Plan, hard: bool) -> tuple[Truth, list[dict[str, Any]]]:
    """Feeds the tracker, and returns what is true of the pods, and the events of the audit log.

    Pod n is created at 1002 s + 2n/5, after 0.1 s to 0.7 s of admission, and takes n milliseconds to Ready; one of each
    40 is 5 s slower. ``made`` has those that became Ready: (created, admission, startup).
    """
    genuine = [n for n in range(8) if not scenario.must_be_denied(n)]
    # Of hard runs: workload → how many are ready, and what becomes of the rest.
    fates = {name: "ready" for name in genuine}
    if hard:
        fates.update(zip(genuine[1:], ("failed", "missing", "timeout", "unready", "unverified"), strict=True))
        fates.update({n: "unsigned" for n in range(8) if n not in genuine})
    leaks = next((n for n, fate in fates.items() if fate == "unsigned"), None)
    seconds, last, number, audit = [], 0.0, 0, []
    made: list[tuple[float, float, float]] = []
    for shard in range(8):
        fate = fates[shard]
        name = scenario.name(shard)
        lacking = {"missing": 2, "timeout": 3, "unsigned": 9 if shard == leaks else 10}.get(fate, 0)
        for index in range(10 - lacking):
            created, took = 1002.0 + number / 2.5, number / 1000 + (5.0 if number % 40 == 39 else 0.0)
            admission = 0.1 + 0.05 * (number % 13)
            number += 1
            clock.now = created
            tracker.on_pod("ADDED", pod(index, workload=name))
            clock.now = created + took
            opened = index == 0 and (fate == "unverified" or (not hard and shard == 0))
            asked, webhooks = created - admission, ("validation",) if opened else ()
            audit.append(audits.created(f"{name}-{index}", at=asked, took=admission, opened=webhooks))
            if index == 0 and fate == "failed":
                tracker.on_pod(
                    "MODIFIED", pod(index, workload=name, phase="Failed", reason="Evicted", message="Memory.")
                )
            elif index == 0 and fate == "unready":
                tracker.on_pod("MODIFIED", pod(index, workload=name, node="n", phase="Running", ready=False))
            else:
                tracker.on_pod("MODIFIED", ready_pod(index, name))
                seconds.append(took)
                made.append((created, admission, took))
                last = max(last, created + took)
        said = {"timeout": TIMEOUT, "unsigned": denial("a")}.get(fate)
        if said and lacking:
            clock.now = 1015.0 + shard
            event = failed_create("ReplicaSet", f"{name}-5d4f", said, lacking, uid=f"e-{shard}")
            tracker.on_event("ADDED", event)
            code = 500 if fate == "timeout" else 403
            audit += [audits.refusal(said, code, at=clock.now) for _ in range(lacking)]
    ordered = sorted(seconds)
    ranks = {f"p{p}": ordered[max(1, -(-p * len(ordered) // 100)) - 1] for p in (50, 90, 95, 99)}
    counts: dict[str, Any] = dict(
        expected=80, ready=80, denied=0, failed=0, missing=0, expected_denied=0, wrongly_admitted=0, wrongly_denied=0
    )
    counts |= {"reasons": [], "causes": {}, "refused_attempts": {}, "unverified": 1, "all_ready_seconds": last - START}
    if hard:
        counts |= dict(
            ready=54, denied=22, failed=1, missing=3, expected_denied=20, wrongly_admitted=1, wrongly_denied=3
        )
        counts |= {"reasons": _reasons, "causes": {"unsigned": 19, "webhook-timeout": 3, "other": 4}}
        counts |= {"refused_attempts": {"unsigned": 19, "webhook-timeout": 3}, "all_ready_seconds": None}
    truth = {f"pods.{key}": value for key, value in counts.items()}
    truth["pod_startup_seconds"] = {"count": len(seconds), **ranks, "max": ordered[-1]}
    return {**truth, "made": made}, audit


def _reasons(rows: Any) -> bool:
    said = {row["reason"]: (row["cause"], row["count"]) for row in rows}
    return (
        said.get(REFUSED) == ("unsigned", 19)
        and said.get("Evicted: Memory.") == ("other", 1)
        and said.get("never created") == ("other", 2)
        and sorted(count for _, count in said.values()) == [1, 1, 2, 3, 19]
    )


def _audit(folder: Path, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    log = folder / "server" / "audit.log"
    log.parent.mkdir()
    log.write_text("".join(f"{json.dumps(event)}\n" for event in (audits.created("old", at=990.0), *events)))
    return {"log": str(log), "old_files": 3}


def _faults(hard: bool) -> Truth:
    if not hard:
        return {"faults": [], "recovery": None}
    first = {
        **{"target": "ratify-1", "action": "kill", "at": 29.5, "seconds": 0.1, "share": None, "error": None},
        **{"began_at": "1970-01-01T00:17:09.500Z", "ended_at": "1970-01-01T00:17:09.600Z"},
        **{"ready_after_seconds": 0.8, "admitted_after_seconds": None, "webhook_rejections": 0, "webhook_fail_open": 0},
    }
    second = {
        **dict.fromkeys(first),
        **{"target": "registry", "action": "stop", "at": 70.0, "seconds": 1.0, "error": "The run was over before."},
    }
    recovery = {"scheduled": 2, "carried_out": 1, "ready_seconds": {"max": 0.8}, "admitted_seconds": {"max": None}}
    return {"faults": [first, second], "recovery": recovery}


def _components(hard: bool, spelling: str) -> tuple[list[Component], Truth]:
    random = Random(7)
    ratify, ratify_truth = _ratify(random, hard, spelling)
    gatekeeper, gatekeeper_truth = _gatekeeper(random, hard)
    server, server_truth = _apiserver(random, hard)
    registries, registry_truth = _registries(random, hard)
    return [*ratify, gatekeeper, server, *registries], {
        **ratify_truth,
        **gatekeeper_truth,
        **server_truth,
        **registry_truth,
    }


def _steady(cores: float, start: float, memory: float, *, burst: float = 0.0, more: float = 0.0) -> Life:
    """A process of a steady CPU, with a burst of so many cores from 1021 to 1023 s, and ``more`` bytes meanwhile."""
    return Life(
        start,
        FOREVER,
        lambda time: cores * (time - start) + burst * min(max(time - 1021.0, 0.0), 2.0),
        lambda time: memory + (more if 1020.0 <= time < 1022.0 else 0.0),
    )


def _moments(random: Random, count: int) -> list[float]:
    """Moments of the window at which no process is away."""
    return [random.uniform(1000.1, 1028.9) if n % 2 else random.uniform(1031.1, 1059.9) for n in range(count)]


def _latencies(random: Random, count: int, median: float) -> list[float]:
    return [median * random.lognormvariate(0.0, 0.6) for _ in range(count)]


def _ratify(random: Random, hard: bool, spelling: str) -> tuple[list[Component], Truth]:
    verification, mutation = VERIFICATION + spelling, MUTATION + spelling
    bounds: dict[str, tuple[float, ...]] = {verification: RATIFY_BOUNDS, mutation: RATIFY_BOUNDS}
    first = Component("ratify-0", [_steady(0.5, 900.0, 50e6, burst=0.4, more=30e6)], bounds=bounds)
    second = Component("ratify-1", [_steady(0.02, 900.0, 30e6)], bounds=bounds)
    if hard:  # the new process has used more CPU at its first scrape than the old one in all its life
        old = Life(900.0, 1029.5, lambda time: 0.02 * (min(time, 1029.0) - 900.0), lambda time: 30e6)
        new = Life(1029.6, FOREVER, lambda time: 2.0 * min(time - 1029.6, 1.4), lambda time: 30e6)
        second.lives = [old, new]
    for component, before in ((first, 30), (second, 11)):
        for moment in (950.0 + n for n in range(before)):  # what was before the window is not of it
            component.observe(moment, verification, 700.0)
            component.count(moment, ANSWERS, 3, status_code="200")
            component.count(moment, ERRORS, error=TOO_LATE)
            component.count(moment, BLOBS, hit="true")
    counts = (50, 40 if hard else 27)
    for number, component in enumerate((first, second)):
        count = counts[number]
        for moment, value in zip(_moments(random, count), _latencies(random, count, 180.0), strict=True):
            component.observe(moment, verification, value)
            component.count(moment, ANSWERS, 4, status_code="200", registry_host="r")
            component.count(moment, ANSWERS, 2, status_code="401", registry_host="r")
            component.count(moment, BLOBS, 3, hit="true")
        for moment, value in zip(_moments(random, count), _latencies(random, count, 12.0), strict=True):
            component.observe(moment, mutation, value)
        for moment in _moments(random, 6):
            component.count(moment, BLOBS, hit="false")
        if hard:
            for moment in _moments(random, 9):
                component.count(moment, ANSWERS, status_code="429", registry_host="r")
            for moment in _moments(random, 3):
                component.count(moment, ERRORS, error=TOO_LATE)
            component.count(1035.0, ERRORS, error=NO_TOKEN)
    both = (first, second)
    total = counts[0] + counts[1]
    verified = sorted(value for each in both for value in each.values(verification))
    mutated = sorted(value for each in both for value in each.values(mutation))
    # Growth of the old process, 0.02 × 30 s, and of the new one, 2.8 s in its first 1.4 s.
    used = (0.5 * SPAN + 0.8) + ((0.02 * 30 + 2.8) if hard else 0.02 * SPAN)
    answers = {"200": 4 * total, "401": 2 * total, "429": 18 if hard else 0}
    errors = [{"error": TOO_LATE, "count": 6}, {"error": NO_TOKEN, "count": 2}] if hard else []
    truth = {
        "verification_requests": total,
        "verification_seconds": quantiles(verified, RATIFY_BOUNDS, 0.001),
        "mutation_requests": total,
        "mutation_seconds": quantiles(mutated, RATIFY_BOUNDS, 0.001),
        "memory_bytes": {"peak": 110e6, "mean": 80e6 + 30e6 * 2 / SPAN},
        "cpu_cores": {"peak": 0.5 + 1.4 if hard else 0.92, "mean": used / SPAN},
        "registry_requests": answers,
        "timeouts": 6 if hard else 0,
        "system_errors": errors,
        "cache_hits": 3 * total,
        "cache_misses": 12,
        "restarts": 1 if hard else 0,
        "by_replica": {
            "ratify-0": {
                "verification_requests": counts[0],
                "memory_bytes": {"peak": 80e6, "mean": 50e6 + 30e6 * 2 / SPAN},
            },
            "ratify-1": {"verification_requests": counts[1], "memory_bytes": {"peak": 30e6, "mean": 30e6}},
        },
    }
    return [first, second], {f"ratify.{key}": value for key, value in truth.items()}


def _gatekeeper(random: Random, hard: bool) -> tuple[Component, Truth]:
    bounds = {VALIDATION: GATEKEEPER_BOUNDS, AUDIT: (1.0, 60.0, float("inf"))}
    component = Component("gatekeeper", [_steady(0.1, 800.0, 90e6, burst=0.2, more=10e6)], bounds=bounds)
    counts = {"allow": 60, "deny": 19 if hard else 0, "error": 3 if hard else 0}
    component.count(950.0, "gatekeeper_validation_request_count_total", 40, admission_status="allow")
    component.observe(950.0, AUDIT, 30.0)
    for status, count in counts.items():
        for moment, value in zip(_moments(random, count), _latencies(random, count, 0.22), strict=True):
            component.observe(moment, VALIDATION, value, admission_status=status)
            component.count(moment, "gatekeeper_validation_request_count_total", admission_status=status)
    for moment, value in ((1010.0, 4.0), (1050.0, 5.0)):
        component.observe(moment, AUDIT, value)
    return component, {
        "gatekeeper.validation_requests": counts,
        "gatekeeper.validation_seconds": quantiles(component.values(VALIDATION), GATEKEEPER_BOUNDS),
        "gatekeeper.memory_bytes": {"peak": 100e6, "mean": 90e6 + 10e6 * 2 / SPAN},
        "gatekeeper.cpu_cores": {"peak": 0.3, "mean": 0.1 + 0.4 / SPAN},
        "gatekeeper.audit_seconds": 4.5,
    }


def _apiserver(random: Random, hard: bool) -> tuple[Component, Truth]:
    component = Component(
        "kube-apiserver",
        [_steady(0.4, 700.0, 400e6)],
        bounds={API: APISERVER_BOUNDS, WEBHOOK: (1.0, float("inf"))},
        always=(("apiserver_admission_webhook_request_total", labels(name=VALIDATING)),),
    )
    component.observe(950.0, API, 9.0, verb="POST", subresource="", resource="pods")
    component.observe(950.0, WEBHOOK, 8.0, name=VALIDATING, operation="CREATE", type="admit")
    for moment, value in zip(_moments(random, 200), _latencies(random, 200, 0.3), strict=True):
        component.observe(moment, API, value, verb="POST", subresource="", resource="pods")
        component.observe(moment, WEBHOOK, value / 4, name=VALIDATING, operation="CREATE", type="validating")
        component.observe(moment, API, value / 30, verb="GET", subresource="", resource="nodes")
        component.observe(moment, API, 50.0, verb="WATCH", subresource="", resource="pods")
        component.observe(moment, API, 40.0, verb="GET", subresource="log", resource="pods")
    component.count(1005.0, "apiserver_admission_webhook_fail_open_count", name=VALIDATING, type="validating")
    if hard:
        component.count(1006.0, "apiserver_admission_webhook_fail_open_count", 2, name=MUTATING, type="admit")
        component.count(1020.0, "apiserver_admission_webhook_rejection_count", 22, name=VALIDATING)
    ordinary = [*component.values(API, verb="POST"), *component.values(API, verb="GET", subresource="")]
    slow = Within.bucket(sorted(ordinary), 0.99, APISERVER_BOUNDS)
    return component, {
        "load.admission_share": 0.25,
        "control_plane.api_request_seconds": {"p99": slow, "error": {"p99": slow.error}},
        "control_plane.webhook_fail_open": 3 if hard else 1,
        "control_plane.fail_open_by_webhook": {MUTATING: 2 if hard else 0, VALIDATING: 1},
        "control_plane.webhook_rejections": 22 if hard else 0,
    }


def _registries(random: Random, hard: bool) -> tuple[list[Component], Truth]:
    """Two of them; the second does not tell when its process began, and starts anew in a hard run: its counts fall."""
    first = Component("registry-east", [_steady(0.2, 600.0, 60e6, burst=0.2)])
    second = Component("registry-west", [_steady(0.1, 600.0, 60e6)], tells_start=not hard)
    if hard:
        old = Life(600.0, 1029.5, lambda time: 0.1 * (min(time, 1029.0) - 600.0), lambda time: 60e6)
        new = Life(1029.6, FOREVER, lambda time: 0.1 * (time - 1029.6), lambda time: 60e6)
        second.lives = [old, new]
    for component in (first, second):
        component.count(950.0, "registry_requests_total", 900, category="read", status="200")
        component.count(950.0, "registry_requests_total", 90, category="oauth", status="401")
        for category, status, count in (("read", "200", 120), ("oauth", "401", 60), ("list_referrers", "200", 30)):
            for moment in _moments(random, count):
                component.count(moment, "registry_requests_total", category=category, status=status)
        if hard:
            for moment in _moments(random, 14):
                component.count(moment, "registry_requests_total", category="list_referrers", status="429")
                component.count(moment, "registry_refusals_total", bucket="registry", category="list_referrers")
            component.count(1012.0, "registry_refusals_total", 5, bucket="pull", category="list_referrers")
        else:
            component.count(950.0, "registry_refusals_total", 0, bucket="registry", category="read")
    away = 0.1 * (1031.0 - 1029.0 - 1.4) if hard else 0.0
    truth = {
        "requests": {"200": 300, "401": 120, "429": 28 if hard else 0},
        "requests_by_category": {"list_referrers": 88 if hard else 60, "oauth": 120, "read": 240},
        "throttled_by_category": {"list_referrers": 28} if hard else {},
        "throttled_by_bucket": {"pull": {"list_referrers": 10}, "registry": {"list_referrers": 28}} if hard else {},
        "throttled": 28 if hard else 0,
        "cpu_cores": {"peak": 0.5, "mean": (0.3 * SPAN + 0.4 - away) / SPAN},
    }
    return [first, second], {f"registry.{key}": value for key, value in truth.items()}

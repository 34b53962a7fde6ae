"""summary.json: the figures of a run, from its records.

Units are seconds, bytes, cores and counts. A figure that could not be had is null, and ``missing`` has its path and the
reason; nothing is assumed to be zero. docs/results.md describes every figure; the order here is the order there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis import admission, faults, loads, profiles, replicas, slow_pods
from analysis.accounting import account, objections
from analysis.components import Component, component
from analysis.figures import Missing, by_status, cpu, quantiles, whole
from analysis.formats import figure_text
from analysis.percentiles import distribution
from analysis.records import AFTERWARDS, Record, Records, read, seen
from analysis.thresholds import evaluate
from workloads.audit import VERIFYING
from workloads.errors import CollectError
from workloads.ratify import metrics
from workloads.sizes import SIZES, SYSTEM_NODES, nodes_needed
from workloads.thresholds import parse

Summary = dict[str, Any]
UNSAID = "The run's settings do not say."


def summarize(folder: Path) -> Summary:
    """The summary of the run in a folder, verdict included. Raises CollectError if the folder is not a run's."""
    return figures(read(folder))


def figures(records: Records) -> Summary:
    """The summary of a run from its records."""
    run, missing = records.run, Missing()
    ratify = admission.ratify(records, missing)
    summary: Summary = {
        "run_id": run.get("run_id"),
        "stack": run.get("stack"),
        "family": run.get("family"),
        "engine": run.get("engine"),
        "platform": run.get("platform"),
        **({"cluster": run["cluster"]} if run.get("cluster") else {}),
        "collected_afterwards": bool(run.get("collected_afterwards")),
        "started_at": run.get("started_at"),
        "finished_at": run.get("finished_at"),
        "error": run.get("error"),
        "deadline_passed": bool(run.get("deadline_passed")),
        "resumed": run.get("resumed") or [],
        "scenario": _scenario(records, missing),
        "caches": _caches(records, missing),
        "artifacts": missing.given(
            "artifacts",
            run.get("artifacts"),
            ("images", "signatures", "manifests_per_s", "retries", "throttled"),
            "The run has no record of it: the artifacts were not seeded in this run.",
        ),
        "load": loads.section(records, component(records, metrics.APISERVER), missing),
        "pods": account(records, missing, ratify),
        "pod_startup_seconds": _startup(records, missing),
        **slow_pods.section(records, missing, ratify),
        "ratify": ratify,
        "gatekeeper": admission.gatekeeper(records, missing),
        "control_plane": _control_plane(records, missing),
        "registry": _registry(records, missing),
        **faults.section(records, missing),
        **profiles.section(records, missing),
        "harness": _harness(records, missing),
    }
    summary["missing"] = dict(missing)
    limits = {**profiles.thresholds(records), **(run.get("settings", {}).get("thresholds") or {})}
    summary["thresholds"] = evaluate(limits, summary)
    summary["verdict_reasons"] = _reasons(records, summary)
    summary["verdict"] = "fail" if summary["verdict_reasons"] else "pass"
    return summary


def startups(pods: Iterable[Record]) -> list[float]:
    """Seconds from creation to Ready of every pod that got there, both as seen by the watch."""
    times = ((seen(pod, "created"), seen(pod, "ready")) for pod in pods if pod["end"] == "ready")
    return [ready - created for created, ready in times if created is not None and ready is not None]


def _scenario(records: Records, missing: Missing) -> Record:
    size = SIZES.get(records.setting("scenario", "size"))
    entries = {key: records.setting("scenario", key) for key in ("workload", "shards", "replicas")}
    entries["replicas"] = entries["replicas"] or (size.replicas if size else None)
    entries.update({key: records.setting("scenario", key) for key in ("containers", "signatures")})
    there = (records.run.get("cluster") or {}).get("nodes")
    entries["nodes"] = there or records.setting("cluster", "nodes") or _nodes(records, entries)
    ratify = {key: records.setting("ratify", key) for key in ("mode", "replicas")}
    if found := _found(records, "ratify"):
        ratify = {"mode": None, "replicas": len(replicas.of(records.replicas, metrics.RATIFY)) or None}
    named = {f"ratify_{key}": value for key, value in ratify.items()}
    registry = {"registry_size": records.setting("registry", "size")}
    return {
        **missing.given("scenario", entries, tuple(entries), UNSAID),
        **missing.given("scenario", named, tuple(named), found or UNSAID),
        **missing.given("scenario", registry, tuple(registry), UNSAID),
    }


def _nodes(records: Records, scenario: Record) -> int | None:
    """The nodes of a run that did not set them; of a record from before ``cluster.systemNodes``, with its default."""
    replicas, containers, most = scenario["replicas"], scenario["containers"], records.setting("cluster", "maxPods")
    if not replicas or not containers or most is None:
        return None
    return nodes_needed(replicas, containers, most, records.setting("cluster", "systemNodes") or SYSTEM_NODES)


def _caches(records: Records, missing: Missing) -> Record:
    """Which caches stood between a pod and a verification: ``ratify.cache: off`` turns off Gatekeeper's as well."""
    ratify = records.setting("ratify", "cache")
    seconds = records.setting("gatekeeper", "responseCacheSeconds") if ratify is not False else 0
    entries = {"ratify": ratify, "gatekeeper_response_seconds": seconds}
    reasons = {"ratify": _found(records, "ratify"), "gatekeeper_response_seconds": _found(records, "gatekeeper")}
    return {
        key: missing.given("caches", {key: None if reason else entries[key]}, (key,), reason or UNSAID)[key]
        for key, reason in reasons.items()
    }


def _found(records: Records, subject: str) -> str | None:
    """Why a component's settings say nothing of it: it was there, and the stack did not install it."""
    if records.setting(subject, "install") is not False:
        return None
    return f"{subject.capitalize()} was there before the stack, whose settings say nothing of it."


def _startup(records: Records, missing: Missing) -> Record:
    keys = ("count", "p50", "p90", "p95", "p99", "max")
    if records.pods is None:
        return missing.given("pod_startup_seconds", None, keys, records.problems["pods.jsonl"])
    seconds = startups(records.pods)
    if not seconds:
        reason = AFTERWARDS if records.run.get("collected_afterwards") else "No pod was seen to become Ready."
        return {**missing.given("pod_startup_seconds", None, keys[1:], reason), "count": 0}
    return distribution(seconds, (50, 90, 95, 99))


def _control_plane(records: Records, missing: Missing) -> Record:
    apiserver = component(records, metrics.APISERVER)
    webhooks = ("mutation.gatekeeper.sh", VERIFYING)

    def total(metric: metrics.Metric) -> Callable[[], int]:
        return lambda: whole(sum(apiserver.counter(metric, "name").values()))

    def by_webhook() -> dict[str, int]:
        counts = apiserver.counter(metrics.APISERVER_FAIL_OPEN, "name")
        return {**dict.fromkeys(webhooks, 0), **{name: whole(count) for name, count in counts.items()}}

    return {
        "api_request_seconds": quantiles(
            "control_plane.api_request_seconds",
            apiserver,
            metrics.APISERVER_REQUEST,
            missing,
            keys=("p99",),
            keep=_answered_at_once,
        ),
        "webhook_fail_open": missing.figure("control_plane.webhook_fail_open", total(metrics.APISERVER_FAIL_OPEN)),
        "fail_open_by_webhook": missing.figure("control_plane.fail_open_by_webhook", by_webhook),
        "webhook_rejections": missing.figure("control_plane.webhook_rejections", total(metrics.APISERVER_REJECTIONS)),
        "watch": missing.given(
            "control_plane.watch", records.run.get("watch"), ("relists", "interruptions"), _unwatched(records)
        ),
    }


def _unwatched(records: Records) -> str:
    return AFTERWARDS if records.run.get("collected_afterwards") else "The run has no record of it."


def _answered_at_once(labels: Mapping[str, str]) -> bool:
    return (
        labels.get("verb") not in metrics.STREAMING_VERBS
        and labels.get("subresource") not in metrics.STREAMING_SUBRESOURCES
    )


def _registry(records: Records, missing: Missing) -> Record:
    registry = component(records, metrics.REGISTRY)
    requests = missing.figure(
        "registry.requests", lambda: by_status(registry.counter(metrics.REGISTRY_REQUESTS, "status"))
    )
    if requests is None:
        missing["registry.throttled"] = missing["registry.requests"]

    def by_category(*statuses: str) -> dict[str, int]:
        """Requests by category: those with these statuses, or all."""
        counts = registry.counter(
            metrics.REGISTRY_REQUESTS, "category", lambda labels: not statuses or labels.get("status") in statuses
        )
        return {category: whole(count) for category, count in sorted(counts.items()) if count}

    def by_bucket() -> dict[str, dict[str, int]]:
        """429 answers by the bucket that was empty and what the request was charged to."""
        buckets = [name for name, count in registry.counter(metrics.REGISTRY_REFUSALS, "bucket").items() if count]
        return {name: _of_bucket(registry, name) for name in sorted(buckets)}

    return {
        "requests": requests,
        "requests_by_category": missing.figure("registry.requests_by_category", by_category),
        "throttled_by_category": missing.figure(
            "registry.throttled_by_category", lambda: by_category(metrics.THROTTLED)
        ),
        "throttled_by_bucket": missing.figure("registry.throttled_by_bucket", by_bucket),
        "throttled": None if requests is None else requests[metrics.THROTTLED],
        "cpu_cores": cpu("registry.cpu_cores", registry, missing),
    }


def _of_bucket(registry: Component, name: str) -> dict[str, int]:
    counts = registry.counter(metrics.REGISTRY_REFUSALS, "category", lambda labels: labels.get("bucket") == name)
    return {category: whole(count) for category, count in sorted(counts.items()) if count}


def _harness(records: Records, missing: Missing) -> Record:
    costs = records.run.get("harness")
    afterwards = bool(records.run.get("collected_afterwards"))
    reason = AFTERWARDS if afterwards else "The harness did not record it."
    entries = missing.given("harness", costs, ("cpu_seconds", "peak_rss_bytes"), reason)

    def share() -> float:
        cores = (records.run.get("machine") or {}).get("cpu_count")
        spent = (costs or {}).get("window_cpu_seconds")
        window = records.window
        if window is None or window.end <= window.start:
            raise CollectError("The run has no window: no load was sent.")
        if afterwards:
            raise CollectError(AFTERWARDS)
        if not cores or spent is None:
            raise CollectError("The harness did not record its CPU time in the window.")
        return float(spent / ((window.end - window.start) * cores))

    jumps = records.run.get("clock_jumps")
    if jumps is None:
        missing["harness.clock_jump_seconds"] = _unwatched(records)
    greatest = None if jumps is None else max((abs(jump["seconds"]) for jump in jumps), default=0.0)
    entries["clock_jump_seconds"] = greatest
    return {**entries, "share_of_machine_cpu": missing.figure("harness.share_of_machine_cpu", share)}


def _reasons(records: Records, summary: Summary) -> list[str]:
    """Why the verdict is fail, in sentences; none for pass."""
    run = records.run
    reasons = []
    if run.get("error"):
        reasons.append(f"The run failed in phase {run['error']['phase']}: {run['error']['message']}")
    if run.get("deadline_passed"):
        reasons.append("The deadline passed before every pod's outcome was known.")
    if records.window is None:
        reasons.append("No load was sent, so nothing was measured.")
    for jump in run.get("clock_jumps") or ():
        way = "forward" if jump["seconds"] > 0 else "back"
        reasons.append(
            f"The clock of this machine jumped {way} by {abs(jump['seconds']):.3g} s during the run: no time that "
            "spans the jump is right. Stop what sets the clock, or keep the machine awake, and run again."
        )
    reasons += objections(records, summary)
    reasons += profiles.objections(summary)
    for row in summary["thresholds"]:
        if not row["ok"]:
            reasons.append(_broken(row))
    return reasons


def _broken(row: Mapping[str, Any]) -> str:
    if row["reason"]:
        return f"{row['metric']} {row['limit']} could not be judged: {row['reason']}"
    limit = parse(row["limit"])
    value, bound = (figure_text(row["metric"], row[key]) for key in ("value", "bound"))
    named = f" ({limit.bound})" if isinstance(limit.bound, str) else ""
    return f"{row['metric']} is {value}, and has to be {limit.operator} {bound}{named}."

"""Builds the folder of a small run whose every figure can be worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from analysis.expositions import canonical_labels
from analysis.sample_writer import SampleWriter

START, END = 1000.0, 1010.0
SCRAPES = [999.0 + 2 * index for index in range(7)]  # 999, 1001, … 1011: they enclose the window
SPELLINGS = ("ratify_verification_request", "ratify_verification_request_millisecond")

Page = list[tuple[str, str, float]]


def sample(metric: str, value: float, /, **labels: str) -> tuple[str, str, float]:
    return metric, canonical_labels(labels), float(value)


def histogram(name: str, cumulative: Mapping[str, float], total: float = 0.0, /, **labels: str) -> Page:
    page = [sample(f"{name}_bucket", count, le=le, **labels) for le, count in cumulative.items()]
    count = max(cumulative.values(), default=0)
    return [*page, sample(f"{name}_count", count, **labels), sample(f"{name}_sum", total, **labels)]


def process(start: float, cpu: float, memory: float) -> Page:
    return [
        sample("process_start_time_seconds", start),
        sample("csscgen_process_cpu_seconds_total", cpu),
        sample("csscgen_process_resident_memory_bytes", memory),
        sample("up", 1),
    ]


def write_metrics(folder: Path, scrapes: Iterable[tuple[float, str, Page]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with SampleWriter(folder / "metrics.parquet") as writer:
        for time, target, page in scrapes:
            writer.write(time, target, page)


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))


def write_run(folder: Path, **changes: Any) -> None:
    """run.json, with top-level entries replaced by ``changes``; an entry that is `...` is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    run = {
        "run_id": "run-1",
        "stack": "local-S",
        "family": "ratify",
        "engine": {"name": "embedded", "version": "0.1.0"},
        "platform": "local",
        "started_at": "2026-11-22T16:00:00Z",
        "finished_at": "2026-11-22T16:00:40Z",
        "settings": {
            "scenario": {"size": "S", "workload": "deployment", "shards": 1, "replicas": 4}
            | dict(containers=10, signatures=5),
            "cluster": {"nodes": None, "maxPods": 40, "systemNodes": 3},
            "registry": {"size": "L"},
            "ratify": {"mode": "regular", "replicas": 2, "cache": False},
            "gatekeeper": {"responseCacheSeconds": 180},
            "load": {"mode": "created"},
            "thresholds": {},
        },
        "versions": {"ratify": "v1.4.6"},
        "machine": {"cpu_count": 2, "memory_bytes": 24e9, "os": "Debian 12", "python": "3.11.2"},
        "window": {"start": START, "end": END},
        "phases": [{"name": "up", "started": 990.0, "finished": 998.0, "ok": True}],
        "artifacts": {"images": 10, "signatures": 50, "manifests_per_s": 120.0, "retries": 0, "throttled": 0},
        "harness": {"cpu_seconds": 5.0, "peak_rss_bytes": 100e6, "window_cpu_seconds": 1.0},
        "error": None,
        "deadline_passed": False,
    } | changes
    document = {key: value for key, value in run.items() if value is not ...}
    (folder / "run.json").write_bytes(orjson.dumps(document))


def with_settings(**subjects: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `write_run`, with keys of some subjects replaced."""
    settings: dict[str, Any] = {
        "scenario": {"size": "S", "workload": "deployment", "shards": 1, "replicas": 4},
        "ratify": {"cache": False},
    }
    return {key: {**settings.get(key, {}), **subjects.get(key, {})} for key in {*settings, *subjects}}


def pod(
    name: str | None, created: float | None, ready: float | None, end: str, reason: str | None = None, **more: Any
) -> Any:
    milestones = {
        "created": {"local": created, "server": None},
        "ready": {"local": ready, "server": None},
    }
    return {
        "name": name,
        "namespace": "perf",
        "workload": "deployment/x",
        "node": None,
        "milestones": milestones if name else {},
        "end": end,
        "reason": reason,
        **more,
    }


def write_admissions(folder: Path, **changes: Any) -> None:
    """admissions.json of a run in which every request was answered by the webhooks."""
    admissions = {
        "complete": True,
        "events": 10,
        "unreadable": 0,
        "unverified": 0,
        "unnamed": 0,
        "unmatched": {"count": 0, "names": []},
        "unheard_of": 0,
        "fail_open": [],
        "refused_attempts": {},
    }
    (folder / "admissions.json").write_bytes(orjson.dumps(admissions | changes))


def ratify_page(verified: Mapping[str, float], name: str, answers: Mapping[str, float], errors: float) -> Page:
    page = histogram(name, verified, 20.0 * max(verified.values(), default=0), otel_scope_name="x")
    page += [sample("ratify_registry_request_count_total", n, status_code=s) for s, n in answers.items()]
    if errors:
        page.append(
            sample(
                "ratify_system_error_count_total",
                errors,
                error="operation failed with error operation timed out after duration 4.9s",
            )
        )
    return page


def known_run(folder: Path, spelling: str = SPELLINGS[1], **changes: Any) -> Path:
    """Four pods (2 ready, 1 denied, 1 failed), two Ratify replicas, one Gatekeeper, one API server, one registry.

    In the window Ratify answers 10 verification requests: 8 within 10 ms and 2 within 100 ms, 20 ms in the
    mean. ratify-0 starts with 5 requests from before the window; both grow at the third scrape (1003).
    """
    write_run(folder, **changes)
    write_lines(
        folder / "pods.jsonl",
        [
            pod("a", 1000.5, 1002.5, "ready"),
            pod("b", 1001.0, 1005.0, "ready"),
            pod(None, None, None, "denied", "admission webhook denied the request", cause="unsigned"),
            pod("d", 1002.0, None, "failed", "ErrImagePull"),
        ],
    )
    requests = [
        {"object": f"deployment/perf/{n}", "intended": 1000.0 + n, "sent": 1000.0 + n + lag, "answered": 1001.0 + n}
        | {"status": "created", "message": None}
        for n, lag in enumerate((0.0, 0.01, 0.02))
    ]
    write_lines(folder / "requests.jsonl", requests)
    event = {"namespace": "perf", "object": "replicaset/x", "type": "Warning", "reason": "FailedCreate"}
    write_lines(
        folder / "events.jsonl",
        [
            {**event, "time": 1001.0, "message": "denied", "count": 1, "times": 1, "cause": "unsigned"},
            {**event, "time": 1002.0, "message": "denied", "count": 3, "times": 2, "cause": "unsigned"},
        ],
    )
    write_metrics(folder, _known_scrapes(spelling))
    return folder


def _known_scrapes(spelling: str) -> Iterable[tuple[float, str, Page]]:
    for index, time in enumerate(SCRAPES):
        late = index >= 2
        first = {"10": 5 + 5 * late, "100": 5 + 6 * late, "+Inf": 5 + 6 * late}
        second = {"10": 3 * late, "100": 4 * late, "+Inf": 4 * late}
        answers = {"200": 100 + 20 * late, "401": 10 + 4 * late}
        yield (
            time,
            "ratify-0",
            ratify_page(first, spelling, answers, 2 * late) + process(900, 10 + index, (50 + 10 * (index == 3)) * 1e6),
        )
        page = ratify_page(second, spelling, {"200": 10, "429": 3}, 0) if late else [sample("target_info", 1)]
        yield time, "ratify-1", page + process(901, 2 + 0.5 * index, 30e6)
        yield (
            time,
            "gatekeeper",
            histogram("gatekeeper_validation_request_duration_seconds", {"0.1": 7 * late, "+Inf": 8 * late})
            + histogram("gatekeeper_audit_duration_seconds", {"60": 2 * late, "+Inf": 2 * late}, 9.0 * late)
            + [
                sample("gatekeeper_validation_request_count_total", 100 + 6 * late, admission_status="allow"),
                sample("gatekeeper_validation_request_count_total", 2 * late, admission_status="deny"),
            ]
            + process(902, 4 + index, 80e6),
        )
        yield (
            time,
            "kube-apiserver",
            histogram(
                "apiserver_request_duration_seconds",
                {"0.1": 90 * late, "1": 100 * late, "+Inf": 100 * late},
                verb="POST",
            )
            + histogram("apiserver_request_duration_seconds", {"0.1": 0, "1": 0, "+Inf": 500 * late}, verb="WATCH")
            + [sample("apiserver_admission_webhook_request_total", 50 * late, name="validation.gatekeeper.sh")]
            + [sample("apiserver_admission_webhook_rejection_count", 2 * late, name="validation.gatekeeper.sh")]
            + process(903, 1, 1e9),
        )
        yield (
            time,
            "registry-eastus2",
            [
                sample("registry_requests_total", 100 + 30 * late, category="read", status="200"),
                sample("registry_requests_total", 3 * late, category="read", status="429"),
                sample("registry_refusals_total", 3 * late, bucket="registry", category="read"),
                sample("registry_refusals_total", 1 * late, bucket="pull", category="read"),
                sample("registry_refusals_total", 0, bucket="pull", category="write"),
            ]
            + process(904, index, 60e6),
        )

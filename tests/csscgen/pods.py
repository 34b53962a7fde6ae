"""Pods, Jobs and events as the API server shows them, decoded: what is a moment there is one here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from workloads.ratify.objects import RUN_LABEL, WORKLOAD_LABEL

CREATED = datetime(2026, 1, 2, 10, 15, tzinfo=UTC)
DENIAL = (
    'Error creating: admission webhook "validation.gatekeeper.sh" denied the request: [ratify] verification failed for '
    "127.0.0.1:21644/r@sha256:{digest}: failed to verify artifact: 127.0.0.1:21644/r@sha256:{digest} (No verification "
    "results for the artifact 127.0.0.1:21644/r@sha256:{digest}. Ensure verifiers are properly configured)"
)
TIMEOUT = (
    'Error creating: Internal error occurred: failed calling webhook "validation.gatekeeper.sh": failed to call '
    'webhook: Post "https://127.0.0.1:22864/v1/admit?timeout=5s": context deadline exceeded'
)


def _after(seconds: int) -> datetime:
    return CREATED + timedelta(seconds=seconds)


def denial(digit: str = "0") -> str:
    return DENIAL.format(digest=digit * 64)


def pod(
    number: int,
    *,
    workload: str = "ratify-0",
    node: str | None = None,
    phase: str = "Pending",
    ready: bool | None = None,
    version: int = 101,
    **status: Any,
) -> dict[str, Any]:
    """A pod; ``ready`` None is one that has no such condition yet."""
    conditions: list[dict[str, Any]] = []
    if node:
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": _after(1)})
    if ready is not None:
        conditions.append({"type": "Ready", "status": str(ready), "lastTransitionTime": _after(3)})
    started = {"startTime": _after(2)} if phase != "Pending" else {}
    return {
        "metadata": {
            "name": f"{workload}-{number}",
            "namespace": "ratify-perf-0",
            "uid": f"{workload}-{number}",
            "resourceVersion": str(version),
            "creationTimestamp": CREATED,
            "labels": {RUN_LABEL: "run-1", WORKLOAD_LABEL: workload},
        },
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "conditions": conditions, **started, **status},
    }


def ready_pod(number: int, workload: str = "ratify-0", version: int = 101) -> dict[str, Any]:
    return pod(number, workload=workload, node="node-0", phase="Running", ready=True, version=version)


def failed_create(about: str, name: str, message: str, count: int | None = 1, uid: str = "e-1") -> dict[str, Any]:
    """A controller's event that it could not create a pod."""
    return {
        "metadata": {"name": f"{name}.1", "namespace": "ratify-perf-0", "uid": uid, "resourceVersion": "102"},
        "involvedObject": {"kind": about, "name": name, "namespace": "ratify-perf-0"},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": message,
        "count": count,
    }


def job(name: str, condition: str | None = None) -> dict[str, Any]:
    conditions = [{"type": condition, "status": "True"}] if condition else []
    return {
        "metadata": {"name": name, "namespace": "ratify-perf-0", "uid": name, "resourceVersion": "103"},
        "status": {"conditions": conditions},
    }


def replica(
    name: str,
    *,
    ready: bool = True,
    running: bool = True,
    restarts: int = 0,
    end: str | None = None,
    image: str = "ghcr.io/ratify:v1.4.6",
    phase: str = "Running",
    uid: str | None = None,
    **status: Any,
) -> dict[str, Any]:
    """A pod of Ratify's; ``end`` is why its container ended last."""
    last = {"terminated": {"reason": end, "exitCode": 137, "finishedAt": CREATED + timedelta(seconds=restarts)}}
    return {
        "metadata": {
            "name": name,
            "namespace": "gatekeeper-system",
            "uid": uid or name,
            "resourceVersion": "104",
            "creationTimestamp": CREATED,
            "labels": {"app.kubernetes.io/name": "ratify"},
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "other", "image": "x:1"}, {"name": "ratify", "image": image}],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [
                {
                    "name": "ratify",
                    "ready": ready,
                    "restartCount": restarts,
                    "state": {"running": {"startedAt": CREATED}}
                    if running
                    else {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": last if end else {},
                }
            ],
            **status,
        },
    }

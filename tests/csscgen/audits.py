"""Events of the API server's audit log, as Kubernetes 1.36.3 writes them at level Metadata."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workloads.audit import NAME_ANNOTATION

START, END = 1000.0, 1010.0
FAILED_OPEN = "failed-open.{}.webhook.admission.k8s.io/round_0_index_0"


def when(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def created(
    uid: str | None, *, at: float = 1001.0, took: float = 0.25, opened: tuple[str, ...] = (), **changes: Any
) -> dict[str, Any]:
    """A ReplicaSet's pod that was let in; ``opened`` are the webhooks that failed open: validation, mutation."""
    annotations = {"authorization.k8s.io/decision": "allow"}
    if uid:
        annotations[NAME_ANNOTATION] = f"{uid} pod-{uid}"
    for kind in opened:
        key = FAILED_OPEN.format({"validation": "validating", "mutation": "mutation"}[kind])
        annotations[key] = f"{kind}.gatekeeper.sh"
    event = {
        "kind": "Event",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/ratify-perf-0/pods",
        "verb": "create",
        "objectRef": {"resource": "pods", "namespace": "ratify-perf-0", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestReceivedTimestamp": when(at),
        "stageTimestamp": when(at + took),
        "annotations": annotations,
    }
    return event | changes


def refusal(message: str, code: int = 403, **changes: Any) -> dict[str, Any]:
    status = {"metadata": {}, "status": "Failure", "message": message, "code": code}
    return created(None, responseStatus=status, **changes)


def write(path: Path, *events: dict[str, Any], tail: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events) + tail)
    return path

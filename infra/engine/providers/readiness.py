"""When a Kubernetes object counts as made. The rules, all of them:

    Namespace                  phase Active
    CustomResourceDefinition   condition Established
    Deployment                 the latest generation is observed, all its replicas are updated, condition Available
    Job                        condition Complete (condition Failed is a failure at once)
    Pod                        condition Ready, or phase Succeeded (phase Failed is a failure at once)
    everything else            at once

The annotation ``pulumi.com/skipAwait: "true"`` waives them.
"""

from __future__ import annotations

from typing import Any


class NeverReadyError(Exception):
    """The object has failed for good; the message says how."""


def unready(live: dict[str, Any]) -> str | None:
    """What is still missing, in a few words; None if the object is ready. Raises ``NeverReadyError``."""
    annotations = live.get("metadata", {}).get("annotations") or {}
    if annotations.get("pulumi.com/skipAwait") == "true":
        return None
    rule = _RULES.get((str(live.get("apiVersion")), str(live.get("kind"))))
    return rule(live) if rule else None


def _namespace(live: dict[str, Any]) -> str | None:
    phase = live.get("status", {}).get("phase")
    return None if phase == "Active" else f"its phase is {phase or 'not set'}"


def _definition(live: dict[str, Any]) -> str | None:
    return None if _condition(live, "Established") else "it is not established"


def _deployment(live: dict[str, Any]) -> str | None:
    status, wanted = live.get("status", {}), live.get("spec", {}).get("replicas", 1)
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return "its controller has not seen it"
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted or not _condition(live, "Available"):
        return f"{updated} of {wanted} replicas are up to date, {available} are available"
    return None


def _job(live: dict[str, Any]) -> str | None:
    if _condition(live, "Complete"):
        return None
    if failed := _condition(live, "Failed"):
        raise NeverReadyError(f"the job failed: {failed.get('message') or failed.get('reason')}")
    return f"{live.get('status', {}).get('succeeded', 0)} of its pods have succeeded"


def _pod(live: dict[str, Any]) -> str | None:
    status = live.get("status", {})
    if status.get("phase") == "Succeeded" or _condition(live, "Ready"):
        return None
    if status.get("phase") == "Failed":
        raise NeverReadyError(f"the pod failed: {status.get('message') or status.get('reason')}")
    return f"its phase is {status.get('phase', 'not set')}"


def _condition(live: dict[str, Any], type_: str) -> dict[str, Any] | None:
    for condition in live.get("status", {}).get("conditions") or []:
        if condition.get("type") == type_ and condition.get("status") == "True":
            found: dict[str, Any] = condition
            return found
    return None


_RULES = {
    ("v1", "Namespace"): _namespace,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): _definition,
    ("apps/v1", "Deployment"): _deployment,
    ("batch/v1", "Job"): _job,
    ("v1", "Pod"): _pod,
}

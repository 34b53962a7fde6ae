"""The API server's audit log: what it is asked to write, and how its words are read.

Event format: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/. A webhook that could not be asked and
let the request pass leaves an annotation whose key begins with ``FAILED_OPEN`` and whose value is the webhook's name.
"""

from __future__ import annotations

from typing import Any

NAME_ANNOTATION = "ratify-perf-admissions/pod"
"""Annotation of an event with ``uid name`` of the pod, by the policy of infra.kubernetes.trail."""
FAILED_OPEN = ("failed-open.validating.webhook.admission.k8s.io/", "failed-open.mutation.webhook.admission.k8s.io/")
VERIFYING = "validation.gatekeeper.sh"
"""The webhook that verifies. A pod that another one skipped is verified all the same."""

POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            # Without bodies: an event is about 1 kB instead of the 20 kB of a pod with ten containers.
            "level": "Metadata",
            "verbs": ["create", "update", "patch"],
            "resources": [
                {"group": "", "resources": ["pods"]},
                {"group": "apps", "resources": ["deployments", "replicasets"]},
                {"group": "batch", "resources": ["jobs"]},
            ],
        },
        {"level": "None"},
    ],
}
"""What can go through the webhooks in a run: pods, and the workloads that make them."""

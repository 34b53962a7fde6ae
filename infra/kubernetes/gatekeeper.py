"""The values of Gatekeeper's chart: every setting that a process has on this machine, and replicas, memory, placement.

The rules of its webhooks are the chart's own, which send every object of the cluster through Gatekeeper, as in the
published test.
"""

from __future__ import annotations

from typing import Any

from infra.kubernetes.placement import Placement
from infra.settings import Settings

FEWEST_PODS = 100
"""The chart's quota of critical pods in its namespace: more replicas need more."""


def values(settings: Settings, placement: Placement) -> dict[str, Any]:
    """The values. Both webhooks' timeouts are those of Ratify's providers (:mod:`infra.kubernetes.ratify`): the chart's
    own, 3 s and 1 s, would end before Ratify does and hide its errors."""
    chosen, policy = settings.gatekeeper, settings.policy
    container = {
        **placement.pods,
        "resources": {
            "limits": {"memory": chosen.memoryLimit},
            "requests": {"cpu": "100m", "memory": chosen.memoryLimit},
        },
    }
    return {
        "replicas": chosen.replicas,
        "podCountLimit": str(FEWEST_PODS + chosen.replicas),
        "auditInterval": chosen.auditInterval,
        "auditFromCache": chosen.auditFromCache,
        "auditChunkSize": chosen.auditChunkSize,
        "emitAdmissionEvents": chosen.emitAdmissionEvents,
        "emitAuditEvents": chosen.emitAuditEvents,
        "enableExternalData": chosen.externalData,
        "externaldataProviderResponseCacheTTL": f"{settings.response_cache_seconds}s",
        "validatingWebhookTimeoutSeconds": chosen.validationTimeoutSeconds,
        "mutatingWebhookTimeoutSeconds": chosen.mutationTimeoutSeconds,
        "validatingWebhookFailurePolicy": policy.failurePolicy,
        "mutatingWebhookFailurePolicy": policy.failurePolicy,
        "disableMutation": not chosen.mutation,
        "maxServingThreads": chosen.maxServingThreads,
        "logDenies": chosen.logDenies,
        "logLevel": chosen.logLevel,
        "controllerManager": container,
        "audit": container,
        # Jobs of the chart, which have to find a node too.
        "crds": placement.pods,
        "postInstall": placement.pods,
        "postUpgrade": placement.pods,
    }

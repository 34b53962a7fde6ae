"""The values of Ratify's chart: one configuration with the processes of this machine, so far as the chart can say it.

What it cannot say is refused with the settings (infra/settings/contradictions.py): it makes Ratify's own deadlines of
those of Gatekeeper's providers, and its policy is that all signatures of an image have to be good.
"""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pulumi

from infra.kubernetes.placement import Placement
from infra.kubernetes.policy import NAMESPACE
from infra.kubernetes.trust import Trust, VaultTrust
from infra.settings import Settings

SERVICE_ACCOUNT = "ratify-admin"
"""Ratify's, in ``NAMESPACE``: the subject of the federated credential."""
LABELS = {"app.kubernetes.io/name": "ratify"}
"""What its pods can be found by."""
METRICS_PORT = 8888
DOCKER_SECRET = "ratify-docker-config"
STATE_STORE = "dapr-redis"
"""The Component of Dapr that has the shared cache: the name that the chart falls back to."""
CPU_REQUEST = "600m"
"""The chart's; less where the limit is."""


def values(settings: Settings, placement: Placement, trust: Trust) -> dict[str, Any]:
    """The values."""
    ratify, shares = settings.ratify, settings.ratify.mode == "ha"
    return {
        "image": {"tag": f"v{ratify.version}"},
        "replicaCount": ratify.replicas,
        "resources": {
            "limits": {"cpu": ratify.cpuLimit, "memory": ratify.memoryLimit},
            "requests": {"cpu": min(CPU_REQUEST, ratify.cpuLimit, key=_cores), "memory": ratify.memoryLimit},
        },
        "affinity": placement.affinity(LABELS),
        "tolerations": placement.tolerated,
        "crds": placement.pods,
        "gatekeeper": {"version": settings.gatekeeper.version, "namespace": NAMESPACE},
        "provider": _provider(settings, shares),
        "featureFlags": {
            # Ratify makes its own certificates, and tells Gatekeeper's Provider objects whom to trust.
            "RATIFY_CERT_ROTATION": True,
            "RATIFY_EXPERIMENTAL_HIGH_AVAILABILITY": shares,
        },
        # Gatekeeper's chart has the namespace enforce the restricted profile, and Dapr's sidecar has to fit it too.
        "podAnnotations": {"dapr.io/sidecar-seccomp-profile-type": "RuntimeDefault"} if shares else {},
        "instrumentation": {"metricsEnabled": True, "metricsType": "prometheus", "metricsPort": METRICS_PORT},
        "logger": {"formatter": "json", "level": ratify.logLevel},
        "policy": {"useRego": False},
        "cosign": {"enabled": False},  # it costs a request to the registry for every image
        **_trusting(settings, trust),
    }


def _provider(settings: Settings, shares: bool) -> dict[str, Any]:
    ratify, gatekeeper = settings.ratify, settings.gatekeeper
    return {
        # The Provider objects' deadlines, which have to be the webhooks'; the chart derives Ratify's own from them.
        "timeout": {
            "validationTimeoutSeconds": gatekeeper.validationTimeoutSeconds,
            "mutationTimeoutSeconds": gatekeeper.mutationTimeoutSeconds,
        },
        "cache": {
            "enabled": ratify.cache,
            "type": "dapr" if shares else "ristretto",
            "name": STATE_STORE if shares else "",
            "cacheSizeMb": ratify.cacheSizeMb,
            "ttl": f"{ratify.cacheTtlSeconds}s",
        },
        "enableMutation": gatekeeper.mutation,
        "mutationExcludedNamespaces": list(gatekeeper.excludedNamespaces),
    }


def _trusting(settings: Settings, trust: Trust) -> dict[str, Any]:
    """Store, certificates and trust policy, and who Ratify is where it logs in by workload identity."""
    vault = isinstance(trust, VaultTrust)
    stated: dict[str, Any] = {
        "serviceAccount": {"create": True, "name": SERVICE_ACCOUNT},
        "oras": {
            "useHttp": not isinstance(trust, VaultTrust) and trust.plain_http,
            "authProviders": {"azureWorkloadIdentityEnabled": vault},
            # It keeps nothing where Ratify's cache is off. Off here too, a store without a login would have no
            # parameters at all, which the chart renders as null and the API server refuses.
            "cache": {"enabled": settings.ratify.cache or not vault, "ttl": settings.ratify.cacheTtlSeconds},
        },
        "notation": {
            "enabled": True,
            "trustPolicies": [
                {
                    "name": "default",
                    "level": "strict",
                    "registryScopes": ["*"],
                    "trustStores": ["ca:azurekeyvault" if vault else "ca:notationCerts[0]"],
                    "trustedIdentities": [_in_quotes(trust.trusted_identity)],
                }
            ],
        },
    }
    if isinstance(trust, VaultTrust):
        stated["serviceAccount"]["annotations"] = {"azure.workload.identity/client-id": trust.client_id}
        stated["azureWorkloadIdentity"] = {"clientId": trust.client_id}
        stated["azurekeyvault"] = {
            "enabled": True,
            "vaultURI": trust.vault_uri,
            "tenantId": trust.tenant_id,
            "certificates": [{"name": trust.certificate, "version": ""}],
        }
    else:
        stated["notationCerts"] = [trust.certificates]
        stated["registryCredsSecret"] = DOCKER_SECRET
    return stated


def _in_quotes(identity: pulumi.Input[str]) -> pulumi.Input[str]:
    """An identity as it has to stand between the double quotes that the chart's template puts around it."""

    def escaped(text: str) -> str:
        return json.dumps(text)[1:-1]

    if isinstance(identity, str):
        return escaped(identity)
    known: pulumi.Output[str] = pulumi.Output.from_input(identity)
    return known.apply(escaped)


def _cores(quantity: str) -> float:
    """A quantity of CPU; whatever has a suffix of thousands is more than any request."""
    number = quantity.removesuffix("m")
    if not number.replace(".", "", 1).isdigit():
        return inf
    return float(number) / (1000 if number != quantity else 1)

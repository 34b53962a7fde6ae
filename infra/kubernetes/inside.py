"""What a cluster carries, whoever made it: Gatekeeper, Ratify, monitoring, the policy, and the workloads.

AKS and a cluster that is named by a kubeconfig are given the same. What differs is where Ratify has its trust from and
how it logs in to the registry: a Key Vault and workload identity, or certificates and a docker config in the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from infra.kubernetes.admission import NAMESPACE
from infra.settings import Settings

SERVICE_ACCOUNT = "ratify-admin"
"""Ratify's, in ``NAMESPACE``: the subject of the federated credential."""

__all__ = ["NAMESPACE", "SERVICE_ACCOUNT", "InlineTrust", "Placement", "VaultTrust", "declare"]


@dataclass(frozen=True)
class VaultTrust:
    """Azure's: Ratify reads the chain from a Key Vault, and logs in to ACR, by workload identity."""

    vault_uri: pulumi.Input[str]
    tenant_id: pulumi.Input[str]
    certificate: pulumi.Input[str]
    client_id: pulumi.Input[str]
    trusted_identity: pulumi.Input[str]


@dataclass(frozen=True)
class InlineTrust:
    """Any cluster's: the trust store as PEM, and the docker config of the login to pull (a secret), or None."""

    certificates: pulumi.Input[str]
    docker_config: pulumi.Input[str | None]
    trusted_identity: pulumi.Input[str]
    plain_http: bool


@dataclass(frozen=True)
class Placement:
    """Where Gatekeeper, Ratify, Prometheus and Redis run; empty for anywhere."""

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, str]] = ()


def declare(
    settings: Settings,
    provider: k8s.Provider,
    trust: VaultTrust | InlineTrust,
    host: pulumi.Output[str],
    *,
    placement: Placement = Placement(),
    after: Sequence[pulumi.Resource] = (),
    deleted_with: pulumi.Resource | None = None,
) -> None:
    """Declares all of it, and exports what the harness has to know. ``after`` is what the first resource waits for.

    ``deleted_with`` is the cluster, where the stack made it: what is in it goes with it, and is not taken out piece by
    piece. A cluster that was there before keeps nothing of the stack's, and is none.
    """
    pulumi.export("registry", host)

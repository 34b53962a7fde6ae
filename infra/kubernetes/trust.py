"""What Ratify trusts and how it logs in to the registry: a Key Vault and workload identity, or what it is given."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi


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
    plain_http: pulumi.Input[bool]

    @property
    def login(self) -> pulumi.Output[str]:
        """The docker config, a secret: one without any login where nobody has to log in."""
        given: pulumi.Output[str | None] = pulumi.Output.from_input(self.docker_config)
        return pulumi.Output.secret(given.apply(lambda known: known or json.dumps({"auths": {}})))


Trust = VaultTrust | InlineTrust

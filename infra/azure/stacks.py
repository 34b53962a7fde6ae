"""The two stacks of Azure: what is made once per subscription and kept, and what is made for a run.

Their outputs are all that runs and the harness know of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_azure_native import authorization

from infra.azure.clusters import ON_SYSTEM, Cluster
from infra.azure.groups import provider_options, resource_group
from infra.azure.pushing import Pushers
from infra.azure.registries import Registries
from infra.azure.vaults import vault
from infra.azure.verifying import Verifier
from infra.kubernetes.inside import VaultTrust, declare
from infra.local.certificates import signing_subject
from infra.settings import Settings
from workloads.errors import UsageError
from workloads.registries import registry_of


def shared(settings: Settings) -> None:
    """Registries, Key Vault, and who pushes and signs."""
    top = provider_options(settings)
    caller = authorization.get_client_config_output(opts=pulumi.InvokeOutputOptions(provider=top.provider))
    group = resource_group(settings, top)
    registries = Registries("registries", settings, group, top)
    keys = vault(settings, group, caller.tenant_id, top)
    pushers = Pushers("push", settings, group, registries, keys, caller, top)
    subject = signing_subject(settings.signing.commonName).rfc4514_string()
    pulumi.export("registries", registries.known)
    pulumi.export("vault", {"uri": keys.properties.vault_uri, "name": keys.name, "id": keys.id})
    pulumi.export("certificateName", settings.signing.certificateName)
    pulumi.export("tenantId", caller.tenant_id)
    pulumi.export("subscription", caller.subscription_id)
    pulumi.export("resourceGroup", group.name)
    pulumi.export("trustedIdentity", f"x509.subject: {subject}")
    pulumi.export(
        "pushIdentity", {"clientId": pushers.identity.client_id, "principalId": pushers.identity.principal_id}
    )
    pulumi.export("declared", settings.shared_part)


def run(settings: Settings) -> None:
    """Resource group, AKS, Ratify's identity, and what is in the cluster."""
    top = provider_options(settings)
    common = pulumi.StackReference(str(settings.sharedStack))
    registry = pulumi.Output.all(common.require_output("registries"), common.require_output("declared")).apply(
        lambda known: _registry_in_use(settings, *known)
    )
    caller = authorization.get_client_config_output(opts=pulumi.InvokeOutputOptions(provider=top.provider))
    group = resource_group(settings, top)
    cluster = Cluster("cluster", settings, group, top)
    verifier = Verifier(
        "verifier",
        settings,
        group,
        cluster,
        registry_id=registry["id"],
        vault_id=common.require_output("vault")["id"],
        opts=top,
    )
    pulumi.export("kubeconfig", cluster.kubeconfig)
    pulumi.export("resourceGroup", group.name)
    pulumi.export("cluster", cluster.aks.name)
    pulumi.export("subscription", caller.subscription_id)
    declare(
        settings,
        cluster.inside,
        VaultTrust(
            vault_uri=common.require_output("vault")["uri"],
            tenant_id=common.require_output("tenantId"),
            certificate=common.require_output("certificateName"),
            client_id=verifier.identity.client_id,
            trusted_identity=common.require_output("trustedIdentity"),
        ),
        registry["host"],
        placement=ON_SYSTEM,
        after=[*cluster.pools, *verifier.granted],
        deleted_with=cluster.aks,
    )


def _registry_in_use(
    settings: Settings, registries: Sequence[Mapping[str, str]], declared: Mapping[str, Any]
) -> Mapping[str, str]:
    """The shared stack's registry of the run's size. Raises UsageError if the roles to be given are not its kind's."""
    stack, ours = str(settings.sharedStack), settings.registry.permissions
    theirs = declared["registry"]["permissions"]
    if theirs != ours:
        raise UsageError(
            f"The registries of {stack} have permissions {theirs}, and this stack is to give roles for {ours}. Set "
            f"registry.permissions to {theirs}."
        )
    return registry_of(registries, settings.registry.size, stack)

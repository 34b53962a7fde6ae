"""Who fills the registries of a shared stack: an identity for it, and the login that runs the stack.

The identity only pushes and signs, for an agent that seeds without anybody's login. Whoever runs the stack makes the
signing certificate as well.
"""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization, keyvault, managedidentity, resources

from infra.azure import naming, roles
from infra.azure.registries import Registries
from infra.azure.tags import tags
from infra.settings import Settings

SIGNING = ("Key Vault Crypto User", "Key Vault Certificate User")
MAKING = ("Key Vault Crypto User", "Key Vault Certificates Officer")


class Pushers(pulumi.ComponentResource):
    """The push identity, and the roles on every registry and on the vault for it and for the caller."""

    identity: managedidentity.UserAssignedIdentity

    def __init__(
        self,
        name: str,
        settings: Settings,
        group: resources.ResourceGroup,
        registries: Registries,
        vault: keyvault.Vault,
        caller: pulumi.Output[authorization.GetClientConfigResult],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("ratify-perf:azure:Pushers", name, None, opts)
        options = pulumi.ResourceOptions(parent=self)
        self.identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_name_=naming.name("identity", [pulumi.get_project(), pulumi.get_stack(), "push"]),
            resource_group_name=group.name,
            location=settings.azure.location,
            tags=tags(settings),
            opts=options,
        )
        who: list[tuple[str, pulumi.Output[str], roles.PrincipalType, tuple[str, ...]]] = [
            ("identity", self.identity.principal_id, "ServicePrincipal", SIGNING),
            ("caller", caller.object_id, settings.azure.principalType, MAKING),
        ]
        for what, principal, principal_type, on_vault in who:
            for region, registry in registries.by_region.items():
                roles.assign(
                    f"{name}-{what}-{region}",
                    roles.pushing(settings),
                    scope=registry.id,
                    principal=principal,
                    principal_type=principal_type,
                    opts=options,
                )
            for role in on_vault:
                roles.assign(
                    f"{name}-{what}-{naming.name('identity', [role])}",
                    role,
                    scope=vault.id,
                    principal=principal,
                    principal_type=principal_type,
                    opts=options,
                )
        self.register_outputs({})

"""Who may do what in Azure: the built-in roles that are given, and how one is given.

The principal's type is always said: without it Azure looks a new identity up in a directory that may not know it yet.
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

from typing import Literal

import pulumi
import pulumi_random as random
from pulumi_azure_native import authorization

from infra.settings import Settings

ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "Container Registry Repository Reader": "b93aa761-3e63-49ed-ac28-beffa264f7ac",
    "Container Registry Repository Writer": "2a1e307c-b015-4ebd-883e-5b7698a07328",
    "Key Vault Certificate User": "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
    "Key Vault Certificates Officer": "a4417e6f-fecd-4de8-b567-7b0420556985",
    "Key Vault Crypto User": "12338af0-0e69-4776-bea7-57ae8d297424",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
}
"""Name → id of its definition, the same in every subscription."""
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"

PrincipalType = Literal["User", "ServicePrincipal", "Group"]


def pulling(settings: Settings) -> str:
    """The role that lets one pull; a registry in ABAC mode heeds only the roles of repositories."""
    return "AcrPull" if settings.registry.permissions == "rbac" else "Container Registry Repository Reader"


def pushing(settings: Settings) -> str:
    """The role that lets one push, and pull."""
    return "AcrPush" if settings.registry.permissions == "rbac" else "Container Registry Repository Writer"


def assign(
    what: str,
    role: str,
    *,
    scope: pulumi.Input[str],
    principal: pulumi.Input[str | None],
    principal_type: PrincipalType,
    opts: pulumi.ResourceOptions,
) -> authorization.RoleAssignment:
    """Gives a principal a role on one resource. ``what`` names the assignment in the stack."""
    name = random.RandomUuid(f"{what}-name", opts=pulumi.ResourceOptions(parent=opts.parent))
    return authorization.RoleAssignment(
        what,
        role_assignment_name=name.result,
        role_definition_id=f"{DEFINITIONS}/{ROLES[role]}",
        scope=scope,
        principal_id=principal,
        principal_type=principal_type,
        description=f"{role} for {what} of stack {pulumi.get_stack()} ({pulumi.get_project()})",
        opts=opts,
    )

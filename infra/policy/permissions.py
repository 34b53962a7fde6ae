"""Rules about rights: named roles on single resources, and none that could give others away."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policy.resources import HIDDEN, Platform, Resource, Rule

ASSIGNMENT = "azure-native:authorization:RoleAssignment"
DEFINITION = "azure-native:authorization:RoleDefinition"
BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"
VAULT = "azure-native:keyvault:Vault"
TOO_WIDE = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
PRINCIPALS = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")


def _least_privilege(resource: Resource, _platform: Platform) -> Iterator[str]:
    if resource.type == DEFINITION:
        yield f"{resource} is a role of our own: assign one of Azure's."
    if resource.type == BINDING and resource.get("roleRef", "name") == "cluster-admin":
        yield f"{resource} gives all rights in the cluster away: bind a role with those that are needed."
    if resource.type != ASSIGNMENT:
        return
    role = str(resource.inputs.get("roleDefinitionId") or "").rstrip("/").rpartition("/")[2].lower()
    if role in TOO_WIDE:
        yield f"{resource} assigns {TOO_WIDE[role]}: assign the role that has just the rights that are needed."
    if resource.inputs.get("principalType") not in (*PRINCIPALS, *HIDDEN):
        yield f"{resource} does not say what its principal is, and Azure would look for a user: set principalType."
    scope = resource.inputs.get("scope")
    if scope not in HIDDEN and not _one_resource(str(scope or "")):
        yield f"{resource} is for all below {scope}: assign it on the one resource that it is needed for."


def _one_resource(scope: str) -> bool:
    """Whether an id is of a resource: not of a group, a subscription or more."""
    return "/providers/" in scope.lower() and "/resourcegroups/" in scope.lower().partition("/providers/")[0]


def _vault_by_roles(resource: Resource, _platform: Platform) -> Iterator[str]:
    if resource.type == "azure-native:keyvault:AccessPolicy":
        yield f"{resource} is an access policy: assign a role of Key Vault on the vault."
    if resource.type != VAULT:
        return
    if resource.get("properties", "enableRbacAuthorization") is not True:
        yield f"{resource} is not opened by roles: set properties.enableRbacAuthorization to true."
    if resource.get("properties", "accessPolicies"):
        yield f"{resource} has access policies beside its roles: leave properties.accessPolicies out."


RULES = (
    Rule("least-privilege", "Roles are narrow, on one resource, for a principal of a known kind.", _least_privilege),
    Rule("vault-by-roles", "The Key Vault is opened by roles, not by access policies.", _vault_by_roles),
)

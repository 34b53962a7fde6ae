"""Rules about whose a resource is, and that it can be removed: what a run made must be found, and must go."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policy.resources import HIDDEN, Platform, Resource, Rule, leaves, shown
from workloads.tags import TAGS

UNTAGGED = (
    "azure-native:authorization:RoleAssignment",
    "azure-native:containerservice:MaintenanceConfiguration",
    "azure-native:keyvault:AccessPolicy",
    "azure-native:managedidentity:FederatedIdentityCredential",
)
"""Resources of Azure that take no tags. A test asks the SDK."""
LOCK = "azure-native:authorization:ManagementLock"
VAULT = "azure-native:keyvault:Vault"
KEPT = ("Retain", "Recycle")


def _tagged(resource: Resource, _platform: Platform) -> Iterator[str]:
    if not resource.type.startswith("azure-native:") or resource.type in UNTAGGED:
        return
    tags = resource.inputs.get("tags")
    if isinstance(tags, str) and tags in HIDDEN:
        return
    lacking = [tag for tag in TAGS if not (tags or {}).get(tag)]
    if lacking:
        yield f"{resource} lacks the tags {', '.join(lacking)}, by which it is found when a destroy fails: add them."


def _deletable(resource: Resource, _platform: Platform) -> Iterator[str]:
    if resource.protect:
        yield f"{resource} is protected, so that destroy would fail: take its protect option away."
    if resource.retain_on_delete:
        yield f"{resource} outlives a destroy: take its retainOnDelete option away."
    if resource.type.startswith(LOCK):
        yield f"{resource} is a lock, so that nothing below it can be removed: leave it out."
    if resource.type == VAULT and resource.get("properties", "enablePurgeProtection"):
        yield f"{resource} cannot be purged, which blocks its name for weeks: leave enablePurgeProtection out."
    for path, value in leaves(resource.inputs):
        last = path[-1] if path else ""
        if last in ("persistentVolumeReclaimPolicy", "reclaimPolicy", "whenDeleted") and value in KEPT:
            yield f"{resource} leaves its volumes behind ({shown(path)} is {value}): set it to Delete."
        if last == "helm.sh/resource-policy" and value == "keep":
            yield f"{resource} leaves what its chart made behind ({shown(path)} is keep): take that away."


RULES = (
    Rule("tagged", "Every resource of Azure has the tags of its owner, run, stack and project.", _tagged),
    Rule("deletable", "Everything goes with a destroy: nothing is protected, locked or kept.", _deletable),
)

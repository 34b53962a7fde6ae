"""Settings of what is Azure's own: where it is, what it is called, whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from infra.settings.declaring import GUID, LABEL, NAME, RESOURCE_GROUP, VAULT_NAME, setting


@dataclass(frozen=True)
class Azure:
    """Where the stacks are in Azure, what they are called, whose they are."""

    location: str = setting("eastus2", "Region of the resource groups, of AKS and of the Key Vault.", form=NAME)
    subscription: str | None = setting(None, "Subscription; null for $ARM_SUBSCRIPTION_ID or the CLI's.", form=GUID)
    resourceGroup: str | None = setting(
        None, "Name of the stack's resource group; null for one made from the stack's name.", form=RESOURCE_GROUP
    )
    vaultName: str | None = setting(
        None, "Name of the shared stack's Key Vault; null for one made from the stack's name.", form=VAULT_NAME
    )
    principalType: Literal["User", "ServicePrincipal", "Group"] = setting(
        "User", "What the login is that runs the stacks: it is given the roles that seeding needs."
    )
    owner: str = setting("ratify-perf", "Tag `owner` of every resource: whom to ask.", form=LABEL)
    tags: Mapping[str, str] = setting(dict, "Further tags of every resource.")

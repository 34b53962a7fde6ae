"""The Key Vault of a shared stack, which keeps the signing certificate and signs with its key.

The certificate is no resource of azure-native: ``csscgen`` makes it once the vault is there.
"""

from __future__ import annotations

import pulumi
from pulumi_azure_native import keyvault, resources

from infra.azure import naming
from infra.azure.tags import tags
from infra.settings import Settings

KEPT_DAYS = 7
"""How long Azure keeps a deleted vault, and its name: the least that it takes."""


def vault(
    settings: Settings, group: resources.ResourceGroup, tenant: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> keyvault.Vault:
    """A vault whose rights are roles. It is reached from wherever csscgen runs, and from AKS."""
    name: pulumi.Input[str] = settings.azure.vaultName or naming.unique(
        "vault", "vault", [pulumi.get_stack(), "vault"], pulumi.ResourceOptions()
    )
    return keyvault.Vault(
        "vault",
        vault_name=name,
        resource_group_name=group.name,
        location=settings.azure.location,
        properties={
            "tenant_id": tenant,
            "sku": {"family": "A", "name": keyvault.SkuName.STANDARD},
            "enable_rbac_authorization": True,
            "enable_soft_delete": True,
            "soft_delete_retention_in_days": KEPT_DAYS,
            "public_network_access": "Enabled",
        },
        tags=tags(settings),
        opts=opts,
    )

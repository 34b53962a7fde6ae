"""The registries of a shared stack: one per region of the settings, each with a name of its own in all of Azure."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import containerregistry, resources

from infra.azure import naming
from infra.azure.tags import tags
from infra.settings import Region, Settings


class Registries(pulumi.ComponentResource):
    """Azure Container Registries. ``by_region`` has them by the name of their region in the settings."""

    by_region: dict[str, containerregistry.Registry]
    known: list[dict[str, Any]]
    """What a run has to know of each: region, size, host, id, name."""

    def __init__(
        self, name: str, settings: Settings, group: resources.ResourceGroup, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("ratify-perf:azure:Registries", name, None, opts)
        options = pulumi.ResourceOptions(parent=self)
        self.by_region = {
            region.name: _registry(region, settings, group, options) for region in settings.registry.regions
        }
        self.known = [
            {
                "region": region.name,
                "size": region.size,
                "host": self.by_region[region.name].login_server,
                "id": self.by_region[region.name].id,
                "name": self.by_region[region.name].name,
            }
            for region in settings.registry.regions
        ]
        self.register_outputs({"registries": self.known})


def _registry(
    region: Region, settings: Settings, group: resources.ResourceGroup, opts: pulumi.ResourceOptions
) -> containerregistry.Registry:
    what = f"registry-{region.name}"
    return containerregistry.Registry(
        what,
        registry_name=naming.unique("registry", what, [pulumi.get_project(), region.name], opts),
        resource_group_name=group.name,
        location=region.location or region.name,
        sku={"name": settings.registry.sku},
        admin_user_enabled=False,
        anonymous_pull_enabled=False,
        data_endpoint_enabled=settings.registry.dataEndpoint if settings.registry.sku == "Premium" else None,
        zone_redundancy="Enabled" if region.zones else "Disabled",
        public_network_access="Enabled",
        tags=tags(settings),
        opts=opts,
    )

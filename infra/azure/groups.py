"""The resource group of a stack, which everything that the stack makes is in, and the provider that makes it."""

from __future__ import annotations

import pulumi
import pulumi_azure_native as azure_native
from pulumi_azure_native import resources

from infra.azure import naming
from infra.azure.tags import tags
from infra.settings import Settings


def provider_options(settings: Settings) -> pulumi.ResourceOptions:
    """The options of what is at the top of a stack: the provider of the subscription that is set, if one is."""
    if settings.azure.subscription is None:
        return pulumi.ResourceOptions()
    provider = azure_native.Provider("azure", subscription_id=settings.azure.subscription)
    return pulumi.ResourceOptions(provider=provider)


def resource_group(settings: Settings, opts: pulumi.ResourceOptions) -> resources.ResourceGroup:
    """The resource group of this stack."""
    name: pulumi.Input[str] = settings.azure.resourceGroup or naming.unique(
        "resource group", "group", [pulumi.get_project(), pulumi.get_stack()], pulumi.ResourceOptions()
    )
    return resources.ResourceGroup(
        "group",
        resource_group_name=name,
        location=settings.azure.location,
        tags=tags(settings),
        opts=opts,
    )

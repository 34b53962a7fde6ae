"""What Azure would refuse, told before anything is made: its limits as data, and the settings that break them.

Sources: learn.microsoft.com, "Quotas, SKUs and regions in AKS", "Azure CNI Overlay", "Use kubenet", "Use tags".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from infra.settings import locations
from workloads.errors import named
from workloads.tags import TAGS

if TYPE_CHECKING:
    from infra.settings import Settings

ZONES = ("1", "2", "3")
LEAST_MAX_PODS = 10
"""Of a node pool."""
KUBENET_NODES = 400
"""As many routes as a route table has."""
SUBNET_ADDRESSES = 65_531
"""Of the subnet that AKS makes, a /16 of which Azure keeps 5."""
FREE_NODES = 1_000
"""Of a cluster whose API server is of tier Free."""
MOST_TAGS = 50
TAG_NAME, TAG_VALUE = 512, 256
"""Characters."""
NOT_IN_TAGS = "<>%&\\?/"

Contradiction = tuple[tuple[str, ...], str]


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    """All of them, of a stack on Azure."""
    if problem := locations.problem(settings.azure.location, bool(settings.cluster.zones)):
        yield ("azure.location", "cluster.zones"), f"azure.location: {problem}"
    for problem in _tags(settings.azure.tags):
        yield ("azure.tags",), f"azure.tags: {problem}"
    yield from _cluster(settings) if settings.sharedStack else _registries(settings)


def _tags(tags: Mapping[str, str]) -> Iterator[str]:
    if len(tags) > MOST_TAGS - len(TAGS):
        yield f"a resource has at most {MOST_TAGS} tags, {len(TAGS)} of them our own; got {len(tags)}."
    for tag, value in tags.items():
        if tag.lower() in TAGS:
            yield f"{tag} is a tag that every resource has already; leave it out."
        elif not 1 <= len(tag) <= TAG_NAME or set(tag) & set(NOT_IN_TAGS):
            yield f"{named(tag)} is no name of a tag: 1 to {TAG_NAME} characters, none of {NOT_IN_TAGS}."
        elif len(value) > TAG_VALUE:
            yield f"{named(tag)} has {len(value)} characters, and a tag at most {TAG_VALUE}."


def _registries(settings: Settings) -> Iterator[Contradiction]:
    registry = settings.registry
    if registry.anonymousPull:
        yield (
            ("registry.anonymousPull", "platform"),
            "registry.anonymousPull: registries on Azure are read with a login only; turn it off.",
        )
    for region in registry.regions:
        if problem := locations.problem(region.location or region.name, region.zones):
            yield ("registry.regions",), f"registry.regions: {region.name}: {problem}"
        if region.zones and registry.sku != "Premium":
            yield (
                ("registry.regions", "registry.sku"),
                f"registry.sku: {region.name} has zones, for which its SKU has to be Premium, not {registry.sku}.",
            )


def _cluster(settings: Settings) -> Iterator[Contradiction]:
    cluster = settings.cluster
    sized = ("cluster.nodes", "cluster.maxPods", "scenario.replicas", "scenario.size", "scenario.containers")
    zones = ", ".join(map(named, cluster.zones))
    if len(set(cluster.zones)) < len(cluster.zones) or not set(cluster.zones) <= set(ZONES):
        yield (
            ("cluster.zones",),
            f"cluster.zones: expected some of {', '.join(ZONES)}, each once, got {zones}.",
        )
    if cluster.maxPods < LEAST_MAX_PODS:
        yield (
            ("cluster.maxPods",),
            f"cluster.maxPods: a node of AKS takes at least {LEAST_MAX_PODS} pods, got {cluster.maxPods}.",
        )
    if cluster.tier == "Free" and settings.nodes > FREE_NODES:
        yield (
            ("cluster.tier", *sized),
            f"cluster.tier: tier Free has at most {FREE_NODES} nodes, and the stack has {settings.nodes}; take "
            "Standard, or auto.",
        )
    if cluster.networkPlugin == "kubenet" and settings.nodes > KUBENET_NODES:
        yield (
            ("cluster.networkPlugin", *sized),
            f"cluster.networkPlugin: kubenet has at most {KUBENET_NODES} nodes, and the stack has {settings.nodes}; "
            "take overlay.",
        )
    addresses = settings.nodes * (cluster.maxPods + 1)
    if cluster.networkPlugin == "azure" and addresses > SUBNET_ADDRESSES:
        yield (
            ("cluster.networkPlugin", *sized),
            f"cluster.networkPlugin: {settings.nodes} nodes with {cluster.maxPods} pods each take {addresses} of a "
            f"subnet's {SUBNET_ADDRESSES} addresses; take overlay, or lower cluster.maxPods.",
        )

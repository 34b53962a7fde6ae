"""What a stack makes in its cluster and its registry: counts that follow from the settings alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from csscgen.artifacts.negatives import attachments
from infra.settings import Settings
from infra.settings.aks import load_pools
from workloads.sizes import SYSTEM_PODS

AGGREGATED_EVENTS = 25
"""Events of one object and one source that are written before the client counts the rest together (client-go)."""
EVENTS_PER_CONTAINER = 3
"""Of a kubelet: pulled, created, started."""


@dataclass(frozen=True)
class Objects:
    """How many of what."""

    namespaces: int
    workloads: int
    replica_sets: int
    pods: int
    containers: int
    pods_to_be_denied: int
    repositories: int
    images: int
    attachments: int
    """Signatures, and what negative images have in their place."""
    events: int


@dataclass(frozen=True)
class Nodes:
    """The nodes, by what they are for."""

    total: int
    system: int
    load: int
    load_pools: tuple[int, ...]
    """Nodes of each pool that carries load."""
    most_pods_per_node: int
    """Pods of the load on the fullest node if they are spread evenly."""
    simulated: bool


def objects(settings: Settings) -> Objects:
    """The objects of a run's stack."""
    plan = settings.plan
    sets = plan.image_sets
    pods = plan.replicas
    kubelet = 0 if settings.platform == "local" else EVENTS_PER_CONTAINER * plan.containers
    created = sum(min(AGGREGATED_EVENTS, plan.pods(shard)) for shard in range(plan.shards))
    return Objects(
        namespaces=plan.namespaces,
        workloads=plan.shards,
        replica_sets=plan.shards if plan.kind == "deployment" else 0,
        pods=pods,
        containers=pods * plan.containers,
        pods_to_be_denied=sum(plan.pods(shard) for shard in range(plan.shards) if plan.must_be_denied(shard)),
        repositories=len(sets),
        images=sum(images.containers for images in sets),
        attachments=sum(sum(attachments(images, tag).values()) for images in sets for tag in images.tags),
        events=pods * (1 + kubelet) + created,  # one of the scheduler
    )


def nodes(settings: Settings) -> Nodes:
    """The nodes of a run's stack; on this machine all are simulated and carry load."""
    total = settings.nodes
    system = settings.cluster.systemNodes if settings.platform == "azure" else 0
    load = max(0, total - system)
    return Nodes(
        total=total,
        system=system,
        load=load,
        load_pools=tuple(load_pools(settings)) if settings.platform == "azure" else (load,),
        most_pods_per_node=ceil(settings.replicas / load) if load else 0,
        simulated=settings.platform == "local",
    )


def most_in_a_namespace(settings: Settings) -> tuple[int, int]:
    """Pods and workloads of the fullest namespace."""
    plan = settings.plan
    pods: dict[str, int] = {}
    workloads: dict[str, int] = {}
    for shard in range(plan.shards):
        name = plan.namespace(shard)
        pods[name] = pods.get(name, 0) + plan.pods(shard)
        workloads[name] = workloads.get(name, 0) + 1
    return max(pods.values()), max(workloads.values())


def system_pods(settings: Settings) -> int:
    """Pods of AKS' own, and those of Gatekeeper and Ratify."""
    own = settings.gatekeeper.replicas + 1 + settings.ratify.replicas
    return settings.nodes * SYSTEM_PODS + own if settings.platform == "azure" else 0

"""Scenario sizes as data: how many replicas, and how many nodes carry them.

The replicas and nodes are those of "Ratify Performance Load Testing for Azure", which the published results of Ratify
used too, so that a run here can be held against them. Nobody published how its nodes were counted. Ours are derived:
those that the pods fill, those that are set apart for the system, and a spare. At the four published sizes (40 pods a
node, 10 containers a pod) the spare is what makes them the published numbers; between two sizes it is on the straight
line between theirs, below the smallest and above the largest in proportion to the replicas.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Literal, get_args

SizeName = Literal["S", "M", "L", "XL"]

SIZE_NAMES: tuple[SizeName, ...] = get_args(SizeName)


@dataclass(frozen=True)
class Size:
    """Replicas (pods) of all workloads together, and nodes, as published."""

    replicas: int
    nodes: int


SIZES: dict[SizeName, Size] = {
    "S": Size(200, 11),
    "M": Size(2_000, 62),
    "L": Size(10_000, 307),
    "XL": Size(20_000, 702),
}

SYSTEM_NODES = 3
"""Nodes set apart for what is not load, one per availability zone."""
SYSTEM_PODS = 6
"""Pods of AKS' own on every node: network, proxy, two storage drivers, cloud node manager, masquerading."""
CONTAINERS_PER_NODE = 340
"""As many as the published test had on a Standard_D4s_v3: 34 pods with 10 containers. More were not tried."""
_PUBLISHED_CONTAINERS, _PUBLISHED_PODS = 10, 40


def pods_per_node(containers: int, max_pods: int) -> int:
    """Pods of the load that a node takes; 0 if it takes none."""
    return max(0, min(max_pods - SYSTEM_PODS, CONTAINERS_PER_NODE // containers))


def nodes_needed(replicas: int, containers: int, max_pods: int, system_nodes: int = SYSTEM_NODES) -> int | None:
    """Nodes, those of the system too, for pods with so many containers; None if a node takes none of them."""
    each = pods_per_node(containers, max_pods)
    return system_nodes + ceil(replicas / each) + _spare(replicas) if each else None


def _spare(replicas: int) -> int:
    points = [(0, 0)]
    for size in SIZES.values():
        filled = ceil(size.replicas / pods_per_node(_PUBLISHED_CONTAINERS, _PUBLISHED_PODS))
        points.append((size.replicas, size.nodes - SYSTEM_NODES - filled))
    for (low, below), (high, above) in pairwise(points):
        if replicas <= high:
            return round(below + (above - below) * (replicas - low) / (high - low))
    last, spare = points[-1]
    return round(spare * replicas / last)

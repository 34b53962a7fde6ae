"""What the settings mean for AKS: its pools, the tier of its API server, its way out.

Whoever declares the cluster and whoever plans it take it from here. Nothing here imports pulumi.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.settings import Settings

POOL_NODES = 1_000
"""Of one pool, at most."""
FEW_NODES = 10
"""What an API server of tier Free is advised for."""
OUTBOUND_ADDRESSES = 2
"""Of the NAT gateway: 64,512 connections each to one registry, for whichever node has need of them. A load balancer
would give each node a fixed share, of 64 ports at 702 nodes, and Ratify's requests would time out for want of ports."""


def load_pools(settings: Settings) -> list[int]:
    """The nodes of each pool of the load: as few pools as can be, of nearly the same size."""
    nodes = settings.nodes - settings.cluster.systemNodes
    count = -(-nodes // POOL_NODES)
    return [nodes // count + (index < nodes % count) for index in range(count)]


def tier(settings: Settings) -> str:
    """The tier of the API server: one that fits the nodes, if none is set."""
    if settings.cluster.tier != "auto":
        return settings.cluster.tier
    return "Free" if settings.nodes <= FEW_NODES else "Standard"

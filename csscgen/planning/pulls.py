"""What the nodes' kubelets pull: they share the registry's buckets with Ratify, and have an identity of their own.

All images share one config and one layer, so that a node downloads these once; every further image costs its manifest.
Each image is a login of its own (a 401 and a token), and each node one exchange of Entra ID's token for ACR's.
"""

from __future__ import annotations

from dataclasses import dataclass

from csscgen.planning.objects import Nodes
from csscgen.planning.requests import Requests, login
from infra.settings import Settings

READS_PER_IMAGE = 2
"""HEAD and GET of its manifest (containerd)."""
READS_PER_NODE = 2
"""The config and the layer."""


@dataclass(frozen=True)
class Pulls:
    """The pulls of all nodes together."""

    images_per_node: int
    pulls: int
    requests: Requests


def pulls(settings: Settings, shared: Settings, nodes: Nodes) -> Pulls | None:
    """The pulls of a run; None on this machine, whose nodes are simulated and pull nothing."""
    if nodes.simulated:
        return None
    plan = settings.plan
    sets = min(len(plan.image_sets), max(1, nodes.most_pods_per_node))
    images = sets * plan.containers
    filled = min(nodes.load, settings.replicas)
    how = login(shared)
    of_image = Requests(read=READS_PER_IMAGE)
    of_node = Requests(read=READS_PER_NODE)
    if how.asked:
        of_image += Requests(oauth=1, read_challenges=1)
        of_node += Requests(oauth=int(how.exchanged))
    total = of_image.times(images * filled) + of_node.times(filled)
    return Pulls(images, images * filled, total)

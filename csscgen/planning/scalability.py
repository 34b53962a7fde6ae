"""The control plane: counts against the thresholds that SIG Scalability tests, and what etcd has to keep."""

from __future__ import annotations

from dataclasses import dataclass

from csscgen.planning.data import limits, machine, model
from csscgen.planning.objects import Nodes, Objects, most_in_a_namespace, system_pods
from infra.settings import Settings

LEASE_SECONDS = 10
"""After which a kubelet renews its node's lease."""


@dataclass(frozen=True)
class Threshold:
    """A count and what SIG Scalability tests."""

    name: str
    value: int
    tested: int
    key: str
    """The setting that changes it."""

    @property
    def exceeded(self) -> bool:
        return self.value > self.tested


@dataclass(frozen=True)
class ApiLoad:
    """What the API server has to do for the pods, at the pace that the registry lets them come."""

    writes: int
    """Of pods, events and the nodes' leases: a guess."""
    pods_per_second: float


def api_load(objects: Objects, nodes: Nodes, seconds: float) -> ApiLoad:
    """The load of a run of so many seconds."""
    leases = nodes.total * seconds / LEASE_SECONDS
    writes = objects.pods * model().writes_per_pod + objects.events + leases
    return ApiLoad(round(writes), round(objects.pods / max(seconds, 1), 2))


def thresholds(settings: Settings, objects: Objects, nodes: Nodes) -> list[Threshold]:
    """Every threshold with the plan's count."""
    tested = limits().kubernetes
    pods_in_one, workloads_in_one = most_in_a_namespace(settings)
    rows = [
        Threshold("nodes", nodes.total, tested.nodes, "scenario.replicas"),
        Threshold("pods", objects.pods + system_pods(settings), tested.pods, "scenario.replicas"),
        Threshold("containers", objects.containers, tested.containers, "scenario.containers"),
        Threshold("pods per node", nodes.most_pods_per_node, _per_node(settings), "cluster.maxPods"),
        Threshold("namespaces", objects.namespaces, tested.namespaces, "scenario.namespaces"),
        Threshold("pods per namespace", pods_in_one, tested.pods_per_namespace, "scenario.namespaces"),
        Threshold("bytes of pods", _pods_bytes(settings, objects), tested.bytes_of_a_type, "scenario.containers"),
        Threshold("events", objects.events, tested.events, "scenario.containers"),
    ]
    if objects.replica_sets:
        deployments = tested.deployments_per_namespace
        rows.append(Threshold("deployments per namespace", workloads_in_one, deployments, "scenario.namespaces"))
    return rows


def etcd_bytes(settings: Settings, objects: Objects) -> int:
    """What etcd keeps of pods and events between two compactions; a cluster's may be twice as much."""
    known = model()
    return _pods_bytes(settings, objects) * known.revisions_per_pod + objects.events * known.bytes_per_event


def _pods_bytes(settings: Settings, objects: Objects) -> int:
    known = model()
    return objects.pods * (known.bytes_per_pod + settings.scenario.containers * known.bytes_per_container)


def _per_node(settings: Settings) -> int:
    """110, or 10 for each core of a node that is known."""
    tested = limits().kubernetes
    found = machine(settings.cluster.vmSize) if settings.platform == "azure" else None
    return min(tested.pods_per_node, tested.pods_per_core * found.cores) if found else tested.pods_per_node

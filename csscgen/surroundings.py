"""What a cluster is, asked once before the load: its version, its nodes, and whether its API server's metrics mean all.

A managed control plane has several API servers behind one address, and whoever asks for /metrics gets the page of one
of them. A count of fail-opens that misses most of the requests is worse than none, so it is not read then.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from csscgen.cluster import ApiError, Cluster
from csscgen.interruptions import run
from workloads.errors import ClusterError, brief

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
IDENTITY = {"labelSelector": "apiserver.kubernetes.io/identity=kube-apiserver"}
METRICS = "/metrics"
SECONDS = 20.0
UNKNOWN = "A page is of one API server, and whether there are others is not known: leases in kube-system are not told"


@dataclass(frozen=True)
class Surroundings:
    """What a cluster said of itself; None for what it did not tell."""

    version: str | None
    nodes: int | None
    servers: int | None
    """API servers behind the one address, by the leases that they take to say who they are; 0 if they take none."""
    unread: str | None
    """Why the API server's metrics cannot be had; None if they can."""

    def record(self) -> dict[str, str | int | None]:
        """For run.json."""
        return {"version": self.version, "nodes": self.nodes}


def look(kubeconfig: str) -> Surroundings:
    """Asks the cluster. Raises ClusterError if it does not answer at all, or the kubeconfig cannot be used."""
    return run(_look(kubeconfig))


async def _look(kubeconfig: str) -> Surroundings:
    async with Cluster(kubeconfig) as cluster:
        version, nodes = await _version(cluster), await _nodes(cluster)
        try:
            servers = len((await cluster.list(LEASES, IDENTITY))[0])
        except ApiError as error:
            return Surroundings(version, nodes, None, f"{UNKNOWN} ({brief(error)}).")
        unread = await _refusal(cluster) if servers <= 1 else several(servers)
        return Surroundings(version, nodes, servers, unread)


def several(servers: int) -> str:
    """Why a page of one of several API servers is not taken."""
    return (
        f"The cluster has {servers} API servers behind one address: a page is of one of them, and the others' counts "
        "are not had."
    )


async def _version(cluster: Cluster) -> str | None:
    try:
        told = (await cluster.request("GET", "/version")).get("gitVersion")
    except ApiError:
        return None
    return told if isinstance(told, str) else None


async def _nodes(cluster: Cluster) -> int | None:
    """How many there are; one of them is had, and the number of the others."""
    path = "/api/v1/nodes"
    try:
        page = await cluster.request("GET", path, params={"limit": "1"})
        found, metadata = page.get("items") or [], page.get("metadata") or {}
        if isinstance(others := metadata.get("remainingItemCount", 0), int) and ("continue" not in metadata or others):
            return len(found) + others
        return len((await cluster.list(path, {}))[0])
    except ApiError:
        return None


async def _refusal(cluster: Cluster) -> str | None:
    try:
        async with aclosing(cluster.read(METRICS, {}, SECONDS)) as pieces:
            async for _ in pieces:
                break
    except ApiError as error:
        return f"The API server answers {METRICS} with {error.code}: {brief(error)}."
    except ClusterError as error:
        return str(error)
    return None

"""Where on a cluster the system under test runs: on nodes that carry none of the load, if the cluster has such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LINUX = {"kubernetes.io/os": "linux"}


@dataclass(frozen=True)
class Placement:
    """Where Gatekeeper, Ratify, Prometheus, Dapr and Redis run; empty for anywhere."""

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, str]] = ()

    @property
    def selector(self) -> dict[str, str]:
        """A node selector, of Linux nodes in any case: there are no other images."""
        return {**LINUX, **self.node_selector}

    @property
    def tolerated(self) -> list[dict[str, str]]:
        return [dict(toleration) for toleration in self.tolerations]

    @property
    def pods(self) -> dict[str, Any]:
        """Both, as charts and pods spell them."""
        return {"nodeSelector": self.selector, "tolerations": self.tolerated}

    def affinity(self, labels: Mapping[str, str]) -> dict[str, Any]:
        """The same for a chart that knows no node selector, with the replicas of ``labels`` apart where that goes."""
        expressions = [{"key": key, "operator": "In", "values": [value]} for key, value in self.selector.items()]
        term = {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": "kubernetes.io/hostname"}
        return {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": expressions}]
                }
            },
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
            },
        }

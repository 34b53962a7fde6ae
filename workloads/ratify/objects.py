"""The workloads of a scenario as Kubernetes objects: Deployments, or Indexed Jobs, that share the replicas.

Pure data: the Pulumi program declares them, ``csscgen load`` creates them at a rate, and the watcher knows from the
same plan how many pods to expect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from workloads.naming import ImageSet
from workloads.negatives import variants
from workloads.referrers import Extra
from workloads.resources import KINDS

Kind = Literal["deployment", "job"]

RUN_LABEL = "ratify-perf/run-id"
WORKLOAD_LABEL = "ratify-perf/workload"
NAMESPACES = "ratify-perf-*"
"""The namespaces of every load, as Gatekeeper spells what several names begin with."""
PULL_SECRET = "ratify-perf-pull"
"""The login to the registry in each of them, where the nodes have none of their own."""


@dataclass(frozen=True)
class Plan:
    """What a scenario asks of the cluster."""

    kind: Kind
    shards: int
    replicas: int
    """Pods of all workloads together; they are shared evenly, the first workloads take what is left over."""
    containers: int
    signatures: int
    namespaces: int
    unique_images: bool
    job_seconds: int
    run_id: str
    negatives: Mapping[str, float] = field(default_factory=dict)
    """Kind of negative image → the share of the workloads that run it."""
    seed: int = 0
    """Says which workloads those are, and which images have an extra referrer."""
    restored: bool = False
    """Whether the negative images have genuine signatures as well."""
    referrers: tuple[Extra, ...] = ()
    """What is attached to shares of the images beside signatures. Ratify has no verifier for it and lets it be."""
    pull_secret: str | None = None
    """The secret in each namespace that images are pulled with; None where the nodes can by themselves."""

    @cached_property
    def image_sets(self) -> list[ImageSet]:
        """The images that have to be in the registry before the load, each set once."""
        return list(dict.fromkeys(self.images(shard) for shard in range(self.shards)))

    def images(self, shard: int) -> ImageSet:
        """The images that a workload runs: its own, or those that it shares with the others of its variant."""
        own = shard if self.unique_images else None
        seed = self.seed if self.referrers else 0
        return ImageSet(self.containers, self.signatures, own, self.variant(shard), self.restored, self.referrers, seed)

    def variant(self, shard: int) -> str | None:
        """The kind of negative image that a workload runs; None for genuine ones."""
        return self._variants[shard]

    def must_be_denied(self, shard: int) -> bool:
        """Whether admission has to refuse the pods of a workload, its images having no signature that is good."""
        return self.signatures == 0 or (self.variant(shard) is not None and not self.restored)

    @cached_property
    def _variants(self) -> list[str | None]:
        return variants(self.negatives, self.shards, self.seed)

    @property
    def namespace_names(self) -> list[str]:
        return [NAMESPACES.replace("*", str(number)) for number in range(self.namespaces)]

    def name(self, shard: int) -> str:
        """The name of a workload."""
        return f"ratify-{shard}"

    def namespace(self, shard: int) -> str:
        """The namespace of a workload."""
        return self.namespace_names[shard % self.namespaces]

    def pods(self, shard: int) -> int:
        """How many pods a workload is to have."""
        return self.replicas // self.shards + (shard < self.replicas % self.shards)


def namespace_objects(plan: Plan) -> list[dict[str, Any]]:
    """The namespaces that the workloads are in."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {RUN_LABEL: plan.run_id}}}
        for name in plan.namespace_names
    ]


def workload_objects(plan: Plan, host: str, places: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """One object for each of these places, or for all, whose images are on the registry ``host``."""
    return [_workload(plan, place, host) for place in (range(plan.shards) if places is None else places)]


def _workload(plan: Plan, shard: int, host: str) -> dict[str, Any]:
    labels = {RUN_LABEL: plan.run_id, WORKLOAD_LABEL: plan.name(shard)}
    metadata = {"name": plan.name(shard), "namespace": plan.namespace(shard), "labels": labels}
    template = {"metadata": {"labels": labels}, "spec": _pod_spec(plan, shard, host)}
    pods = plan.pods(shard)
    if plan.kind == "deployment":
        spec = {
            "replicas": pods,
            "selector": {"matchLabels": {WORKLOAD_LABEL: plan.name(shard)}},
            # A pod that is denied is a result, which the controller must not take for a rollout that hangs.
            "progressDeadlineSeconds": 86_400,
            "template": template,
        }
    else:
        spec = {
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            "backoffLimit": 0,
            "template": template,
        }
    api_version, kind, _ = KINDS[plan.kind]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _pod_spec(plan: Plan, shard: int, host: str) -> dict[str, Any]:
    images = plan.images(shard)
    # The waiter of the images waits for ever, or as long as it is told to.
    arguments = {"args": [f"{plan.job_seconds}s"]} if plan.kind == "job" else {}
    return {
        **({"imagePullSecrets": [{"name": plan.pull_secret}]} if plan.pull_secret else {}),
        "containers": [
            {"name": f"{images.repository}-{tag}", "image": reference, **arguments}
            for tag, reference in zip(images.tags, images.references(host), strict=True)
        ],
        "restartPolicy": "Never" if plan.kind == "job" else "Always",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
    }

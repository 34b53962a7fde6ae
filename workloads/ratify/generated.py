"""Objects for other load generators: what ``csscgen genk8s`` prints, as data.

The shapes are those of the tool of the same name that Ratify's published load test used
(github.com/akashsinghal/csscgen, cmd/csscgen/cmd/genk8s.go): a Deployment or an Indexed Job with the labels ``group``
and ``name`` and a container per image. What was added to it comes only where it is asked for, so that a pipeline made
for that tool gets what it got, without the empty fields that Go writes. A pod, which that tool announced and refused,
has the label ``name`` too.

An object is made once, with placeholders where one differs from the next: in its name, its namespace, and the
repository of its images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from workloads.naming import ImageSet
from workloads.ratify.objects import Plan
from workloads.referrers import Extra
from workloads.resources import KINDS

ResourceType = Literal["deployment", "job", "pod"]


@dataclass(frozen=True)
class Mix:
    """What a scenario's images are beside genuine ones with signatures; the fields are those of a ``Plan``."""

    negatives: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    restored: bool = False
    referrers: tuple[Extra, ...] = ()


@dataclass(frozen=True)
class Generation:
    """What is asked for."""

    type: ResourceType
    host: str
    containers: int
    referrers: int
    replicas: int
    """Pods of all objects together; the first objects have those that are left over."""
    shards: int = 1
    """Deployments or Jobs that share them. Each pod is an object of its own."""
    unique_images: bool = False
    """Whether each Deployment, Job or pod has images of its own, ``<repository>-<index>``."""
    job_seconds: int | None = None
    """How long a container of a Job runs; None for as long as its image does by itself."""
    requests: Mapping[str, str] = field(default_factory=dict)
    """Of each container, by resource."""
    limits: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, str]] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of every object and its pods, beside ``group`` and ``name``."""
    pull_secret: str | None = None
    mix: Mix = field(default_factory=Mix)

    @property
    def objects(self) -> int:
        return self.replicas if self.type == "pod" else self.shards

    def pods(self, index: int) -> int:
        """How many pods an object has."""
        return self._plan.pods(index)

    def images(self, index: int) -> ImageSet:
        """The images of an object: the ones that a run with the same scenario gives to its workload of that number."""
        return self._plan.images(index)

    @cached_property
    def _plan(self) -> Plan:
        """The scenario in which each object is a workload. A pod counts as one too: what kind it is decides nothing."""
        return Plan(
            kind="deployment",
            shards=self.objects,
            replicas=self.replicas,
            containers=self.containers,
            signatures=self.referrers,
            namespaces=1,
            unique_images=self.unique_images,
            job_seconds=0,
            run_id="",
            negatives=self.mix.negatives,
            seed=self.mix.seed,
            restored=self.mix.restored,
            referrers=self.mix.referrers,
        )


def template(asked: Generation, pods: int, *, name: str, group: str, namespace: str, repository: str) -> dict[str, Any]:
    """One object with so many pods. What is given for name, group, namespace and repository may be placeholders.

    ``namespace`` is empty for an object that has none.
    """
    api_version, kind, _ = KINDS[asked.type]
    labels = {"group": group, **asked.labels}
    metadata: dict[str, Any] = {"name": name, **({"namespace": namespace} if namespace else {}), "labels": labels}
    spec = _pod_spec(asked, repository)
    if asked.type == "pod":
        metadata["labels"] = {"name": name, **labels}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
    if asked.type == "job":
        body = {
            "parallelism": pods,
            "completions": pods,
            "completionMode": "Indexed",
            "template": {"metadata": {"labels": labels}, "spec": {**spec, "restartPolicy": "OnFailure"}},
        }
    else:
        body = {
            "replicas": pods,
            "selector": {"matchLabels": {"name": name}},
            "template": {"metadata": {"labels": {"name": name, **labels}}, "spec": spec},
        }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": body}


def _pod_spec(asked: Generation, repository: str) -> dict[str, Any]:
    images = ImageSet(asked.containers, asked.referrers)
    resources = {"requests": dict(asked.requests), "limits": dict(asked.limits)}
    resources = {what: amounts for what, amounts in resources.items() if amounts}
    extra: dict[str, Any] = {"resources": resources} if resources else {}
    if asked.job_seconds is not None:
        extra["args"] = [f"{asked.job_seconds}s"]
    spec: dict[str, Any] = {
        "containers": [
            {"name": f"{images.repository}{tag}", "image": f"{asked.host}/{repository}:{tag}", **extra}
            for tag in images.tags
        ]
    }
    if asked.pull_secret:
        spec["imagePullSecrets"] = [{"name": asked.pull_secret}]
    if asked.tolerations:
        spec["tolerations"] = [dict(each) for each in asked.tolerations]
    if asked.node_selector:
        spec["nodeSelector"] = dict(asked.node_selector)
    return spec

"""The workloads of a scenario as resources of the stack, and the namespaces that they are in.

Their readiness is not awaited: a pod that is denied is a result to be measured, not an update that failed. Whoever
drives the load watches the pods.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from workloads.ratify.objects import Plan, namespace_objects, workload_objects

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
_HOST = "registry.invalid"
"""Stands for the registry's host, which a preview does not know: only the images wait for it."""


class Namespaces(pulumi.ComponentResource):
    """The namespaces of a scenario."""

    names: list[pulumi.Output[str]]

    def __init__(self, name: str, plan: Plan, opts: pulumi.ResourceOptions, children: pulumi.ResourceOptions) -> None:
        super().__init__("ratify-perf:kubernetes:Namespaces", name, None, opts)
        options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
        namespaces = [
            k8s.core.v1.Namespace(f"{name}-{index}", metadata=body["metadata"], opts=options)
            for index, body in enumerate(namespace_objects(plan))
        ]
        self.names = [namespace.metadata.apply(lambda metadata: str(metadata.name)) for namespace in namespaces]
        self.register_outputs({"names": self.names})


class Workloads(pulumi.ComponentResource):
    """The Deployments or Jobs of a scenario, with images from one registry."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        host: pulumi.Output[str],
        opts: pulumi.ResourceOptions,
        children: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("ratify-perf:kubernetes:Workloads", name, None, opts)
        options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
        kind: Any = {"deployment": k8s.apps.v1.Deployment, "job": k8s.batch.v1.Job}[plan.kind]
        images: dict[str, pulumi.Output[str]] = {}
        for shard, body in enumerate(workload_objects(plan, _HOST)):
            for container in body["spec"]["template"]["spec"]["containers"]:
                reference = container["image"].removeprefix(_HOST)
                if reference not in images:
                    images[reference] = pulumi.Output.concat(host, reference)
                container["image"] = images[reference]
            metadata = {**body["metadata"], "annotations": SKIP_AWAIT}
            kind(workload_resource(shard), metadata=metadata, spec=body["spec"], opts=options)
        self.register_outputs({})


def workload_resource(shard: int) -> str:
    """The resource name of one workload."""
    return f"workload-{shard}"

"""Simulated nodes: kwok plays the kubelet of every node, so that pods become Ready without a container being run.

The nodes are made here and not one by one in the program: an XL stack has 702 of them, which is work for one resource
and not for 702. They are born Ready, with the allocatable resources of the settings; kwok is told what happens to pods.
The stages are this project's own, after the Stage API of kwok.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pulumi
import yaml
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.local.control_plane import ControlPlane
from infra.local.site import Identities, Site

PORTS = ("kwok",)
IDENTITIES: Identities = {"kwok": ("kwok", ["ratify-perf:kwok"])}

LABEL = "ratify-perf/simulated-node"
PARALLEL = 8

_NODE_STATUS = """
{{ $now := Now }}
conditions:
- type: Ready
  status: "True"
  reason: Simulated
  message: kwok plays the kubelet
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
"""

_POD_STATUS = """
{{ $now := Now }}
phase: Running
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" )
          ( or .metadata.namespace "" ) | Quote }}
startTime: {{ $now | Quote }}
conditions:
{{ range $type := list "Initialized" "PodReadyToStartContainers" "ContainersReady" "Ready" }}
- type: {{ $type }}
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
"""

_COMPLETED = """
{{ $now := Now }}
{{ $root := . }}
phase: Succeeded
conditions:
{{ range $type := list "ContainersReady" "Ready" }}
- type: {{ $type }}
  status: "False"
  reason: PodCompleted
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: false
  started: false
  restartCount: 0
  state:
    terminated: {exitCode: 0, reason: Completed, startedAt: {{ $root.status.startTime | Quote }},
                 finishedAt: {{ $now | Quote }}}
{{ end }}
"""


def stages(job_seconds: int) -> str:
    """kwok's configuration: what happens to a pod on a simulated node. A Job's containers end after ``job_seconds``."""
    alive = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    owner = ".metadata.ownerReferences.[].kind"
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokConfiguration",
            # Four at a time, the default, would be the limit of the whole control plane.
            "options": {"podPlayStageParallelism": 32, "nodePlayStageParallelism": 8},
        },
        # Without a stage for nodes kwok would not take up any.
        _stage(
            "node-ready",
            [
                {
                    "key": '.status.conditions.[] | select( .type == "Ready" ) | .status',
                    "operator": "NotIn",
                    "values": ["True"],
                }
            ],
            {"statusTemplate": _NODE_STATUS},
            kind="Node",
        ),
        _stage(
            "pod-ready", [alive, {"key": ".status.podIP", "operator": "DoesNotExist"}], {"statusTemplate": _POD_STATUS}
        ),
        _stage(
            "pod-complete",
            [
                alive,
                {"key": ".status.phase", "operator": "In", "values": ["Running"]},
                {"key": owner, "operator": "In", "values": ["Job"]},
            ],
            {"statusTemplate": _COMPLETED},
            delay=job_seconds,
        ),
        _stage(
            "pod-delete",
            [{"key": ".metadata.deletionTimestamp", "operator": "Exists"}],
            {"delete": True},
        ),
    ]
    return yaml.safe_dump_all(documents, sort_keys=False)


def _stage(
    name: str, when: list[dict[str, Any]], then: dict[str, Any], *, kind: str = "Pod", delay: int = 0
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": when},
        "next": then,
    }
    if delay:
        spec["delay"] = {"durationMilliseconds": delay * 1000}
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def node(number: int, cpu: str, memory: str, max_pods: int) -> Any:
    """The Node object of one simulated node, Ready from the start."""
    resources = {"cpu": cpu, "memory": memory, "pods": str(int(max_pods))}  # the CLI hands numbers on as floats
    name = f"node-{number:04d}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {LABEL: "true", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Simulated", "message": "kwok plays the kubelet"}
            ],
            "nodeInfo": dict.fromkeys(
                (
                    "architecture",
                    "bootID",
                    "containerRuntimeVersion",
                    "kernelVersion",
                    "kubeProxyVersion",
                    "kubeletVersion",
                    "machineID",
                    "operatingSystem",
                    "osImage",
                    "systemUUID",
                ),
                "simulated",
            ),
        },
    }


class _NodesProvider(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        self._converge(props)
        return CreateResult("nodes", props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        replaces = ["shape"] if olds["shape"] != news["shape"] else []
        return DiffResult(changes=bool(replaces) or olds["count"] != news["count"], replaces=replaces)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        self._converge(news)
        return UpdateResult(news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        self._converge({**props, "count": 0})

    def recover(self, props: dict[str, Any]) -> None:
        """Nothing: a create that is repeated takes up the nodes that are there."""

    def _converge(self, props: dict[str, Any]) -> None:
        """Makes the simulated nodes that lack and deletes those that are too many."""
        from kubernetes import client, config

        api = client.CoreV1Api(config.new_client_from_config_dict(json.loads(props["kubeconfig"])))  # type: ignore[no-untyped-call]
        present = {str(item.metadata.name) for item in api.list_node(label_selector=LABEL).items if item.metadata}
        wanted = {
            body["metadata"]["name"]: body for body in (node(i, **props["shape"]) for i in range(int(props["count"])))
        }
        work: list[Callable[[], object]] = [
            partial(api.create_node, body) for name, body in wanted.items() if name not in present
        ]
        work += [partial(api.delete_node, name) for name in present - wanted.keys()]
        with ThreadPoolExecutor(PARALLEL) as pool:
            for done in [pool.submit(call) for call in work]:
                done.result()


class SimulatedNodes(Resource, module="local", name="SimulatedNodes"):
    """A number of Node objects of one shape."""

    count: pulumi.Output[int]

    def __init__(
        self,
        resource_name: str,
        *,
        kubeconfig: pulumi.Input[str],
        count: int,
        cpu: str,
        memory: str,
        max_pods: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        shape = {"cpu": cpu, "memory": memory, "max_pods": max_pods}
        super().__init__(
            _NodesProvider(), resource_name, {"kubeconfig": kubeconfig, "count": count, "shape": shape}, opts
        )


class Kwok(pulumi.ComponentResource):
    """kwok and the nodes that it plays."""

    def __init__(
        self,
        name: str,
        site: Site,
        control_plane: ControlPlane,
        *,
        count: int,
        cpu: str,
        memory: str,
        max_pods: int,
        job_seconds: int,
        after: list[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ratify-perf:local:Kwok", name, None, opts)
        kubeconfig, written = control_plane.kubeconfig_file("kwok", self)
        configured = site.write("kwok.yaml", stages(job_seconds), parent=self)
        site.start(
            "kwok",
            "kwok",
            [
                f"--kubeconfig={kubeconfig}",
                f"--config={site.file('kwok.yaml')}",
                "--manage-all-nodes=true",
                "--node-ip=127.0.0.1",
                "--cidr=10.0.0.0/10",
                pulumi.Output.concat("--server-address=127.0.0.1:", site.ports.of("kwok").apply(str)),
            ],
            parent=self,
            ready={"http": site.url("http", "kwok", "/healthz")},
            metrics=site.url("http", "kwok", "/metrics"),
            after=[control_plane.api_server, configured, written, *after],
            patience=0.5,
        )
        SimulatedNodes(
            "nodes",
            kubeconfig=control_plane.kubeconfig,
            count=count,
            cpu=cpu,
            memory=memory,
            max_pods=max_pods,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[control_plane.api_server], deleted_with=control_plane.api_server
            ),
        )
        self.register_outputs({})

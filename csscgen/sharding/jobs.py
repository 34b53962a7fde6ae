"""The Indexed Job that sends a load from inside of the cluster, and all that it needs there.

Each pod is a shard. It may create and delete the workloads of the scenario in the scenario's namespaces, and nothing
else; it runs in a namespace that is none of the scenario's, with the restricted Pod Security Standard
(kubernetes.io/docs/concepts/security/pod-security-standards).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from csscgen.sharding.plans import ShardPlan
from csscgen.sharding.processes import PLAN, SEND
from workloads.ratify.objects import RUN_LABEL
from workloads.resources import KINDS

NAME = "csscgen-load"
NAMESPACE = "cluster-loader"
"""The load generator of the published test had it, and Gatekeeper leaves it alone: else it would ask Ratify for the
drivers' image, and refuse it."""
FOLDER = "/etc/csscgen"
RESOURCES = {"cpu": "1", "memory": "1Gi"}
"""Of a pod: a driver sends from one core, and must not share it while it measures."""
USER = 65532
KEPT_SECONDS = 86_400
"""How long the Job and its logs are there when it has ended."""


def documents(load: ShardPlan, image: str, resources: Mapping[str, str] = RESOURCES) -> list[dict[str, Any]]:
    """The objects to apply, in order; ``image`` has csscgen of this version.

    Raises UsageError if the plan is too large.
    """
    return [
        _namespace(),
        _object("v1", "ServiceAccount", load, automountServiceAccountToken=False),
        *(each for namespace in load.plan.namespace_names for each in _permission(load, namespace)),
        _object("v1", "ConfigMap", load, data={PLAN: load.dump().decode()}, immutable=True),
        _object("batch/v1", "Job", load, spec=_job(load, image, resources)),
    ]


def _object(version: str, kind: str, load: ShardPlan, namespace: str = NAMESPACE, **more: Any) -> dict[str, Any]:
    metadata = {"name": NAME, "namespace": namespace, "labels": {RUN_LABEL: load.plan.run_id}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _namespace() -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _permission(load: ShardPlan, namespace: str) -> list[dict[str, Any]]:
    """What a shard may do in one of the scenario's namespaces."""
    workload = KINDS[load.plan.kind]
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [workload.group], "resources": [workload.plural], "verbs": ["create", "delete"]}]
    return [
        _object(f"{rbac}/v1", "Role", load, namespace, rules=rules),
        _object(
            f"{rbac}/v1",
            "RoleBinding",
            load,
            namespace,
            roleRef={"apiGroup": rbac, "kind": "Role", "name": NAME},
            subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        ),
    ]


def _job(load: ShardPlan, image: str, resources: Mapping[str, str]) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": NAME}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "completionMode": "Indexed",
        "completions": load.shards,
        "parallelism": load.shards,
        "backoffLimit": 0,  # a shard that begins anew would send its objects a second time
        "ttlSecondsAfterFinished": KEPT_SECONDS,
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": NAME,
                "automountServiceAccountToken": True,
                "enableServiceLinks": False,
                "topologySpreadConstraints": [spread],
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(image, resources)],
                "volumes": [{"name": "plan", "configMap": {"name": NAME}}],
            },
        },
    }


def _container(image: str, resources: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": "shard",
        "image": image,
        "command": ["csscgen", *SEND, f"{FOLDER}/{PLAN}"],
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "plan", "mountPath": FOLDER, "readOnly": True}],
    }

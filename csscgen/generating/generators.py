"""The same objects for ClusterLoader2 and for kube-burner: a template with their placeholders, and a test that uses it.

Both make many objects from one template, so the objects have to be alike: as many pods in each, and as many objects in
each namespace. The fields and placeholders are those of github.com/kubernetes/perf-tests, clusterloader2/api/types.go
and docs, and of github.com/kube-burner/kube-burner, docs/reference/configuration.md. Neither can be had as a Go module,
so neither was run on what is written here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from csscgen.generating.documents import dumped
from workloads.errors import UsageError
from workloads.ratify.generated import KINDS, Generation, template

TIMEOUT = "1h"


@dataclass(frozen=True)
class Pace:
    """How fast the objects are created."""

    qps: float
    """Objects per second."""
    burst: int
    """Of those, at once."""


def cluster_loader(asked: Generation, *, name: str, group: str, namespaces: int, pace: Pace) -> dict[str, str]:
    """The files of a test for ClusterLoader2 by their names. Raises UsageError for objects that are not alike.

    ``.Name`` is the basename with the object's index, which begins with 0 in each namespace; what is in a namespace of
    its own is counted on from ``.First``.
    """
    each, pods = _alike(asked, namespaces)
    file = f"{asked.type}.yaml"
    index = "{{AddInt .First .Index}}"
    made = template(asked, pods, name="{{.Name}}", group="{{.Group}}", namespace="", index=index)
    api_version, kind = KINDS[asked.type]
    start: dict[str, Any] = {"labelSelector": f"group = {group}"}
    gather: dict[str, Any] = {"action": "gather"}
    if asked.type == "pod":
        method = "WaitForRunningPods"
        starting = []  # it only waits
        waiting = {**start, "desiredPodCount": asked.replicas, "timeout": TIMEOUT}
    else:
        ends = asked.type == "job" and asked.job_seconds is not None
        method = "WaitForFinishedJobs" if ends else "WaitForControlledPodsRunning"
        what = {} if ends else {"apiVersion": api_version, "kind": kind, "operationTimeout": TIMEOUT}
        starting = [_measurement(method, {"action": "start", **what, **start})]
        waiting = {**gather, **({"timeout": TIMEOUT} if ends else {})}
    latency = {"action": "start", **start, "threshold": TIMEOUT}
    config = {
        "name": name,
        "namespace": {"number": namespaces, "prefix": name},
        "tuningSets": [{"name": "Load", "globalQPSLoad": {"qps": pace.qps, "burst": pace.burst}}],
        "steps": [
            {"name": "Begin to watch", "measurements": [*starting, _measurement("PodStartupLatency", latency)]},
            {
                "name": "Create the load",
                "phases": [
                    {
                        "namespaceRange": {"min": number + 1, "max": number + 1},
                        "replicasPerNamespace": each,
                        "tuningSet": "Load",
                        "objectBundle": [
                            {
                                "basename": name,
                                "objectTemplatePath": file,
                                "templateFillMap": {"Group": group, "First": number * each},
                            }
                        ],
                    }
                    for number in range(namespaces)
                ],
            },
            {"name": "Wait until it runs", "measurements": [_measurement(method, waiting)]},
            {"name": "Collect", "measurements": [_measurement("PodStartupLatency", gather)]},
        ],
    }
    return {"config.yaml": dumped(config), file: dumped(made)}


def kube_burner(asked: Generation, *, name: str, group: str, namespaces: int, pace: Pace) -> dict[str, str]:
    """The files of a job for kube-burner by their names. Raises UsageError for objects that are not alike.

    ``.Iteration`` begins with 0 and has a namespace, ``.Replica`` begins with 1 in each.
    """
    each, pods = _alike(asked, namespaces)
    file = f"{asked.type}.yaml"
    index = f"{{{{sub (add (mul .Iteration {each}) .Replica) 1}}}}"
    made = template(
        asked, pods, name=f"{name}-{{{{.Iteration}}}}-{{{{.Replica}}}}", group=group, namespace="", index=index
    )
    config = {
        "global": {"measurements": [{"name": "podLatency"}]},
        "jobs": [
            {
                "name": name,
                "namespace": name,
                "namespacedIterations": True,
                "jobIterations": namespaces,
                "qps": pace.qps,
                "burst": pace.burst,
                "waitWhenFinished": True,
                "podWait": False,
                "maxWaitTimeout": TIMEOUT,
                # A DaemonSet that pulled the images first would have them verified before the load comes.
                "preLoadImages": False,
                "objects": [{"objectTemplate": file, "replicas": each}],
            }
        ],
    }
    return {"config.yaml": dumped(config), file: dumped(made)}


GENERATORS: dict[str, Callable[..., dict[str, str]]] = {"clusterloader2": cluster_loader, "kube-burner": kube_burner}
"""By the name of the format."""


def _alike(asked: Generation, namespaces: int) -> tuple[int, int]:
    """Objects in each namespace, and pods of each object."""
    if asked.type != "pod" and asked.replicas % asked.shards:
        raise UsageError(
            f"{asked.replicas} pods cannot be shared evenly by {asked.shards} objects, and a template has one number "
            "of replicas. Make --num-replicas a multiple of --shards."
        )
    if asked.objects % namespaces:
        raise UsageError(
            f"{asked.objects} objects cannot be spread evenly over {namespaces} namespaces, and a template is used as "
            "often in each. Make their number a multiple of --namespaces."
        )
    return asked.objects // namespaces, asked.pods(0)


def _measurement(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"Identifier": method, "Method": method, "Params": params}

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
from workloads.naming import ImageSet
from workloads.ratify.generated import Generation, template
from workloads.resources import KINDS

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

    ``.Name`` is the basename with the object's index, which begins with 0 in each namespace. Where each object
    has images of its own, a namespace has a phase of its own, that says with which number it begins: ``.First``.
    """
    each, pods = _alike(asked, namespaces)
    file = f"{asked.type}.yaml"
    repository = _repository(asked, "{{AddInt .First .Index}}")
    made = template(asked, pods, name="{{.Name}}", group="{{.Group}}", namespace="", repository=repository)
    api_version, kind, _ = KINDS[asked.type]
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
    own = asked.unique_images
    ranges = [(number, number + 1) for number in range(namespaces)] if own else [(0, namespaces)]
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
                        "namespaceRange": {"min": number + 1, "max": last},
                        "replicasPerNamespace": each,
                        "tuningSet": "Load",
                        "objectBundle": [
                            {
                                "basename": name,
                                "objectTemplatePath": file,
                                "templateFillMap": {"Group": group, **({"First": number * each} if own else {})},
                            }
                        ],
                    }
                    for number, last in ranges
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
    if pace.qps < 1:  # it waits in int(qps) goroutines: pkg/burner/create.go
        raise UsageError(f"kube-burner waits for ever at {pace.qps:g} objects per second: give --qps 1 or more.")
    file = f"{asked.type}.yaml"
    repository = _repository(asked, f"{{{{sub (add (mul .Iteration {each}) .Replica) 1}}}}")
    numbered = f"{name}-{{{{.Iteration}}}}-{{{{.Replica}}}}"
    made = template(asked, pods, name=numbered, group=group, namespace="", repository=repository)
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
    if asked.mix.negatives or asked.mix.referrers:
        raise UsageError(
            "The scenario has negative images or extra referrers, and a template has images of one kind. Leave them "
            "out with --set scenario.negatives={} --set scenario.referrers=[], or take the format yaml or jsonl."
        )
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


def _repository(asked: Generation, index: str) -> str:
    """The repository of an object's images, where ``index`` is what becomes the object's number."""
    shared = ImageSet(asked.containers, asked.referrers).repository
    return f"{shared}-{index}" if asked.unique_images else shared


def _measurement(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"Identifier": method, "Method": method, "Params": params}

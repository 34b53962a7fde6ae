"""The record of a run that was none: a stack that `pulumi up` loaded, looked at after the fact.

The cluster still knows its pods, its workloads and, for an hour, its events; a Prometheus knows the metrics of then.
Out of that comes the folder of a run like any other, with less in it. Times are the API server's, in whole seconds, and
no local clock: nobody watched. When each object was sent is not known, nor what was deleted since, and such figures are
null with that reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analysis.formats import utc
from analysis.samples import Window
from csscgen import httpconfigs
from csscgen.backfilling import backfill
from csscgen.checkpoints import Checkpoints
from csscgen.cluster import Cluster
from csscgen.collecting import collect
from csscgen.context import Context
from csscgen.interruptions import run
from csscgen.objects import ReplicaPod, epoch
from csscgen.prometheus import Prometheus
from csscgen.replicas import Component, Replicas
from csscgen.runs import Run
from csscgen.spools import PARQUET
from csscgen.surroundings import Surroundings, look
from csscgen.tracking import NOT_CREATED, Pod, Tracker, last_moment
from workloads.errors import UsageError
from workloads.ratify.metrics import APISERVER
from workloads.ratify.objects import RUN_LABEL, Plan
from workloads.resources import KINDS

Objects = list[dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """What a cluster still knows of a load."""

    pods: Objects
    workloads: Objects
    events: Objects
    """Warnings."""


class UnwatchedTracker(Tracker):
    """What became of every pod of a plan by what the API server says now: no milestone has a local time."""

    def __init__(self, plan: Plan) -> None:
        self.moment = 0.0
        """Of the event that is looked at."""
        super().__init__(plan, lambda: self.moment)

    def _reach(self, record: Pod, milestone: str, server: datetime | None) -> None:
        super()._reach(record, milestone, server)
        record.local[milestone] = None

    def take(self, found: Found, since: float) -> None:
        """Takes in what was found; events before ``since`` are of an earlier load."""
        for pod in found.pods:
            self.on_pod("ADDED", pod)
        for workload in found.workloads:
            self.on_workload("ADDED", workload)
        for moment, event in sorted(_told(found.events, since), key=lambda one: one[0]):
            self.moment = moment
            self.on_event("ADDED", event)


def is_due(context: Context) -> bool:
    """Whether the stack's cluster carries a load that no run of csscgen's has sent.

    A run gives its objects its own id; what the stack alone declares has the id of its settings.
    """
    if context.settings.platform == "local":
        return False
    return bool(run(_find(context.outputs()["kubeconfig"], context.settings.plan, only_workloads=True)).workloads)


def gather(context: Context) -> Run:
    """Makes the record and collects logs into it.

    Raises UsageError if the cluster has no load of the stack's, ClusterError or CollectError if something cannot be
    had; of the record there is then what had come before.
    """
    outputs, settings = context.outputs(), context.settings
    found = run(_find(outputs["kubeconfig"], settings.plan))
    began = _began(found)
    if began is None:
        raise UsageError(
            f"There is no load of stack {context.stack.name} on its cluster: no workload has the label "
            f"{RUN_LABEL}={settings.runId}. Load it (load.start), or use `{context.named('run')}`."
        )
    tracker = UnwatchedTracker(settings.plan)
    tracker.take(found, began)
    window = Window(began, _ended(tracker, found, began) + 1)  # its last second is begun, by a clock of whole seconds
    around = look(outputs["kubeconfig"])
    record = _record(context, window, around)
    Checkpoints(record.folder, tracker, ()).write()
    (record.folder / "requests.jsonl").unlink()  # nobody knows, which is not the same as none
    with record.phase(context.progress, "collect"):
        _metrics(context, record, outputs, window, around)
        collect(context, record)
    return record


def _record(context: Context, window: Window, around: Surroundings) -> Run:
    return Run.of(
        context,
        started_at=utc(window.start),
        finished_at=utc(window.end),
        window={"start": window.start, "end": window.end},
        cluster=around.record(),
        collected_afterwards=True,
    )


def _metrics(context: Context, record: Run, outputs: dict[str, Any], window: Window, around: Surroundings) -> None:
    """The pods of Ratify and Gatekeeper as they are now, and what Prometheus has of them."""
    replicas = Replicas(Component.of(outputs), "", None, record.folder)
    run(_list(outputs["kubeconfig"], replicas))
    record.versions.update(replicas.versions())
    targets: list[str] = []
    if prometheus := Prometheus.of(outputs, httpconfigs.of(context)):
        record.prometheus = {"url": prometheus.url}
        targets = backfill(
            prometheus,
            window,
            replicas.components,
            replicas.pods.values(),
            record.folder / PARQUET,
            lambda what: context.progress.update(f"awaiting {what}"),
            around.servers,
        )
    record.unscraped = replicas.unscraped(targets)
    if around.unread and not any(target.startswith(APISERVER) for target in targets):
        record.unscraped[APISERVER] = around.unread
    record.save()


async def _find(kubeconfig: str, plan: Plan, *, only_workloads: bool = False) -> Found:
    ours = {"labelSelector": f"{RUN_LABEL}={plan.run_id}"}
    async with Cluster(kubeconfig) as cluster:
        workloads, _ = await cluster.list(KINDS[plan.kind].path(), ours)
        if only_workloads:
            return Found([], workloads, [])
        pods, _ = await cluster.list("/api/v1/pods", ours)
        events, _ = await cluster.list("/api/v1/events", {"fieldSelector": "type=Warning"})
        return Found(pods, workloads, events)


async def _list(kubeconfig: str, replicas: Replicas) -> None:
    async with Cluster(kubeconfig) as cluster:
        for component in replicas.components:
            for pod in (await cluster.list(component.path, component.query, ReplicaPod))[0]:
                replicas.follow(component, "LISTED", pod)
    replicas.begin()


def _began(found: Found) -> float | None:
    """When the first workload was created; None if there is none."""
    created = [epoch(item["metadata"].get("creationTimestamp")) for item in found.workloads]
    return min((moment for moment in created if moment is not None), default=None)


def _ended(tracker: Tracker, found: Found, began: float) -> float:
    """When the last pod came further, or the last one was refused."""
    reached = [moment for pod in tracker.pods.values() for moment in pod.server.values()]
    refused = [moment for moment, event in _told(found.events, began) if event.get("reason") in NOT_CREATED]
    return min(max([began, *reached, *refused]), time.time())


def _told(events: Objects, since: float) -> list[tuple[float, dict[str, Any]]]:
    """The events that happened since then, with their moments."""
    told = ((last_moment(event), event) for event in events)
    return [(moment, event) for moment, event in told if moment is not None and moment >= since]

"""What becomes of every pod of the plan: its milestones by both clocks, and how it ended.

Fed with watch events, by one thread. A pod that the plan expects and that never came into being is accounted for all
the same: as denied if admission was the reason that its workload's controller gave, as missing otherwise.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from csscgen.objects import epoch
from csscgen.reasons import group
from workloads.ratify.causes import OTHER, classify, may_pass, refused
from workloads.ratify.objects import WORKLOAD_LABEL, Plan

MILESTONES = ("created", "scheduled", "running", "ready")
NOT_CREATED = {"FailedCreate", "ReplicaSetCreateError"}
"""Reasons of the events in which a controller could not create a pod, or the ReplicaSet that makes pods."""

Complaint = tuple[str, str]
"""Why something was not created, grouped, and the cause of it."""
NEVER = "never created"
"""The reason of a pod of which nothing at all was heard."""


@dataclass(slots=True)
class Pod:
    """A pod that was seen."""

    uid: str
    name: str
    namespace: str
    workload: str
    node: str | None = None
    local: dict[str, float | None] = field(default_factory=dict)
    """Milestone → epoch seconds by this machine's clock, when the watch's message of it came; None if nobody watched
    then. Their float tells 0.24 µs apart."""
    server: dict[str, float] = field(default_factory=dict)
    """Milestone → epoch seconds by the API server's clock, which counts whole seconds."""
    failure: str | None = None
    waiting: str | None = None
    """Why it is not further, as its conditions say."""

    @property
    def is_ready(self) -> bool:
        return "ready" in self.local and self.failure is None


@dataclass
class Denials:
    """What was said about the pods of one workload that were not created."""

    reasons: Counter[Complaint] = field(default_factory=Counter)
    """What was said when admission refused them: by a webhook, or by the API server that could not ask one."""
    troubles: Counter[Complaint] = field(default_factory=Counter)
    """Whatever else went wrong, such as a quota."""
    final: bool = False
    """True if no further attempt will be made: the workload itself was refused, or its Job has failed."""

    @property
    def said(self) -> Counter[Complaint]:
        """What explains the pods that lack: admission before anything else, and what no retry changes before the rest.

        All pods of a workload have the same images, so that one that is refused for its images stands for all.
        """
        said = self.reasons or self.troubles
        in_vain = {complaint: count for complaint, count in said.items() if not may_pass(complaint[1])}
        return Counter(in_vain) if in_vain else said

    @property
    def hopeless(self) -> bool:
        """Whether another attempt would be in vain."""
        return any(not may_pass(cause) for _, cause in self.said)


class Tracker:
    """Follows the pods of one plan."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.expected = {plan.name(shard): plan.pods(shard) for shard in range(plan.shards)}
        self._planned = dict(self.expected)
        self.namespaces = {plan.name(shard): plan.namespace(shard) for shard in range(plan.shards)}
        self.variants = {plan.name(shard): plan.variant(shard) for shard in range(plan.shards)}
        self.must_be_denied = {plan.name(shard) for shard in range(plan.shards) if plan.must_be_denied(shard)}
        self.kind = plan.kind
        self.pods: dict[str, Pod] = {}
        self.denials: dict[str, Denials] = {name: Denials() for name in self.expected}
        self.events: list[dict[str, Any]] = []
        self.ready = 0
        self.failed = 0
        self._seen: Counter[str] = Counter()
        self._told: dict[str, int] = {}
        """Times that each event, by uid, has happened so far."""
        self.changed_at = clock()
        """When a pod last came further, or a workload was first denied."""
        self._received = self.changed_at
        """When the event came that is being taken in."""

    def on_pod(self, kind: str, pod: dict[str, Any], received: float | None = None) -> None:
        """A watch event of a pod; ``received`` is when it came, epoch seconds: now, if it is not given."""
        self._received = self._clock() if received is None else received
        metadata = pod["metadata"]
        uid = metadata["uid"]
        record = self.pods.get(uid)
        if record is None:
            workload = (metadata.get("labels") or {}).get(WORKLOAD_LABEL)
            if workload not in self.expected:
                return
            record = self.pods[uid] = Pod(uid, metadata["name"], metadata.get("namespace") or "", workload)
            self._seen[workload] += 1
            self._reach(record, "created", metadata.get("creationTimestamp"))
        if "spec" in pod:  # after a gap in the watch all that is known of a deleted pod is its name
            self._advance(record, pod)
        if kind == "DELETED" and not record.is_ready and record.failure is None:
            self._fail(record, "deleted before it was ready")

    def on_workload(self, kind: str, workload: dict[str, Any], received: float | None = None) -> None:
        """A watch event of a Deployment or Job: a Job that failed makes no further attempt."""
        name = workload["metadata"]["name"]
        if kind == "DELETED" or name not in self.denials:
            return
        for condition in workload.get("status", {}).get("conditions") or ():
            if condition["type"] == "Failed" and condition["status"] == "True":
                self.denials[name].final = True

    def on_event(self, kind: str, event: dict[str, Any], received: float | None = None) -> None:
        """A watch event of a Kubernetes event: a controller could not create a pod, or a pod could not go on.

        Events that were there before the watch are of an earlier load, and do not count.
        """
        if kind == "DELETED":
            return
        uid, count = event["metadata"]["uid"], _count(event)
        times = count - self._told.get(uid, 0)
        self._told[uid] = count
        if kind == "LISTED" or times <= 0:
            return
        about = event.get("involvedObject") or event.get("regarding") or {}
        message = event.get("message") or event.get("note") or ""
        workload = self._workload_of(about) if event.get("reason") in NOT_CREATED else None
        self.events.append(
            {
                "time": self._clock() if received is None else received,
                "namespace": event["metadata"].get("namespace"),
                "object": f"{str(about.get('kind', '')).lower()}/{about.get('name')}",
                "type": event.get("type"),
                "reason": event.get("reason"),
                "message": message,
                "count": count,
                "times": times,
                "cause": classify(message) if workload else None,
            }
        )
        if workload:
            self._not_created(workload, message, times)

    def _workload_of(self, about: dict[str, Any]) -> str | None:
        """The workload of the plan whose pods an object makes; None if there is none."""
        name = str(about.get("name"))
        # A ReplicaSet is named after its Deployment, with a hash behind.
        name = name.rpartition("-")[0] if about.get("kind") == "ReplicaSet" else name
        return name if name in self.denials else None

    def refuse(self, workload: str, message: str) -> None:
        """The workload itself could not be created, and its pods with it: they are denied if that was admission."""
        self._not_created(workload, message, 1)
        self.denials[workload].final = True

    def expect_again(self, workload: str) -> None:
        """The workload was deleted, to be created anew: as many pods as planned beside those that were seen."""
        self.expected[workload] = self._seen[workload] + self._planned[workload]

    @property
    def denied(self) -> int:
        """Pods that do not exist because admission refused them, so far as is known now."""
        return sum(lacking for name, lacking in self._lacking().items() if self.denials[name].reasons)

    @property
    def refusals(self) -> int:
        """How often admission refused, so far as events told: a controller tries again, for the same pod too."""
        return sum(each.reasons.total() for each in self.denials.values())

    @property
    def waiting(self) -> int:
        """Pods that were seen and are neither ready nor failed."""
        return len(self.pods) - self.ready - self.failed

    def outstanding(self) -> int:
        """Pods whose outcome is not known yet."""
        return self.waiting + sum(n for name, n in self._lacking().items() if not self.denials[name].final)

    def settled(self, quiet_seconds: float, retry_seconds: float) -> bool:
        """Whether every pod's outcome is known.

        Controllers go on trying to create pods that are refused, ever more slowly. When no pod came further for
        ``quiet_seconds``, those are given up whose images were refused; for ``retry_seconds``, those whose next
        attempt may succeed: after a 429, a timeout, a webhook that was away. A workload of which nothing was said is
        waited for.
        """
        if self.outstanding() == 0:
            return True
        if self.waiting:
            return False
        lacking = [self.denials[name] for name, count in self._lacking().items() if count]
        patience = quiet_seconds if all(each.hopeless or each.final for each in lacking) else retry_seconds
        return all(each.said or each.final for each in lacking) and self._clock() - self.changed_at >= patience

    def records(self) -> Iterable[dict[str, Any]]:
        """A line of pods.jsonl for every pod that was seen and for every one that the plan expected beside them."""
        pods = list(self.pods.values())  # a checkpoint is written while the watch goes on
        for pod in pods:
            end, reason = "missing", pod.waiting or "not ready when the run ended"
            if pod.failure is not None:
                end, reason = "failed", pod.failure
            elif pod.is_ready:
                end, reason = "ready", ""
            yield self._record(pod.workload, end, reason, classify(reason) if reason else None, pod)
        for workload, lacking in self._lacking(Counter(pod.workload for pod in pods)).items():
            denials = self.denials[workload]
            end = "denied" if denials.reasons else "missing"
            said = (denials.said or Counter([(NEVER, OTHER)])).most_common()
            shares = _shares([count for _, count in said], lacking)
            for ((reason, cause), _), share in zip(said, shares, strict=True):
                for _ in range(share):
                    yield self._record(workload, end, reason, cause, None)

    def _record(self, workload: str, end: str, reason: str, cause: str | None, pod: Pod | None) -> dict[str, Any]:
        milestones = {
            name: {"local": pod.local.get(name) if pod else None, "server": pod.server.get(name) if pod else None}
            for name in MILESTONES
        }
        return {
            "uid": pod.uid if pod else None,
            "name": pod.name if pod else None,
            "namespace": pod.namespace if pod else self.namespaces[workload],
            "workload": f"{self.kind}/{workload}",
            "node": pod.node if pod else None,
            "milestones": milestones,
            "end": end,
            "reason": reason or None,
            "cause": cause,
            "variant": self.variants[workload],
            "must_be_denied": workload in self.must_be_denied,
            "unverified": None,
        }

    def _not_created(self, workload: str, message: str, times: int) -> None:
        denials = self.denials[workload]
        if not denials.said:
            self.changed_at = self._clock()  # from here on it has time to try again
        complaints = denials.reasons if refused(message) else denials.troubles
        complaints[group(message), classify(message)] += times

    def _lacking(self, seen: Counter[str] | None = None) -> dict[str, int]:
        """Pods of each workload that the plan expects and that were never seen."""
        seen = self._seen if seen is None else seen
        return {name: max(0, count - seen[name]) for name, count in self.expected.items()}

    def _advance(self, record: Pod, pod: dict[str, Any]) -> None:
        status = pod.get("status") or {}
        conditions = {c["type"]: c for c in status.get("conditions") or ()}
        scheduled, ready = conditions.get("PodScheduled") or {}, conditions.get("Ready") or {}
        phase = status.get("phase")
        if node := (pod["spec"] or {}).get("nodeName"):
            record.node = node
            self._reach(record, "scheduled", scheduled.get("lastTransitionTime"))
        elif scheduled.get("status") == "False":
            record.waiting = group(f"{scheduled.get('reason')}: {scheduled.get('message')}")
        if phase in ("Running", "Succeeded"):
            self._reach(record, "running", status.get("startTime"))
        # A Job's pod may be through before the watch tells of it.
        if phase == "Succeeded" or ready.get("status") == "True":
            if "ready" not in record.local and record.failure is None:
                self.ready += 1
            self._reach(record, "ready", ready.get("lastTransitionTime"))
        if phase == "Failed":
            self._fail(record, group(f"{status.get('reason') or 'Failed'}: {status.get('message') or ''}"))

    def _reach(self, record: Pod, milestone: str, server: datetime | None) -> None:
        if milestone not in record.local:
            record.local[milestone] = self.changed_at = self._received
            if server is not None:
                record.server[milestone] = server.timestamp()

    def _fail(self, record: Pod, reason: str) -> None:
        if record.is_ready:
            self.ready -= 1
        if record.failure is None:
            self.failed += 1
        record.failure = reason
        self.changed_at = self._received


def last_moment(event: dict[str, Any]) -> float | None:
    """When an event last happened, epoch seconds; it is told in whole seconds, so up to one too early."""
    return epoch(
        event.get("lastTimestamp")
        or (event.get("series") or {}).get("lastObservedTime")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )


def _count(event: dict[str, Any]) -> int:
    """How often an event has happened; the newer events API counts in a series."""
    return event.get("count") or (event.get("series") or {}).get("count") or 1


def _shares(weights: list[int], total: int) -> list[int]:
    """``total`` split by ``weights`` into whole parts that add up to it."""
    shares = [total * weight // sum(weights) for weight in weights]
    for index in range(total - sum(shares)):
        shares[index % len(shares)] += 1
    return shares

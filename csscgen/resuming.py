"""Goes on with a run whose harness was killed: what it had written is where the watch is taken up again.

Between the last checkpoint and the resume nothing was watched. What happened then is known by its outcome and by the
API server's clock, and has no local time: null, and not the moment at which it was found. So the startup of such a pod
is none of the figures, and ``run.json`` says from when to when nothing was watched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis.records import read_lines
from analysis.shapes import EVENT, POD, REQUEST, Check
from csscgen.checkpoints import EVENTS, PODS, REQUESTS
from csscgen.journal import Story
from csscgen.loading import Request
from csscgen.tracking import NEVER, Pod, Tracker, last_moment
from workloads.errors import CollectError
from workloads.ratify.causes import OTHER
from workloads.ratify.objects import Plan

_FIELDS = tuple(each.name for each in fields(Request))


@dataclass(frozen=True)
class Watched:
    """What a run had seen when it was cut off. ``sent`` is when its load began, epoch seconds."""

    pods: list[dict[str, Any]]
    requests: list[Request]
    events: list[dict[str, Any]]
    sent: float
    loaded: bool
    """Whether all of the load had been sent."""

    @classmethod
    def read(cls, folder: Path) -> Watched | None:
        """What the run in a folder had seen; None if it had sent nothing of its load.

        Raises CollectError if one of its checkpoints cannot be read.
        """
        story = Story.read(folder)
        if story.sent is None:
            return None
        requests = [
            Request(**{key: line[key] for key in _FIELDS if key in line})
            for line in _lines(folder / REQUESTS, "request", REQUEST)
        ]
        pods, events = _lines(folder / PODS, "pod", POD), _lines(folder / EVENTS, "event", EVENT)
        return cls(pods, requests, events, story.sent, story.ended("load"))

    def tracker(self, plan: Plan) -> Tracker:
        """A tracker that goes on from here."""
        return ResumedTracker(plan, self)


class ResumedTracker(Tracker):
    """Follows a plan that was followed before. What the first LIST shows and nobody saw happen has no local time."""

    def __init__(self, plan: Plan, before: Watched, clock: Callable[[], float] = time.time) -> None:
        super().__init__(plan, clock)
        self._before = {uid: one for one in before.pods if (uid := one.get("uid"))}
        self._since = before.sent
        self._listing = False
        self.events = list(before.events)
        for one in before.pods:
            workload = (one["workload"] or "").rpartition("/")[2]
            if one.get("uid") is None and one["reason"] not in (None, NEVER) and workload in self.denials:
                denials = self.denials[workload]
                said = denials.reasons if one["end"] == "denied" else denials.troubles
                said[one["reason"], one.get("cause") or OTHER] += 1
        for request in before.requests:
            if request.status == "failed" and request.workload in self.denials:
                self.denials[request.workload].final = True

    def on_pod(self, kind: str, pod: dict[str, Any], received: float | None = None) -> None:
        self._listing = kind == "LISTED"
        if self._listing:
            self._recall(pod)
        super().on_pod("ADDED" if self._listing else kind, pod, received)
        self._listing = False

    def on_event(self, kind: str, event: dict[str, Any], received: float | None = None) -> None:
        # What was told since the load began is this run's, even if nobody was there to hear it.
        # It is told in whole seconds, so up to one too early.
        listed = kind == "LISTED" and (last_moment(event) or -1.0) + 1 >= self._since
        super().on_event("ADDED" if listed else kind, event, received)

    def _recall(self, pod: dict[str, Any]) -> None:
        """Takes over what was known of a pod."""
        metadata = pod["metadata"]
        known = self._before.get(metadata["uid"])
        if known is None or metadata["uid"] in self.pods:
            return
        workload = (known["workload"] or "").rpartition("/")[2]
        record = Pod(metadata["uid"], metadata["name"], metadata["namespace"], workload, known.get("node"))
        for milestone, times in known["milestones"].items():
            for clock, moments in (("server", record.server), ("local", record.local)):
                if (moment := (times or {}).get(clock)) is not None:
                    moments[milestone] = moment
        if known["end"] == "ready":
            self.ready += 1
        self.pods[metadata["uid"]] = record
        self._seen[workload] += 1

    def _reach(self, record: Pod, milestone: str, server: datetime | None) -> None:
        seen = milestone in record.local
        super()._reach(record, milestone, server)
        if self._listing and not seen:
            record.local[milestone] = None


def gap(folder: Path) -> dict[str, Any]:
    """From when until now nothing was watched."""
    story = Story.read(folder)
    seen = [file.stat().st_mtime for file in map(folder.joinpath, (PODS, "metrics.spool")) if file.exists()]
    return {"step": story.step, "from": max([*seen, story.last_seen or 0.0]), "to": time.time()}


def _lines(file: Path, what: str, check: Check) -> list[dict[str, Any]]:
    """The lines of a checkpoint; none if there was none yet. Raises CollectError if one cannot be read."""
    try:
        return read_lines(file, what, check)
    except CollectError as error:
        run = file.parent.name
        raise CollectError(f"{run} cannot be gone on with. {error} `csscgen report {run}` reports it.") from error

"""The slowest pods: where their time went, and what else was slow while they were made.

A pod's time is that of the request that created it, webhooks included, and from there to Ready; waiting in its
controller's queue is in neither. What pods coincided with is a rank correlation over scrape intervals. It names no
cause: on a machine that is full everything is slow at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil
from statistics import fmean, median
from typing import Any, NamedTuple

from analysis.correlation import Correlation, spearman
from analysis.figures import Missing, Record
from analysis.intervals import MEASURES, Interval, intervals
from analysis.records import AFTERWARDS, Records, seen
from workloads.errors import CollectError

SLOWEST = 0.05
"""The share of the pods that counts as slow."""
FEWEST = 20
LEVEL = 0.01
"""The p below which slow pods are said to have coincided with something."""
ADMISSION = "admission"
STAGES = {
    "create_to_schedule": ("created", "scheduled"),
    "schedule_to_run": ("scheduled", "running"),
    "run_to_ready": ("running", "ready"),
}
"""A pod's stages after its creation, by their milestones."""


class Timed(NamedTuple):
    """A pod that became Ready: the moment of its creation, and its stages in seconds."""

    moment: float
    stages: Mapping[str, float]

    @property
    def seconds(self) -> float:
        return sum(self.stages.values())


def section(records: Records, missing: Missing, ratify: Mapping[str, Any]) -> Record:
    """``slow_pods`` of the summary; ``ratify`` has the verifier's figures."""
    return {"slow_pods": missing.figure("slow_pods", lambda: _figures(records, missing, ratify))}


def _figures(records: Records, missing: Missing, ratify: Mapping[str, Any]) -> Record:
    pods = timed(records.pods or ())
    slow, others = _split(records, pods)
    means: Record = {
        stage: {side: fmean(pod.stages[stage] for pod in part) for side, part in (("slow", slow), ("others", others))}
        for stage in slow[0].stages
    }
    lost_in = max(means, key=lambda stage: float(means[stage]["slow"] - means[stage]["others"]))
    if ADMISSION not in means:
        means = {ADMISSION: None, **means}
        missing[f"slow_pods.stage_seconds.{ADMISSION}"] = _unadmitted(records)

    def coincidence(name: str) -> Record:
        found = correlated(pods, intervals(records, name, ratify["admissions_per_verification"]))
        return {"rho": found.rho, "intervals": found.pairs, "p": found.p}

    return {
        "pods": len(pods),
        "count": len(slow),
        "at_least_seconds": slow[0].seconds,
        "lost_in": lost_in,
        "stage_seconds": means,
        "coincidence": {
            name: missing.figure(f"slow_pods.coincidence.{name}", partial(coincidence, name)) for name in MEASURES
        },
    }


def timed(pods: Sequence[Record]) -> list[Timed]:
    """The pods that became Ready and whose every stage is known. Admission is a stage if it is known of all of them."""
    found: list[tuple[Timed, float | None, float | None]] = []
    for pod in pods:
        moments = {name: moment for name in pod["milestones"] if (moment := seen(pod, name)) is not None}
        if pod["end"] == "ready" and all(end in moments for ends in STAGES.values() for end in ends):
            stages = {stage: max(0.0, moments[last] - moments[first]) for stage, (first, last) in STAGES.items()}
            said = pod.get("admission") or {}
            found.append((Timed(moments["created"], stages), said.get("received"), said.get("answered")))
    admitted = [
        Timed(answered, {ADMISSION: max(0.0, answered - received), **pod.stages})
        for pod, received, answered in found
        if received is not None and answered is not None
    ]
    return admitted if len(admitted) == len(found) else [pod for pod, _, _ in found]


def _split(records: Records, pods: Sequence[Timed]) -> tuple[list[Timed], list[Timed]]:
    """The slowest pods, the fastest of them first, and all others. Raises CollectError if there are too few."""
    if records.pods is None:
        raise CollectError(records.problems["pods.jsonl"])
    if len(pods) < FEWEST:
        if records.run.get("collected_afterwards"):
            raise CollectError(AFTERWARDS)
        raise CollectError(f"Fewer than {FEWEST} pods were seen from creation to Ready: none of them stands out.")
    ordered = sorted(pods, key=lambda pod: pod.seconds)
    rest = len(ordered) - ceil(SLOWEST * len(ordered))
    return ordered[rest:], ordered[:rest]


def _unadmitted(records: Records) -> str:
    problem = records.problems.get("admissions.json")
    if problem:
        return f"How long admission took is not known: {problem}"
    return "How long admission took is not known: the records do not have it of every pod."


def correlated(pods: Sequence[Timed], spans: Sequence[Interval]) -> Correlation:
    """How the median time of the pods of each interval goes with what was measured in it.

    Intervals without a pod or without a measurement are left out. Raises CollectError, with the reason, if there is
    nothing to correlate.
    """
    pairs = [(level, span.value) for span, level in zip(spans, levels(pods, spans), strict=True)]
    whole = [(level, value) for level, value in pairs if level is not None and value is not None]
    return spearman([level for level, _ in whole], [value for _, value in whole])


def levels(pods: Sequence[Timed], spans: Sequence[Interval]) -> list[float | None]:
    """The median time of the pods that were created in each interval; None where none was.

    Components count a request when it ends, and a pod is created when its own has ended: the two belong together.
    """
    ends = [span.end for span in spans]
    found: dict[int, list[float]] = defaultdict(list)
    for pod in pods:
        place = bisect_left(ends, pod.moment)
        if place < len(spans) and pod.moment > spans[place].start:
            found[place].append(pod.seconds)
    return [median(found[place]) if place in found else None for place in range(len(spans))]

"""What is true of slow pods, and of what they coincided with, by the script alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import erfc, sqrt
from statistics import correlation, fmean, median
from typing import Any

from csscgen.runs import machine
from tests.known.components import SCRAPES, Component

Pod = tuple[float, float, float]
"""When it was created, and how many seconds its admission and its startup took."""


def slow_pods(pods: Sequence[Pod], components: Sequence[Component]) -> dict[str, Any]:
    """The truth of ``slow_pods``. A pod is scheduled, running and Ready in one event."""
    ordered = sorted(pods, key=lambda pod: pod[1] + pod[2])
    count = -(-len(pods) // 20)
    slow, others = ordered[-count:], ordered[:-count]
    part = {"slow": slow, "others": others}
    stages = {
        "admission": {who: fmean(pod[1] for pod in them) for who, them in part.items()},
        "create_to_schedule": {who: fmean(pod[2] for pod in them) for who, them in part.items()},
        "schedule_to_run": dict.fromkeys(part, 0.0),
        "run_to_ready": dict.fromkeys(part, 0.0),
    }
    ratify = [each for each in components if each.name.startswith("ratify")]
    gatekeeper = [each for each in components if each.name == "gatekeeper"]

    def refused(start: float, end: float) -> float:
        return sum(
            amount
            for each in ratify
            for time, metric, marks, amount in each.counted
            if "registry_request" in metric and dict(marks)["status_code"] == "429" and start < time <= end
        )

    return {
        "pods": len(pods),
        "count": count,
        "at_least_seconds": slow[0][1] + slow[0][2],
        "lost_in": "create_to_schedule",
        "stage_seconds": stages,
        "coincidence": {
            "verification": _pairs(pods, _mean(ratify, "verification")),
            "validation": _pairs(pods, _mean(gatekeeper, "validation")),
            "registry_refusals": _pairs(pods, refused),
            "machine_cpu": _pairs(pods, lambda start, end: _busy(components, start, end)),
        },
    }


def _mean(components: Iterable[Component], what: str) -> Callable[[float, float], float | None]:
    def of(start: float, end: float) -> float | None:
        values = [v for each in components for t, name, _, v in each.observed if what in name and start < t <= end]
        return fmean(values) if values else None

    return of


def _busy(components: Iterable[Component], start: float, end: float) -> float:
    """CPU seconds by what each process had used at the two scrapes; one that was new at the second began at 0."""
    total = 0.0
    for each in components:
        before, after = each.life(start), each.life(end)
        assert before is not None and after is not None
        total += after.cpu(end) - (before.cpu(start) if before is after else 0.0)
    return float(round(total / machine()["cpu_count"] / (end - start), 6))


def _pairs(pods: Sequence[Pod], measured: Callable[[float, float], float | None]) -> dict[str, Any] | None:
    """Spearman's rho as the correlation of ranks, and the normal approximation of its p; None where nothing changes."""
    pairs = []
    for start, end in pairwise(SCRAPES):
        own, value = [pod[1] + pod[2] for pod in pods if start < pod[0] <= end], measured(start, end)
        if own and value is not None:
            pairs.append((median(own), value))
    ranked = [
        [(values.index(v) + len(values) - 1 - values[::-1].index(v)) / 2 for v in unsorted]
        for unsorted in zip(*pairs, strict=True)
        for values in [sorted(unsorted)]
    ]
    if len({*ranked[1]}) == 1:
        return None
    rho = correlation(*ranked)
    return {"rho": rho, "intervals": len(pairs), "p": erfc(abs(rho) * sqrt((len(pairs) - 1) / 2))}

"""What the report draws over time, in seconds since the load began.

Curves of thousands of pods are thinned to a few hundred points: a page that takes minutes to open is not read. Every
pod is in pods.jsonl.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from analysis.components import Points
from analysis.records import Record

MAX_POINTS = 400
T = TypeVar("T")


def since(start: float, points: Iterable[tuple[float, float]]) -> Points:
    """The points with their times counted from ``start``, to the millisecond."""
    return [(round(time - start, 3), value) for time, value in points]


def thinned(points: Sequence[T], limit: int = MAX_POINTS) -> Sequence[T]:
    """At most about ``limit`` of the points, evenly picked, the first and the last among them."""
    if len(points) <= limit:
        return points
    step = len(points) / limit
    return [*(points[int(index * step)] for index in range(limit)), points[-1]]


def reached(pods: Iterable[Record], milestone: str) -> Points:
    """How many pods had reached a milestone by the time that one more did, as seen by the watch."""
    moments = (pod["milestones"].get(milestone) or {} for pod in pods)
    times = sorted(time for moment in moments if (time := moment.get("local")) is not None)
    return [(time, float(count)) for count, time in enumerate(times, start=1)]


def refused(events: Iterable[Record]) -> Points:
    """How often the creation of a pod had been refused, by the FailedCreate events of workloads.

    An event's count is a running total of its own: what is added is its growth. A controller tries again, so that this
    can exceed the number of pods.
    """
    seen: dict[tuple[str, str, str], int] = {}
    total = 0
    points: Points = []
    for event in sorted((one for one in events if one["reason"] == "FailedCreate"), key=lambda one: one["time"]):
        key = (event["namespace"], event["object"], event["message"])
        count = event["count"] or 1
        grown = count - seen.get(key, 0)
        if grown > 0:
            seen[key] = count
            total += grown
            points.append((event["time"], float(total)))
    return points


def until(points: Points, end: float) -> Points:
    """A running total, from 0 at the beginning to the end of the window."""
    if not points:
        return [(0.0, 0.0), (end, 0.0)]
    return [(0.0, 0.0), *points, (max(end, points[-1][0]), points[-1][1])]

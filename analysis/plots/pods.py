"""Pods over time, against what the schedule asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from analysis.components import Points
from analysis.drawing.charts import Chart, Curve
from analysis.formats import counted, digits, seconds
from analysis.plots.plot import Plot, from_zero, times
from analysis.records import Record, Records
from analysis.timelines import reached, refused, since, thinned, until
from workloads.errors import CollectError


def pods_over_time(name: str, title: str, records: Records) -> Plot:
    """Pods asked for, created, scheduled, Ready and refused. Raises CollectError if none was recorded."""
    pods, start, end = _loaded(records)
    plan, unplanned = _plan(records, pods)
    curves = {
        **({"asked for": since(start, plan)} if plan else {}),
        **{milestone: since(start, reached(pods, milestone)) for milestone in ("created", "scheduled", "ready")},
        "refused": since(start, refused(records.events)),
    }
    if not curves["refused"]:
        del curves["refused"]
    drawn = [
        Curve(who, who.split(" ")[0], thinned(until(points, end)), step=True, dashed=who == "asked for")
        for who, points in curves.items()
    ]
    instants = [end * index / 10 for index in range(11)]
    rows = [[seconds(at), *(digits(_level(points, at)) for points in curves.values())] for at in instants]
    text = (
        f"{len(curves['created']):,} pods were created and {len(curves['ready']):,} became Ready within {seconds(end)}."
        f"{unplanned}"
    )
    if "refused" in curves:
        text += f" Pod creation was refused {digits(curves['refused'][-1][1])} times, retries included."
    return Plot(name, title, text, chart(drawn), ("Time", *curves), rows, True)


def ready(records: Records) -> Points:
    """The running total of pods that became Ready. Raises CollectError if none was recorded."""
    pods, start, end = _loaded(records)
    return until(since(start, reached(pods, "ready")), end)


def chart(curves: Sequence[Curve]) -> Chart:
    """Running totals of pods."""
    return Chart(times(low=0.0), from_zero("pods"), curves)


def _loaded(records: Records) -> tuple[list[Record], float, float]:
    """(pods, when the load began, how long the window is). Raises CollectError if that is not known."""
    if records.pods is None:
        raise CollectError(records.problems["pods.jsonl"])
    if records.window is None:
        raise CollectError("No load was sent.")
    return records.pods, records.window.start, records.window.end - records.window.start


def _plan(records: Records, pods: Sequence[Record]) -> tuple[Points, str]:
    """(running total of pods by the instants of the schedule, a sentence on what it does not have)."""
    if records.requests is None:
        return [], f" The plan is not drawn: {records.problems['requests.jsonl']}"
    points = asked(records.requests, pods)
    if not points:
        return [], " The plan is not drawn: no pod belongs to an object of requests.jsonl."
    rest = len(pods) - round(points[-1][1])
    return points, f" {counted(rest, 'pod')} of no object of requests.jsonl: not in the plan." if rest else ""


def asked(requests: Sequence[Record], pods: Sequence[Record]) -> Points:
    """How many pods the schedule had asked for by its instants: an object stands for all pods that are its own."""
    own = Counter(_object(pod) for pod in pods)
    at = Counter[float]()
    for request in requests:
        if request["intended"] is not None:
            at[request["intended"]] += own.pop(request["object"], 0)
    total, points = 0, []
    for instant, count in sorted(at.items()):
        total += count
        points.append((instant, float(total)))
    return points if total else []


def _object(pod: Record) -> str:
    """The object that a pod came of, as requests.jsonl names it."""
    kind, _, name = (pod["workload"] or "").partition("/")
    return f"{kind}/{pod['namespace']}/{name}"


def _level(points: Points, instant: float) -> float:
    return max((value for time, value in points if time <= instant), default=0.0)

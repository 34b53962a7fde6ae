"""One plot of the report, and what the plots of all subjects have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from analysis.components import Points
from analysis.drawing.charts import Axis, Chart
from analysis.formats import seconds
from analysis.records import Records
from workloads.errors import CollectError

MAX_ROWS = 40
"""Rows of a plot's table: it is read aloud, not plotted."""
T = TypeVar("T")


@dataclass(frozen=True)
class Plot:
    """One plot: what it shows in words (``text``), as a table and as a chart; without a chart, ``text`` says why."""

    name: str
    title: str
    text: str
    chart: Chart | None = None
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    over_time: bool = False


def drawn(name: str, title: str, draw: Callable[[str, str], Plot]) -> Plot:
    """The plot that ``draw`` makes, or why it cannot be made."""
    try:
        return draw(name, title)
    except CollectError as error:
        return Plot(name, title, f"There is nothing to draw: {error}")


def each(names: Iterable[str], take: Callable[[str], T]) -> tuple[dict[str, T], list[str]]:
    """What ``take`` has of each name, and for those of which it has nothing a sentence per reason.

    Raises CollectError with the first reason if there is nothing of any.
    """
    found: dict[str, T] = {}
    without: dict[str, list[str]] = {}
    for name in names:
        try:
            found[name] = take(name)
        except CollectError as error:
            without.setdefault(str(error), []).append(name)
    if not found:
        raise CollectError(next(iter(without), "Nothing was recorded."))
    return found, [f"Without {', '.join(lacking)}: {reason}" for reason, lacking in without.items()]


def picked(points: Sequence[T], most: int = MAX_ROWS) -> Sequence[T]:
    """At most ``most`` of the points, evenly."""
    return points[:: max(1, -(-len(points) // most))]


def side_by_side(
    curves: Mapping[str, Points], told: Callable[[float], str]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """A table of curves at the instants of the first one: what each of them last said by then."""
    first = next(iter(curves.values()))
    rows = []
    for instant, _ in picked(first):
        values = []
        for points in curves.values():
            before = [value for time, value in points if time <= instant + 1e-9]
            values.append(told(before[-1] if before else points[0][1]))
        rows.append([f"{instant:.1f} s", *values])
    return ("Time", *curves), rows


def beginning(records: Records) -> float:
    """Epoch seconds from which the times of plots count; 0 if no load was sent, of which nothing is drawn."""
    return records.window.start if records.window else 0.0


def times(low: float | None = None, high: float | None = None) -> Axis:
    """The axis of seconds since the load began."""
    return Axis("seconds since the load began", low=low, high=high)


def latency_axis() -> Axis:
    """An axis of latencies from milliseconds to minutes."""
    return Axis("latency, logarithmic", log=True, told=seconds)


def from_zero(unit: str, told: Callable[[float], str] | None = None) -> Axis:
    """An axis of amounts."""
    return Axis(unit, low=0.0) if told is None else Axis(unit, low=0.0, told=told)

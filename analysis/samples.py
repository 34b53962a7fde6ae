"""The samples of a run, read from metrics.parquet (analysis/sample_writer.py).

What is asked of them follows one rule about time: the *bracket* of a window is the span from the last scrape at
or before its start to the first scrape at or after its end. Counters are compared at its two ends; gauges are looked at
inside it. A target without such scrapes has no figures for the window, rather than figures of a shorter one. The
exception is a target that is marked as having come or left in the window, as pods do: its bracket begins with its first
scrape and what it had counted by then, or ends with its last one.

A restart is seen by ``process_start_time_seconds``: a process whose start is later than the last scrape of its
predecessor. Where a target does not export it, any counter that falls is taken for a restart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.expositions import parse_labels
from analysis.sample_writer import SCHEMA, TEXT
from workloads.errors import CollectError
from workloads.ratify.metrics import CAME, LEFT, START_TIME, UP

GREATEST = 1e18
"""No count, size or time of a component is larger."""
HARNESS_PREFIX = "csscgen_"
"""Samples that the harness takes of a process itself: they do not say that the process's page was read."""
_CLOCK_SLACK = 1.5
"""Seconds by which a start time may differ between two readings of one process: the kernel's boot time is adjusted."""


class Window(NamedTuple):
    """A span of time, epoch seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class Series:
    """The samples of one series, in order of time."""

    target: str
    labels: str
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Bracket:
    """What of a target's scrapes belongs to a window."""

    scrapes: list[float]
    """Instants from the last at or before the window's start to the first at or after its end."""
    restarts: list[float] | None
    """The instants among them at which a new process was first seen; None if the target does not tell."""
    came: bool = False
    """Whether the target came in the window: what its first scrape shows is of the window too."""
    left: bool = False
    """Whether it left in the window."""


class Samples:
    """All samples of one run. Reading is by metric: nothing is decoded that is not asked for."""

    def __init__(self, table: pa.Table) -> None:
        columns = table.unify_dictionaries().combine_chunks()
        self._time = _single(columns["time"], pa.float64())
        self._value = _single(columns["value"], pa.float64())
        self._codes: dict[str, pa.Array] = {}
        self._words: dict[str, list[str]] = {}
        for name in ("target", "metric", "labels"):
            encoded = _single(columns[name], TEXT)
            self._codes[name] = encoded.indices
            self._words[name] = encoded.dictionary.to_pylist()
        self._target_code = {word: code for code, word in enumerate(self._words["target"])}
        self._metric_code = {word: code for code, word in enumerate(self._words["metric"])}
        self._scrapes: dict[str, list[float]] = {}

    @classmethod
    def read(cls, path: Path) -> Samples:
        """Read a run's metrics.parquet. Raises CollectError if it is not there or not readable."""
        try:
            table = pq.read_table(path, columns=SCHEMA.names).cast(SCHEMA)
            if any(column.null_count for column in table.columns):
                raise CollectError(f"{path.name} cannot be read: it has samples without a time, a name or a value.")
            if len(table) and not pc.all(pc.is_finite(table["time"])).as_py():
                raise CollectError(f"{path.name} cannot be read: it has samples of no time.")
            return cls(table)
        except FileNotFoundError:
            raise CollectError(f"{path.name} is not there: no metrics were collected.") from None
        except (OSError, pa.ArrowException) as error:
            raise CollectError(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from error

    def targets(self, component: str) -> list[str]:
        """The targets of a component: the one of its name, or its numbered or regional ones (``ratify-0``, …)."""
        return sorted(t for t in self._target_code if t == component or t.startswith(f"{component}-"))

    def every_target(self) -> list[str]:
        """All targets."""
        return sorted(self._target_code)

    def present(self, metrics: Collection[str], target: str) -> set[str]:
        """Which of these metrics the target ever exported."""
        return {metric for metric in metrics if self._rows(metric, target) is not None}

    def scrapes(self, target: str) -> list[float]:
        """The instants at which the target's page was read, in order."""
        if target not in self._scrapes:
            ups = self.series(UP, target)
            if ups:
                instants = sorted({t for one in ups for t, v in zip(one.times, one.values, strict=True) if v == 1})
            else:
                instants = self._page_instants(target)
            self._scrapes[target] = instants
        return self._scrapes[target]

    def failed_scrapes(self, target: str, window: Window) -> int:
        """How many scrapes of the target got no answer in the window."""
        return sum(
            1
            for one in self.series(UP, target)
            for time, value in zip(one.times, one.values, strict=True)
            if value == 0 and window.start <= time <= window.end
        )

    def bracket(self, target: str, window: Window) -> Bracket:
        """The target's scrapes around a window. Raises CollectError if they do not enclose it."""
        times = self.scrapes(target)
        if not times:
            raise CollectError(f"No scrape of {target} was answered.")
        first = bisect_right(times, window.start) - 1
        last = bisect_left(times, window.end)
        came, left = self.partly(target, window)
        if first < 0 and not came:
            raise CollectError(f"{target} was first scraped {times[0] - window.start:.1f} s after the window's start.")
        if last == len(times) and not left:
            raise CollectError(f"{target} was last scraped {window.end - times[-1]:.1f} s before the window's end.")
        scrapes = times[max(first, 0) : last + 1]
        return Bracket(scrapes, self._restarts(target, scrapes), first < 0, last == len(times))

    def partly(self, target: str, window: Window) -> tuple[bool, bool]:
        """Whether the target came after the window's start, and whether it left for good before its end."""
        came, left = self._life(target)
        return (
            came is not None and window.start < came <= window.end,
            left is not None and window.start <= left <= window.end,
        )

    def lived(self, target: str, window: Window) -> bool:
        """Whether the target was there in the window at all, so far as its marks say."""
        came, left = self._life(target)
        return (came is None or came <= window.end) and (left is None or left >= window.start)

    def series(self, metric: str, target: str, instants: Collection[float] | None = None) -> list[Series]:
        """The series of a metric of a target, at the given instants only, or at all.

        Raises CollectError if a value can be no count, size or time: no number, negative, or beyond all bounds.
        """
        rows = self._rows(metric, target)
        if rows is None:
            return []
        if instants is not None:
            wanted = pc.is_in(pc.take(self._time, rows), value_set=pa.array(instants, pa.float64()))
            rows = rows.filter(wanted)
        words = self._words["labels"]
        found: dict[int, Series] = {}
        codes = pc.take(self._codes["labels"], rows).to_pylist()
        times = pc.take(self._time, rows).to_pylist()
        values = pc.take(self._value, rows).to_pylist()
        if absurd := [value for value in values if not 0 <= value <= GREATEST]:
            raise CollectError(f"{target} says that {metric} is {absurd[0]:g}, which cannot be.")
        for code, time, value in zip(codes, times, values, strict=True):
            one = found.get(code)
            if one is None:
                one = found[code] = Series(target, words[code])
            one.times.append(time)
            one.values.append(value)
        return list(found.values())

    def increases(self, metric: str, target: str, window: Window) -> dict[str, float]:
        """How much each series of a counter grew over the window, by its labels.

        The sum, over the processes that lived in the bracket, of the value at a process's last scrape, less the value
        at the bracket's first. A series that was born in the window started at 0. Raises CollectError like `bracket`.
        """
        bracket = self.bracket(target, window)
        first, last = bracket.scrapes[0], bracket.scrapes[-1]
        if bracket.restarts is None:
            inside = self.series(metric, target, bracket.scrapes)
            return {one.labels: _increase(one, None if bracket.came else first) for one in inside}
        ends = [bracket.scrapes[bisect_left(bracket.scrapes, t) - 1] for t in bracket.restarts] + [last]
        grown: dict[str, float] = defaultdict(float)
        for one in self.series(metric, target, {first, *ends}):
            at = dict(zip(one.times, one.values, strict=True))
            grown[one.labels] = sum(at.get(end, 0.0) for end in ends) - (0.0 if bracket.came else at.get(first, 0.0))
        return dict(grown)

    def _rows(self, metric: str, target: str) -> pa.Array | None:
        """Row numbers of a metric of a target; None if it never exported it."""
        wanted, owner = self._metric_code.get(metric), self._target_code.get(target)
        if wanted is None or owner is None:
            return None
        mask = pc.and_(pc.equal(self._codes["metric"], wanted), pc.equal(self._codes["target"], owner))
        rows = pc.indices_nonzero(mask)
        return rows if len(rows) else None

    def _life(self, target: str) -> tuple[float | None, float | None]:
        """When the target came, and when it left and was asked no more; None if it is not marked so."""
        marks = {
            mark: [time for one in self.series(mark, target) for time in one.times]
            for mark in self.present((CAME, LEFT), target)
        }
        left = max(marks.get(LEFT, ()), default=None)
        if left is not None and any(one.times[-1] > left for one in self.series(UP, target)):
            left = None  # there is another of its name
        return min(marks.get(CAME, ()), default=None), left

    def _page_instants(self, target: str) -> list[float]:
        owner = self._target_code.get(target)
        if owner is None:
            return []
        own = [c for word, c in self._metric_code.items() if word.startswith(HARNESS_PREFIX)]
        harness = pc.is_in(self._codes["metric"], value_set=pa.array(own, pa.int32()))
        mask = pc.and_(pc.equal(self._codes["target"], owner), pc.invert(harness))
        return sorted(pc.unique(self._time.filter(mask)).to_pylist())

    def starts(self, target: str, span: Window) -> list[float]:
        """When each process began that replaced another one between the target's pages of a span, as far as they tell.

        Never before the last page of the one that it replaced.
        """
        pages = [time for time in self.scrapes(target) if span.start <= time <= span.end]
        return [start for _, start in self._replaced(target, pages) or ()]

    def _restarts(self, target: str, scrapes: Sequence[float]) -> list[float] | None:
        replaced = self._replaced(target, scrapes)
        return None if replaced is None else [seen for seen, _ in replaced]

    def _replaced(self, target: str, scrapes: Sequence[float]) -> list[tuple[float, float]] | None:
        """The instants at which a new process was first seen, with its start; None if the target does not tell."""
        found = self.series(START_TIME, target, scrapes)
        if not found:
            return None
        starts = found[0]
        if _alternates(starts.values):
            raise CollectError(f"{target} is several processes behind one address, whose counters cannot be compared.")
        return [
            (later, max(new, earlier))
            for (earlier, old), (later, new) in _pairs(starts)
            if new > old + 0.5 and new >= earlier - _CLOCK_SLACK
        ]


def selected(increases: dict[str, float], label: str) -> dict[str, float]:
    """Increases summed by the value of one label ("" where a series does not have it)."""
    sums: dict[str, float] = defaultdict(float)
    for labels, grown in increases.items():
        sums[parse_labels(labels).get(label, "")] += grown
    return dict(sums)


def _alternates(starts: Sequence[float]) -> bool:
    """Whether a process answered again after another one had: they take turns behind a load balancer."""
    changes = [starts[0], *(new for old, new in zip(starts, starts[1:], strict=False) if abs(new - old) > _CLOCK_SLACK)]
    return any(abs(one - other) <= _CLOCK_SLACK for index, one in enumerate(changes) for other in changes[:index])


def _increase(series: Series, first: float | None) -> float:
    """Growth since ``first``, or since 0, of a series of a target that does not tell its restarts: a fall is one."""
    grown = 0.0 if series.times[0] == first else series.values[0]
    return grown + sum(new - old if new >= old else new for (_, old), (_, new) in _pairs(series))


def _pairs(series: Series) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    points = list(zip(series.times, series.values, strict=True))
    return zip(points, points[1:], strict=False)


def _single(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], type=kind)

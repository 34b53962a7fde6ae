"""Which figures differ between two sides of runs, by more than equal runs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from math import comb
from pathlib import Path
from statistics import median
from typing import Any

from analysis.comparing import statistics
from analysis.comparing.circumstances import circumstances
from analysis.comparing.figures import Figure, figures, known, of, profiled
from analysis.comparing.rows import Comparison, Row, Verdict
from analysis.records import read_summary
from workloads.errors import CollectError, UsageError, named

LEVEL = 0.05
"""The share of comparisons of equal sides in which any tested figure may be called different."""


def compare(
    base: Sequence[Path],
    new: Sequence[Path],
    tolerances: Mapping[str, float],
    *,
    force: bool = False,
    every: bool = False,
) -> Comparison:
    """Compares the runs in folders. Tolerances, shares of the base, replace those of figures.yaml.

    ``every`` asks for a row of each figure that any run has, and not only of those that are judged or shown.

    Raises CollectError where a run has no summary, and UsageError where a run stands on both sides, a tolerance is for
    a figure that is not tested, or, without ``force``, the scenarios differ.
    """
    if {folder.resolve() for folder in base} & {folder.resolve() for folder in new}:
        raise UsageError("A run stands on both sides: a run cannot be compared with itself. Name other runs.")
    sides = [_summary(folder) for folder in base], [_summary(folder) for folder in new]
    own = profiled([*sides[0], *sides[1]])
    families = [[metric for metric, figure in each.items() if figure.how == "tested"] for each in (known(), own)]
    tests = {metric: len(family) for family in families for metric in family}
    for metric in tolerances:
        if metric not in tests:
            raise UsageError(f"{named(metric)} takes no tolerance. These do: {', '.join(tests)}.")
    differing = _differing(*sides)
    if differing and not force:
        raise UsageError(f"The runs differ in {', '.join(differing)}: --force compares them nevertheless.")
    said = [f"The runs differ in {', '.join(differing)}."] if differing else []
    before, after = ([figures(summary) for summary in side] for side in sides)
    metrics = {**_metrics([*before, *after], every), **own}
    rows = tuple(
        _row(metric, figure, before, after, tolerances.get(metric), tests.get(metric, 0))
        for metric, figure in metrics.items()
    )
    said += [f"{row.metric} is worse: {row.reason}" for row in rows if row.verdict == "worse"]
    return Comparison(rows, tuple(said), circumstances(base, new))


def _metrics(runs: Sequence[Mapping[str, float | None]], every: bool) -> dict[str, Figure]:
    """The figures that get a row, in the order of figures.yaml: those that are judged or shown and that any run knows.

    A figure that is null in all runs has one; one that is of other platforms or scenarios has none. With ``every`` also
    the others that any run has.
    """
    known_of = {path for run in runs for path in run}
    rows = {
        name: figure
        for name, figure in known().items()
        if figure.how in ("exact", "tested", "shown") and name in known_of
    }
    if not every:
        return rows
    order = {name: place for place, name in enumerate(known())}
    there = {path: found for run in runs for path in run if (found := of(path)) and found[1].how != "none"}
    rows |= {path: there[path][1] for path in sorted(there, key=lambda path: (order[there[path][0]], path))}
    return rows


def _summary(folder: Path) -> Mapping[str, Any]:
    summary = read_summary(folder)
    if not summary:
        raise CollectError(f"{folder} has no summary.json that can be read. `csscgen report {folder}` makes it anew.")
    return summary


def _differing(base: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of the family and scenario is not the same in all runs."""
    runs = [_scenario(summary) for summary in (*base, *new)]
    return sorted({key for run in runs for key in run.keys() | runs[0].keys() if run.get(key) != runs[0].get(key)})


def _scenario(summary: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: summary.get(key) for key in ("family", "platform")}
    for subject in ("scenario", "caches"):
        inner = summary.get(subject)
        found |= {f"{subject}.{key}": value for key, value in inner.items()} if isinstance(inner, dict) else {}
    return found


def _row(
    metric: str,
    figure: Figure,
    base: Sequence[Mapping[str, float | None]],
    new: Sequence[Mapping[str, float | None]],
    tolerance: float | None,
    tests: int,
) -> Row:
    before, after = ([run.get(metric) for run in side] for side in (base, new))
    one = [value for value in before if value is not None]
    two = [value for value in after if value is not None]
    lacking = len(before) + len(after) - len(one) - len(two)
    left, right = (_standing(figure, side) if side else None for side in (one, two))
    change = (right - left) / abs(left) if left and right is not None else None

    def row(verdict: Verdict, reason: str, p: float | None = None, span: tuple[float, float] | None = None) -> Row:
        return Row(metric, figure.unit, figure.direction, left, right, change, span, p, figure.judged, verdict, reason)

    if figure.how == "exact" and len(one) == len(before) and len(two) < len(after):  # else a gate would be passed
        return row("worse", f"{len(after) - len(two)} of {len(after)} runs have no such figure, and the base has it.")
    if left is None or right is None or lacking:
        return row("unknown", f"{lacking} of {len(before) + len(after)} runs have no such figure.")
    if not figure.judged:
        return row("unknown", "It is shown, and not judged: equal runs differ in it too much.")
    if figure.how == "exact":
        reason = f"the worst run had {left:g} in the base, and has {right:g}."
        return row(_towards(figure, right - left), reason)
    if change is None:
        return row("unknown", "The base is zero, of which nothing is a share.")
    allowed = figure.tolerance if tolerance is None else tolerance
    p = statistics.mann_whitney(one, two)
    low, high = statistics.interval(one, two)
    span = low / abs(left), high / abs(left)
    return row(*_tested(figure, change, allowed, p, span, (len(one), len(two)), tests), p, span)


def _standing(figure: Figure, values: Sequence[float]) -> float:
    """What stands for a side: the worst run of a figure compared exactly, else the median."""
    if figure.how != "exact":
        return median(values)
    return min(values) if figure.direction == "higher" else max(values)


def _tested(
    figure: Figure,
    change: float,
    allowed: float,
    p: float,
    span: tuple[float, float],
    runs: tuple[int, int],
    tests: int,
) -> tuple[Verdict, str]:
    """The verdict and why. ``tests`` are made together: figures of figures.yaml, or metrics of profiles."""
    # Bonferroni: with the level shared out, the chance that any test errs is at most the level.
    if 2 / comb(sum(runs), runs[0]) * tests > LEVEL:
        enough = next(each for each in count(2) if 2 / comb(2 * each, each) * tests <= LEVEL)
        few = f"{runs[0]} and {runs[1]} runs are too few to tell a change from chance"
        return "unknown", f"{few}: take {enough} on each side."
    if abs(change) > allowed and p * tests <= LEVEL and not span[0] <= 0 <= span[1]:
        return _towards(figure, change), f"{change:+.1%}, beyond chance and beyond {allowed:.1%}."
    if -allowed <= span[0] and span[1] <= allowed:
        return "same", f"the interval is within {allowed:.1%}."
    return "unknown", f"{change:+.1%}, which may be chance: more runs can tell."


def _towards(figure: Figure, difference: float) -> Verdict:
    if difference == 0 or figure.direction == "none":
        return "same"
    return "better" if (difference > 0) == (figure.direction == "higher") else "worse"

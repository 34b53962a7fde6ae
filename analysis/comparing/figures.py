"""The figures of a summary: which there are, by their paths, and what is known of each before any run.

A path is the keys to a figure with dots between them; an entry of a list has its place in it, from 0, for a key
(``load.phases.0.failed``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import translate
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from workloads.profiles import Direction

How = Literal["exact", "tested", "shown", "listed", "none"]
TOLERANCE = 0.05
"""What a metric of a profile may change by, a share of the base."""
ABOUT = frozenset(
    ("run_id", "stack", "family", "engine", "platform", "cluster", "collected_afterwards", "started_at", "finished_at")
    + ("error", "deadline_passed", "resumed", "scenario", "caches")
    + ("missing", "thresholds", "verdict", "verdict_reasons")
)
"""What of a summary is no figure: what was run, and what is made of the figures."""


class Figure(NamedTuple):
    """What is known of a figure: its unit, which way is better, and how it is compared (figures.yaml).

    The tolerance is a share of the base.
    """

    unit: str
    direction: Direction
    how: How
    tolerance: float = 0.0

    @property
    def judged(self) -> bool:
        """Whether it can be worse or better."""
        return self.how in ("exact", "tested")


@cache
def known() -> Mapping[str, Figure]:
    """The entries of figures.yaml, by path; an asterisk in a path stands for any text."""
    entries = yaml.safe_load(Path(__file__).with_name("figures.yaml").read_text())
    return {path: Figure(**entry) for path, entry in entries.items()}


def of(path: str) -> tuple[str, Figure] | None:
    """The first entry that fits a path, with its own path; None if there is none."""
    return next(((name, known()[name]) for name, fits in _patterns() if fits.match(path)), None)


def profiled(summaries: Iterable[Mapping[str, Any]]) -> dict[str, Figure]:
    """The metrics of the runs' profiles, by path, with the unit and the direction that their profiles say.

    One without a direction is shown, and so is one of which the runs do not say the same.
    """
    found: dict[str, set[tuple[str, Direction]]] = {}
    for summary in summaries:
        for name, metric in ((summary.get("profile") or {}).get("metrics") or {}).items():
            found.setdefault(f"profile.metrics.{name}.value", set()).add((metric["unit"], metric["direction"]))
    figures = {}
    for path, said in found.items():
        unit, direction = min(said)
        judged = len(said) == 1 and direction != "none"
        figures[path] = Figure(unit, direction, "tested", TOLERANCE) if judged else Figure(unit, "none", "shown")
    return figures


def dotted(path: str) -> str:
    """A path as :func:`figures` has it: the place in a list may be written in brackets elsewhere."""
    return path.replace("[", ".").replace("]", "")


def reasons(summary: Mapping[str, Any]) -> dict[str, str]:
    """Why each figure that is null is so, by its path."""
    return {dotted(str(path)): str(reason) for path, reason in (summary.get("missing") or {}).items()}


def near(path: str) -> str | None:
    """The known path that is most like one that is none; None if none is."""
    return next(iter(get_close_matches(path, [name for name in known() if "*" not in name], n=1)), None)


def figures(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """Every figure of a summary by its path: a finite number, or None if it is null. Texts are no figures."""
    return {path: value for key in summary if key not in ABOUT for path, value in _below(str(key), summary[key])}


def _below(path: str, value: Any) -> Iterator[tuple[str, float | None]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _below(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _below(f"{path}.{place}", inner)
    elif value is None:
        yield path, None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value) if isfinite(value) else None


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(name, re.compile(translate(name))) for name in known()]

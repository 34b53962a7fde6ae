"""Every figure of the summary of a run is what is known to have happened: within 1 %, or one bucket of a histogram."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis.results import analyse
from tests.known.components import Within
from tests.known.happenings import Truth, write

TOLERANCE = 0.01
JUDGED = ("missing", "thresholds", "verdict", "verdict_reasons")
"""No figures of the run: what is made of them."""
Leaves = dict[str, Any]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every figure below a value, by its path; a list or a table without entries is one itself."""
    below: Iterator[tuple[str, Any]] | None = None
    if isinstance(value, Mapping) and value:
        below = ((f"{path}.{key}" if path else str(key), each) for key, each in value.items())
    elif isinstance(value, list) and value:
        below = ((f"{path}[{number}]", each) for number, each in enumerate(value))
    if below is None:
        yield path, value
        return
    for name, each in below:
        yield from leaves(each, name)


def wrong(summary: Mapping[str, Any], truth: Truth, untold: Iterable[str] = ()) -> list[str]:
    """What of a summary is not true, or has no truth beside it; ``untold`` are beginnings of paths that need none."""
    known = dict(leaf for path, value in truth.items() for leaf in leaves(value, path))
    judges = [path for path, value in known.items() if callable(value)]
    figures = {path: value for path, value in figures_of(summary).items() if not path.startswith((*untold,))}
    found = []
    for path, value in figures.items():
        if path in known:
            if not agrees(value, known[path]):
                found.append(f"{path} is {value!r}; true is {known[path]!r}")
        elif not any(path.startswith((f"{judge}[", f"{judge}.")) for judge in judges):
            found.append(f"{path} is {value!r}, and nothing says what is true")
    found += [f"{path} is not there" for path in known if path not in figures and path not in judges]
    found += [f"{path} is {at(summary, path)!r}" for path in judges if not known[path](at(summary, path))]
    missing = summary["missing"]
    found += [
        f"{path} is null without a reason"
        for path, value in figures.items()
        if value is None and path not in missing and path not in UNTOLD and not path.startswith("faults[1].")
    ]
    return found


def figures_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a summary by their paths, without what is made of them."""
    return {path: value for path, value in leaves(summary) if path.partition(".")[0].partition("[")[0] not in JUDGED}


UNTOLD = ("error", "recovery", "faults[0].share", "faults[0].error")
"""Null where there is nothing to tell of."""


def agrees(value: Any, true: Any) -> bool:
    if callable(true):
        return bool(true(value))
    if isinstance(true, Within):
        return value is not None and true.holds(value)
    if isinstance(true, bool) or not isinstance(true, int | float):
        return bool(value == true)
    if isinstance(true, int):
        return bool(value == true)
    return value is not None and value == pytest.approx(true, rel=TOLERANCE, abs=1e-6)


def at(summary: Any, path: str) -> Any:
    for part in path.replace("[", ".").replace("]", "").split("."):
        summary = summary[int(part)] if isinstance(summary, list) else summary[part]
    return summary


@pytest.fixture(scope="module", params=["", "_millisecond"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Truth]]:
    """Both runs, with either spelling of Ratify's names: summary and truth."""
    root = tmp_path_factory.mktemp("known")
    found = {}
    for name in ("fine", "hard"):
        truth = write(root / name, hard=name == "hard", spelling=request.param)
        found[name] = (analyse(Path(root / name)), truth)
    return found


@pytest.mark.parametrize("name", ["fine", "hard"])
def test_every_figure_is_what_is_known_to_have_happened(runs, name):
    summary, truth = runs[name]
    assert wrong(summary, truth) == []


def test_every_figure_is_known_in_one_of_the_runs(runs):
    """A figure that is null in both has been compared with nothing."""
    figures: dict[str, list[Any]] = {}
    for summary, _ in runs.values():
        for path, value in leaves(summary):
            figures.setdefault(path, []).append(value)
    known = [path for path, values in figures.items() if any(value is not None for value in values)]
    never = {path for path in figures if not any(other == path or other.startswith(f"{path}.") for other in known)}
    assert {path for path in never if not path.startswith(("error", "faults[", "thresholds[", "recovery"))} == set()


def test_the_verdict_names_what_is_wrong(runs):
    """One pod got in unverified even in the good run, and two that Ratify was never asked about."""
    summary, _ = runs["fine"]
    assert [reason.partition(" admitted")[0] for reason in summary["verdict_reasons"]] == ["1 pod was", "2 pods were"]
    reasons = " ".join(runs["hard"][0]["verdict_reasons"])
    for part in ("could not be copied", "deadline passed", "had to be denied", "pods.ready is 54", "back by 0.5 s"):
        assert part in reasons

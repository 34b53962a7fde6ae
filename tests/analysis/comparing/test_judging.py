"""Which figures of two sides of runs are called different."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from analysis.comparing import Comparison, compare
from analysis.comparing.figures import figures, known, of
from analysis.comparing.statistics import mann_whitney
from analysis.results import analyse
from tests.known.happenings import write
from workloads.errors import CollectError, UsageError

MEAN = "ratify.verification_seconds.mean"


def side(folder: Path, name: str, seconds: list[Any], **pods: Any) -> list[Path]:
    folders = []
    for number, value in enumerate(seconds):
        run = folder / f"{name}-{number}"
        run.mkdir(parents=True)
        summary = {
            "run_id": run.name,
            "verdict": "pass",
            "family": "ratify",
            "scenario": {"replicas": 5},
            "pods": {"denied": 0, **pods},
            "ratify": {"verification_seconds": {"mean": value}},
        }
        (run / "summary.json").write_text(json.dumps(summary))
        folders.append(run)
    return folders


def verdict(comparison: Comparison, metric: str = MEAN) -> str:
    return next(row.verdict for row in comparison.rows if row.metric == metric)


def test_the_p_of_complete_separation_and_of_ties() -> None:
    assert mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)
    assert mann_whitney([1, 1], [1, 1]) == 1
    assert mann_whitney([1.0] * 20, [1.0] * 20) == 1
    assert mann_whitney(range(20), range(20, 40)) < 1e-6


def test_equal_sides_are_called_different_in_at_most_one_of_twenty_and_ten_percent_is_found(tmp_path: Path) -> None:
    draw = Random(7)
    different = found = 0
    for turn in range(40):
        a, b, slow = ([draw.gauss(mean, 0.001) for _ in range(5)] for mean in (0.1, 0.1, 0.11))
        base = side(tmp_path, f"a{turn}", a)
        different += verdict(compare(base, side(tmp_path, f"b{turn}", b), {})) in ("better", "worse")
        found += verdict(compare(base, side(tmp_path, f"s{turn}", slow), {})) == "worse"
    assert different <= 2
    assert found >= 38


def test_one_run_tells_counts_and_no_times(tmp_path: Path) -> None:
    found = compare(side(tmp_path, "a", [0.1]), side(tmp_path, "b", [0.2], denied=1), {})
    assert verdict(found) == "unknown"
    assert [row.metric for row in found.worse] == ["pods.denied"]


def test_a_tolerance_that_is_not_passed(tmp_path: Path) -> None:
    base, new = side(tmp_path, "a", [0.1] * 5), side(tmp_path, "b", [0.11] * 5)
    assert verdict(compare(base, new, {})) == "worse"
    assert verdict(compare(base, new, {MEAN: 0.2})) == "same"
    with pytest.raises(UsageError, match="takes no tolerance"):
        compare(base, new, {"pods.denied": 0.1})


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "x", True, [1]])
def test_a_figure_that_is_none_is_unknown(tmp_path: Path, value: Any) -> None:
    good = side(tmp_path, "a", [0.1] * 5)
    broken = side(tmp_path, "b", [0.2] * 4 + [value])
    try:
        found = compare(good, broken, {})
    except CollectError:
        return
    assert verdict(found) == "unknown"


def test_other_scenarios_and_the_same_run_are_refused(tmp_path: Path) -> None:
    base, new = side(tmp_path, "a", [0.1]), side(tmp_path, "b", [0.1])
    summary = json.loads((new[0] / "summary.json").read_text())
    (new[0] / "summary.json").write_text(json.dumps(summary | {"scenario": {"replicas": 6}}))
    with pytest.raises(UsageError, match=r"scenario\.replicas"):
        compare(base, new, {})
    assert "scenario.replicas" in compare(base, new, {}, force=True).reasons[0]
    with pytest.raises(UsageError, match="both sides"):
        compare(base, base, {})
    (new[0] / "summary.json").write_text("{")
    with pytest.raises(CollectError, match=r"summary\.json"):
        compare(base, new, {})


def test_a_count_that_only_the_new_side_lacks_is_worse(tmp_path: Path) -> None:
    base, new = side(tmp_path, "base", [0.1]), side(tmp_path, "new", [0.1])
    file = new[0] / "summary.json"
    summary = json.loads(file.read_text())
    summary["pods"]["denied"] = None
    file.write_text(json.dumps(summary))

    assert verdict(compare(base, new, {}), "pods.denied") == "worse"
    assert verdict(compare(new, base, {}), "pods.denied") == "unknown"


def test_other_versions_and_machines_are_told(tmp_path: Path) -> None:
    base, new = side(tmp_path, "a", [0.1]), side(tmp_path, "b", [0.1])
    for folder, ratify, cores in ((base[0], "v1.4.5", 2), (new[0], "v1.4.6", 4)):
        machine = {"cpu_count": cores, "memory_bytes": 24e9, "os": "Linux", "python": "3.11"}
        run = {"versions": {"ratify": ratify, "etcd": "v3"}, "machine": machine}
        (folder / "run.json").write_text(json.dumps(run))
    found = compare(base, new, {})
    assert found.reasons == ()
    assert sorted(found.circumstances) == [
        "The runs differ in machine.cpu_count: 2 in the base, 4 now.",
        "The runs differ in versions.ratify: v1.4.5 in the base, v1.4.6 now.",
    ]


def test_every_figure_of_a_run_has_an_entry(tmp_path: Path) -> None:
    for hard in (False, True):
        write(tmp_path / str(hard), hard=hard)
        there = figures(analyse(tmp_path / str(hard)))
        assert [path for path, value in there.items() if value is not None and of(path) is None] == []


def test_every_entry_is_of_a_figure(tmp_path: Path) -> None:
    paths = set[str]()
    for hard in (False, True):
        write(tmp_path / str(hard), hard=hard)
        paths |= {found[0] for path in figures(analyse(tmp_path / str(hard))) if (found := of(path))}
    of_clusters, of_profiles = {"ratify.oom"}, {"profile.metrics.*.*", "profile.alerts.*"}
    assert set(known()) - paths == of_clusters | of_profiles


def test_figures_that_are_listed_have_rows_on_demand(tmp_path: Path) -> None:
    base, new = side(tmp_path, "a", [0.1], causes={"other": 1}), side(tmp_path, "b", [0.1])
    assert "pods.causes.other" not in {row.metric for row in compare(base, new, {}).rows}
    row = next(row for row in compare(base, new, {}, every=True).rows if row.metric == "pods.causes.other")
    assert (row.base, row.new, row.verdict) == (1, None, "unknown")


def profiled(folder: Path, name: str, values: list[Any], direction: str = "higher", others: int = 0) -> list[Path]:
    """Runs with a metric of a profile, and others beside it."""
    folders = side(folder, name, [0.1] * len(values))
    for run, value in zip(folders, values, strict=True):
        summary = json.loads((run / "summary.json").read_text())
        metric = {"value": value, "unit": "B", "direction": direction}
        summary["profile"] = {"metrics": {name: metric for name in ["m", *(f"o{each}" for each in range(others))]}}
        (run / "summary.json").write_text(json.dumps(summary))
    return folders


@pytest.mark.parametrize(("direction", "told"), [("higher", "better"), ("lower", "worse"), ("none", "unknown")])
def test_metrics_of_a_profile_are_compared_by_the_direction_that_it_says(
    tmp_path: Path, direction: str, told: str
) -> None:
    base = profiled(tmp_path, "a", [100, 101, 102, 103, 104], direction)
    new = profiled(tmp_path, "b", [200, 201, 202, 203, 204], direction)
    found = compare(base, new, {})
    assert verdict(found, "profile.metrics.m.value") == told
    assert next(row.unit for row in found.rows if row.metric == "profile.metrics.m.value") == "B"
    within = compare(base, new, {"profile.metrics.m.value": 2.0}) if direction != "none" else found
    assert verdict(within, "profile.metrics.m.value") not in ("better", "worse")


def test_many_metrics_of_a_profile_need_more_runs_and_take_none_from_the_other_figures(tmp_path: Path) -> None:
    base = profiled(tmp_path, "a", [100, 101, 102, 103, 104], others=9)
    new = profiled(tmp_path, "b", [200, 201, 202, 203, 204], others=9)
    found = compare(base, new, {})
    row = next(row for row in found.rows if row.metric == "profile.metrics.m.value")
    assert (row.verdict, row.reason) == (
        "unknown",
        "5 and 5 runs are too few to tell a change from chance: take 6 on each side.",
    )
    assert verdict(found) == "same"


def test_a_metric_that_the_runs_say_otherwise_of_is_shown(tmp_path: Path) -> None:
    base = profiled(tmp_path, "a", [1, 1, 1, 1, 1], "lower")
    found = compare(base, profiled(tmp_path, "b", [2, 2, 2, 2, 2], "higher"), {})
    assert verdict(found, "profile.metrics.m.value") == "unknown"

"""Every figure of a run leads back to records, and they are those that it was made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.comparing.figures import figures, known
from analysis.records import Records, read
from analysis.results import analyse
from analysis.tracing import Trace, trace
from analysis.tracing.traces import _names, sources
from tests.csscgen.commands import csscgen
from tests.known.happenings import write
from workloads.errors import UsageError

Run = tuple[Records, dict[str, Any]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("known")
    found = {}
    for name in ("fine", "hard"):
        write(root / name, hard=name == "hard")
        summary = analyse(root / name)
        found[name] = (read(root / name), summary)
    return found


def of(runs: dict[str, Run], figure: str, name: str = "hard") -> Trace:
    return trace(*runs[name], figure)


@pytest.mark.parametrize("name", ["fine", "hard"])
def test_every_figure_that_is_not_zero_has_records(runs: dict[str, Run], name: str) -> None:
    summary = runs[name][1]
    traces = {path: of(runs, path, name) for path in figures(summary)}
    assert [path for path, each in traces.items() if each.value and not any(each.records.values())] == []
    assert [each.problems for each in traces.values() if each.problems] == []


def test_every_entry_of_figures_has_a_source_whose_metric_there_is() -> None:
    for path in known():
        for source in sources(path.replace("*", "0.x")):
            if "samples" in source:
                assert _names(source)


def test_the_pods_that_were_denied(runs: dict[str, Run]) -> None:
    found = of(runs, "pods.denied")
    assert len(found.records["pods.jsonl"]) == found.value == 22
    assert {event["reason"] for event in found.records["events.jsonl"]} == {"FailedCreate"}


@pytest.mark.parametrize(
    "figure", ["failed", "missing", "ready", "wrongly_admitted", "expected_denied", "causes.unsigned"]
)
def test_as_many_pods_as_the_figure_says(runs: dict[str, Run], figure: str) -> None:
    found = of(runs, f"pods.{figure}")
    lines = [pod for pod in found.records["pods.jsonl"] if figure != "causes.unsigned" or pod["cause"] == "unsigned"]
    assert len(lines) == found.value


@pytest.mark.parametrize("figure", ["p50", "p99", "max"])
def test_the_pods_at_and_above_a_percentile(runs: dict[str, Run], figure: str) -> None:
    found = of(runs, f"pod_startup_seconds.{figure}")
    took = [
        pod["milestones"]["ready"]["local"] - pod["milestones"]["created"]["local"]
        for pod in found.records["pods.jsonl"]
    ]
    assert min(took) == pytest.approx(found.value)
    assert len(took) < of(runs, "pod_startup_seconds.count").value  # type: ignore[operator]


def test_the_samples_of_a_histogram_make_its_count(runs: dict[str, Run]) -> None:
    found = of(runs, "ratify.verification_seconds.p50", "fine").records["metrics.parquet"]
    last = [row for row in found if 'le="+Inf"' in row["labels"]]
    times = {row["time"] for row in last}
    assert len(times) == 2
    grown = sum(row["value"] * (1 if row["time"] == max(times) else -1) for row in last)
    assert grown == runs["fine"][1]["ratify"]["verification_requests"]


def test_around_a_restart_there_are_samples(runs: dict[str, Run]) -> None:
    rows = of(runs, "ratify.by_replica.ratify-1.verification_requests").records["metrics.parquet"]
    assert {row["target"] for row in rows} == {"ratify-1"}
    # The ends, and the last before the restart: the new process had verified nothing when it was first read.
    assert len({row["time"] for row in rows}) == 3


def test_requests_by_their_answer(runs: dict[str, Run]) -> None:
    assert [one["code"] for one in of(runs, "load.answers.500").records["requests.jsonl"]] == [500] * 5


def test_a_figure_that_is_null_says_why_and_one_that_is_none_is_refused(runs: dict[str, Run]) -> None:
    assert "restarted" in (of(runs, "pods.unaccounted").reason or "")
    for figure in ("pods", "nothing", ""):
        with pytest.raises(UsageError):
            of(runs, figure)


def test_the_commands(runs: dict[str, Run], capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(Path(runs["hard"][0].folder))
    code, out, err = csscgen(capsys, "runs", "trace", folder, "pods.failed", "--json")
    assert (code, err) == (0, "pods.failed is 1.\n")
    (line,) = map(json.loads, out.splitlines())
    assert (line["file"], line["end"]) == ("pods.jsonl", "failed")
    assert csscgen(capsys, "runs", "trace", folder, "pods.faild")[0] == 2
    code, out, _ = csscgen(capsys, "runs", "show", folder)
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    assert rows["pods.failed"].split()[1] == "1"
    assert "restarted" in rows["pods.unaccounted"]
    assert json.loads(csscgen(capsys, "runs", "show", folder, "--json")[1])["verdict"] == "fail"

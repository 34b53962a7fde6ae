"""Thresholds by flag and by file, and a run that is judged again by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.results import analyse
from csscgen import limits
from tests.analysis.runs import known_run, with_settings
from tests.csscgen.commands import csscgen
from workloads.errors import UsageError


def test_a_word_counts_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("pods.missing: <= 0\npods.ready: '>= pods.expected'\n")
    assert limits.read(["pods.missing<=3", " ratify.oom  ==  0 "], file) == {
        "pods.missing": "<=3",
        "pods.ready": ">= pods.expected",
        "ratify.oom": "==  0",
    }
    assert limits.read([], None) == {}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("pods.missing", "not a figure and its limit"),
        ("<= 3", "not a figure and its limit"),
        ("pods.missing ~ 3", "not a figure and its limit"),
        ("pods.missing <= lots of", "operator"),
        ("pods.missing => 3", "pods.missing"),
        ("pods.mising <= 3", "did you mean pods.missing"),
        ("x <= 3", "no such figure"),
    ],
)
def test_a_word_that_is_none_is_told(word: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        limits.read([word], None)


@pytest.mark.parametrize(
    "text",
    ["[]", "3", "a: [", "pods.missing: 3", "pods.missing: <= 0\npods.missing: <= 1", "1: <= 0", "\xff", "x: <= 1"],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"t\.yaml"):
        limits.read([], file)


def test_a_run_that_is_judged_again_keeps_the_thresholds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSSCGEN_RUNS", str(tmp_path))
    settings = with_settings()
    settings["thresholds"] = {"pods.ready": "<= 1", "pods.failed": "<= 1"}
    folder = known_run(tmp_path / "a", settings=settings)
    before = json.loads((folder / "run.json").read_text())
    code, _, said = csscgen(capsys, "report", "a", "--threshold", "pods.ready <= 2", "--threshold", "pods.denied <= 0")
    assert code == 3
    assert "pods.denied <= 0" in said
    after = json.loads((folder / "run.json").read_text())
    assert after["settings"].pop("thresholds") == {
        "pods.ready": "<= 2",
        "pods.failed": "<= 1",
        "pods.denied": "<= 0",
    }
    before["settings"].pop("thresholds")
    assert after == before
    assert [row["metric"] for row in analyse(folder)["thresholds"] if not row["ok"]] == ["pods.denied"]

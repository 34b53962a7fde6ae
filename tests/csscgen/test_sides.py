"""Which runs a word means, and the baselines that are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from csscgen import runs, sides
from tests.csscgen.commands import csscgen
from tests.csscgen.test_runs import make
from workloads.errors import UsageError

ONE, TWO, THREE = (f"local-S-20260102-10150{number}-aaaa" for number in range(3))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CSSCGEN_RUNS", str(tmp_path / "runs"))
    for name, group in ((ONE, "them"), (TWO, "them"), (THREE, None)):
        make(tmp_path, name, set=group)
    return tmp_path


def found(root: Path, words: str) -> list[str]:
    return [folder.name for folder in sides.find(root, words)]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (ONE, [ONE]),
        (f"{TWO},{ONE}", [TWO, ONE]),
        ("them", [ONE, TWO]),
        (f"them, {THREE},{ONE}", [ONE, TWO, THREE]),
        ("local-S-20260102-101502", [THREE]),
    ],
)
def test_a_word_is_a_run_or_a_set(here: Path, words: str, meant: list[str]) -> None:
    assert found(here, words) == meant


def test_a_word_is_a_path(here: Path) -> None:
    assert found(here, str(runs.folder(here) / ONE)) == [ONE]


@pytest.mark.parametrize("words", ["", "them,", "nothing", "x" * 500, "local-S"])
def test_what_is_no_run_is_refused(here: Path, words: str) -> None:
    with pytest.raises(UsageError):
        sides.find(here, words)


def test_a_baseline_is_kept_as_the_runs_were(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = make(tmp_path_factory.mktemp("else"), "x").folder
    sides.keep(here, "v1", [*sides.find(here, "them"), elsewhere])
    make(here, "local-S-20260102-101509-aaaa", set="them")
    assert found(here, "v1") == [ONE, TWO, "x"]
    sides.keep(here, "v1", sides.find(here, THREE))
    assert found(here, "v1") == [THREE]
    sides.remove(here, "v1")
    assert sides.baselines(here) == {}
    assert [name for name in os.listdir(runs.folder(here)) if name.startswith(".")] == []


def test_a_baselines_run_that_is_gone_is_told(here: Path) -> None:
    sides.keep(here, "v1", sides.find(here, "them"))
    (runs.folder(here) / TWO / "run.json").unlink()
    with pytest.raises(UsageError, match=f"1 of the 2 runs of baseline v1 are gone: {TWO}"):
        sides.find(here, "v1")


@pytest.mark.parametrize("name", ["", "a,b", "../x", "them", ONE, "-x", "x" * 64, "a b"])
def test_a_name_that_would_mean_something_else_is_refused(here: Path, name: str) -> None:
    with pytest.raises(UsageError):
        sides.keep(here, name, sides.find(here, ONE))


def test_a_set_is_not_named_like_a_baseline(here: Path) -> None:
    sides.keep(here, "v1", sides.find(here, ONE))
    sides.check_set(here, "them")
    with pytest.raises(UsageError, match="baseline"):
        sides.check_set(here, "v1")


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": []}', '{"a": [1]}', "\xff"])
def test_a_file_of_baselines_that_is_none_is_told(here: Path, content: str) -> None:
    (runs.folder(here) / sides.FILE).write_text(content, encoding="latin-1")
    with pytest.raises(UsageError, match=r"baselines\.json"):
        sides.find(here, "v1")


def test_the_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert csscgen(capsys, "baselines", "set", "v1", "them") == (0, "", "")
    code, out, _ = csscgen(capsys, "baselines", "list")
    assert (code, out.splitlines()[1].split()) == (0, ["v1", f"{ONE},", TWO, "-"])
    assert csscgen(capsys, "baselines", "remove", "v2")[0] == 2
    assert csscgen(capsys, "baselines", "remove", "v1") == (0, "", "")
    assert csscgen(capsys, "baselines", "list", "--json") == (0, "[]\n", "")

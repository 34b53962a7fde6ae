from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csscgen import runs
from csscgen.progress import Progress
from csscgen.runs import Run
from workloads.errors import UsageError

LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CSSCGEN_RUNS", raising=False)


def make(root: Path, name: str, **changes: Any) -> Run:
    folder = runs.folder(root) / name
    folder.mkdir(parents=True)
    values: dict[str, Any] = {
        "stack": "local-S",
        "platform": "local",
        "engine": {"name": "embedded", "version": "1"},
        "settings": {},
        "versions": {},
    }
    record = Run(folder, **(values | changes))
    record.save()
    return record


@given(st.text(min_size=1, max_size=80) | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}", fullmatch=True))
def test_an_id_is_a_labels_value_and_a_folders_name(stack: str):
    name = runs.new_id(stack)
    assert LABEL_VALUE.fullmatch(name)
    assert runs.ID.fullmatch(name)


def test_an_id_begins_with_its_stack():
    assert runs.new_id("local-S").startswith("local-S-2")


def test_ids_of_one_moment_differ():
    assert len({runs.new_id("a") for _ in range(20)}) > 1


def test_runs_are_kept_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert runs.folder(tmp_path) == tmp_path / "runs"
    monkeypatch.setenv("CSSCGEN_RUNS", str(tmp_path / "elsewhere"))
    assert runs.folder(tmp_path) == tmp_path / "elsewhere"


def test_a_record_can_be_loaded_again(tmp_path: Path):
    record = make(tmp_path, "local-S-20260102-101500-0000", window={"start": 1.0, "end": 2.0})
    assert runs.load(record.folder) == record
    content = json.loads((record.folder / "run.json").read_text())
    assert (content["run_id"], content["family"]) == (record.id, "ratify")
    assert content["machine"]["cpu_count"] >= 1
    assert "folder" not in content


@pytest.mark.parametrize("content", ["", "[]", '"text"', "{}", '{"stack": 1}'])
def test_a_record_that_cannot_be_read_is_named(tmp_path: Path, content: str):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UsageError, match=r"run\.json is not the record of a run"):
        runs.load(tmp_path)


def test_the_record_is_replaced_as_a_whole(tmp_path: Path):
    record = make(tmp_path, "r", platform="before")
    with open(record.folder / "run.json") as reader:
        record.platform = "after"
        record.save()
        assert json.load(reader)["platform"] == "before"
    assert runs.load(record.folder).platform == "after"
    assert os.listdir(record.folder) == ["run.json"]


def test_a_record_that_cannot_be_written_leaves_what_was_there(tmp_path: Path):
    record = make(tmp_path, "r", platform="before")
    record.platform = object()  # type: ignore[assignment]
    with pytest.raises(TypeError):
        record.save()
    assert runs.load(record.folder).platform == "before"


def test_a_phase_is_kept_with_its_times_and_its_end(tmp_path: Path):
    record = make(tmp_path, "r")
    with record.phase(Progress(quiet=True), "up"):
        (during,) = json.loads((record.folder / "run.json").read_text())["phases"]
        assert (during["name"], during["finished"], during["ok"]) == ("up", None, None)
    (after,) = runs.load(record.folder).phases
    assert after["ok"] is True
    assert after["started"] <= after["finished"]


@pytest.mark.parametrize(("error", "message"), [(ValueError("It broke."), "It broke."), (KeyboardInterrupt(), "Key")])
def test_a_phase_that_fails_is_the_error_of_the_run_and_the_first_one_stays(
    tmp_path: Path, error: BaseException, message: str
):
    record = make(tmp_path, "r")
    with pytest.raises(type(error)), record.phase(Progress(quiet=True), "up"):
        raise error
    with pytest.raises(OSError), record.phase(Progress(quiet=True), "collect"):
        raise OSError("another")
    loaded = runs.load(record.folder)
    assert loaded.error is not None
    assert (loaded.error["phase"], loaded.error["message"][: len(message)]) == ("up", message)
    assert [phase["ok"] for phase in loaded.phases] == [False, False]


NAMES = ["local-S-20260102-101500-aaaa", "local-S-20260102-101600-bbbb", "other-20260102-101700-cccc"]


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for name in reversed(NAMES):
        make(tmp_path, name)
    return tmp_path


def test_runs_are_listed_oldest_first_whatever_their_stack(three: Path):
    (runs.folder(three) / "no-run").mkdir()
    assert [folder.name for folder in runs.every(three)] == NAMES


def test_there_may_be_no_runs_at_all(tmp_path: Path):
    assert runs.every(tmp_path) == []
    with pytest.raises(UsageError, match="There is no run"):
        runs.find(tmp_path, None)


def test_a_time_in_the_name_of_a_stack_is_not_the_runs(tmp_path: Path):
    make(tmp_path, "night-20990101-000000-20260102-101500-aaaa")
    make(tmp_path, "b-20260102-101600-bbbb")
    assert [folder.name[0] for folder in runs.every(tmp_path)] == ["n", "b"]


@pytest.mark.parametrize(
    ("name", "found"),
    [(None, 2), ("other", 2), ("local-S-20260102-1015", 0), (NAMES[1], 1)],
)
def test_a_run_is_found_by_its_id_or_a_beginning_of_it_else_the_newest(three: Path, name: str | None, found: int):
    assert runs.find(three, name).name == NAMES[found]


def test_a_run_is_found_by_its_folder(three: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = make(tmp_path_factory.mktemp("else"), "x").folder
    assert runs.find(three, str(folder)) == folder


def test_the_newest_run_of_a_stack(three: Path):
    make(three, "local-S-jobs-20260102-101800-dddd")
    assert runs.find(three, None, "local-S").name == NAMES[1]
    with pytest.raises(UsageError, match="There is no run"):
        runs.find(three, None, "local")


def test_a_beginning_that_fits_two_names_both(three: Path):
    with pytest.raises(UsageError, match=f"{NAMES[0]}, {NAMES[1]}"):
        runs.find(three, "local-S")


def test_an_id_that_begins_another_is_meant_itself(tmp_path: Path):
    make(tmp_path, "a-20260102-101500-aaaa")
    make(tmp_path, "a-20260102-101500-aaaab")
    assert runs.find(tmp_path, "a-20260102-101500-aaaa").name == "a-20260102-101500-aaaa"


def test_a_run_that_is_not_there(three: Path):
    with pytest.raises(UsageError, match=r"There is no run nope in .*csscgen runs list"):
        runs.find(three, "nope")

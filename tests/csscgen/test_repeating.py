"""Several runs of one set: what is gone on after, what stops it, and what an interruption leaves."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from csscgen import repeating, runs, sides

STAND_IN = """
import json, os, pathlib, signal, sys, time
words = sys.argv[1:]
place = pathlib.Path(os.environ["CSSCGEN_RUNS"])
number = len(list(place.glob("*/run.json")))
fate = words[number] if number < words.index("--in-set") else "pass"
def ended(verdict):
    folder = place / f"s-20260102-10150{number}-aaaa"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"set": words[words.index("--in-set") + 1], "settings": {}}))
    (folder / "summary.json").write_text(json.dumps({"run_id": folder.name, "verdict": verdict}))
if fate == "hang":
    def end(*_):
        ended("fail")
        sys.exit(130)
    signal.signal(signal.SIGINT, end)
    (place / "ready").touch()
    time.sleep(60)
if fate != "nothing":
    ended("pass" if fate == "pass" else "fail")
sys.exit({"pass": 0, "fail": 3, "nothing": 3, "error": 1}[fate])
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CSSCGEN_RUNS", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    return tmp_path


def repeated(root: Path, count: int, *fates: str, made: list[Path] | None = None, **more: Any) -> int:
    command = [sys.executable, "-c", STAND_IN]
    taken = made if made is not None else []
    return repeating.repeat(root, "them", count, fates, lambda text: None, taken.append, command)


def test_runs_follow_one_another_whatever_their_verdict(root: Path) -> None:
    made: list[Path] = []
    assert repeated(root, 3, "pass", "fail", "pass", made=made) == 0
    assert made == sides.of_set(root, "them") == runs.every(root)
    assert len(made) == 3
    assert repeating.failed(made) == [made[1].name]


@pytest.mark.parametrize(("fate", "code", "there"), [("error", 1, 2), ("nothing", 3, 1)])
def test_a_run_that_did_not_go_to_its_end_is_the_last(root: Path, fate: str, code: int, there: int) -> None:
    assert repeated(root, 3, "pass", fate) == code
    assert len(runs.every(root)) == there


def test_runs_are_added_to_a_set_that_is_there(root: Path) -> None:
    repeated(root, 2)
    made: list[Path] = []
    repeated(root, 1, made=made)
    assert made == sides.of_set(root, "them")[2:]


def test_an_interruption_ends_the_run_that_is_under_way_and_awaits_it(root: Path) -> None:
    made: list[Path] = []

    def interrupt() -> None:
        for _ in range(600):
            if (root / "runs" / "ready").exists():
                return os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.05)

    thread = threading.Thread(target=interrupt)
    thread.start()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        repeated(root, 3, "pass", "hang", made=made)
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    assert [folder.name for folder in made] == [folder.name for folder in runs.every(root)]
    assert len(made) == 2


def test_a_new_set_is_named_by_its_stack_and_a_name_of_a_set(root: Path) -> None:
    name = repeating.new_set("local-S")
    assert name.startswith("local-S-set-")
    sides.check_set(root, name)

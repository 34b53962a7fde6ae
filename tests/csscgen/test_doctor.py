"""What is left over is found, told with its remedy, and mended where nobody can need it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from csscgen.cli import main
from csscgen.journal import Journal
from csscgen.runs import Run
from infra.engine.locks import stack_lock
from infra.local.running import MARKER
from infra.local.sockets import reservations, reserve


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CSSCGEN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CSSCGEN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CSSCGEN_INSTANCE", raising=False)
    return tmp_path


Doctor = Callable[..., tuple[int, dict]]


@pytest.fixture
def doctor(place: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    def ask(*words: str) -> tuple[int, dict]:
        with pytest.raises(SystemExit) as left:
            main(["doctor", "--json", *words])
        return int(str(left.value.code)), json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def process(place: Path) -> Iterator[Callable[[Path, str], subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []

    def start(stack: Path, name: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, MARKER: f"{stack / 'files'}:{name}"}
        made.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment))
        while MARKER not in Path(f"/proc/{made[-1].pid}/environ").read_text():
            time.sleep(0.01)
        return made[-1]

    yield start
    for each in made:
        each.kill()
        each.wait()


def ours(report: dict, place: Path) -> list[dict]:
    return [one for one in report["processes"] if one["state"].startswith(str(place))]


def told(report: dict) -> str:
    return "\n".join(f"{one['what']} -> {one['remedy']}" for one in report["left"])


def cut_off(place: Path, name: str = "local-S-20260102-101500-0000", **about: str) -> Run:
    folder = place / "runs" / name
    folder.mkdir(parents=True)
    run = Run(folder, "local-S", "local", {"name": "embedded", "version": "1"}, {}, {})
    run.save()
    Journal(folder).write("run", stack="local-S", instance=None, state=str(place / "state"), **about)
    Journal(folder).write("began", step="settle")
    text = (folder / "journal.jsonl").read_text()
    (folder / "journal.jsonl").write_text(text.replace(f'"pid": {os.getpid()}', f'"pid": {2**22}'))
    return run


def test_nothing_is_left_over(doctor: Doctor):
    code, report = doctor()
    assert (code, report["left"]) == (0, [])


def test_it_can_be_read_by_a_person(place: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["doctor"])
    assert "Nothing is left over." in capsys.readouterr().out


def test_a_stack_without_a_command_is_left_over_with_its_processes_and_its_run(place, doctor: Doctor, process):
    stack = place / "state" / "local-S"
    (stack / "files").mkdir(parents=True)
    running = process(stack, "etcd")
    run = cut_off(place)
    code, report = doctor()
    assert code == 1
    (found,) = ours(report, place)
    assert (found["name"], found["pid"], found["stack"], found["instance"]) == ("etcd", running.pid, "local-S", None)
    assert (found["run"], found["harness"]) == (run.id, None)
    assert "stack local-S is there with 1 processes, and no command works on it" in told(report)
    assert "csscgen run --stack local-S --resume" in told(report)
    assert "-> csscgen destroy --stack local-S" in told(report)


def test_a_stack_on_which_a_command_works_is_not_left_over(place: Path, doctor: Doctor, process):
    stack = place / "state" / "@a" / "local-S"
    (stack / "files").mkdir(parents=True)
    (stack / "state.tmp").touch()
    process(stack, "etcd")
    with stack_lock(stack, "local-S", "run"):
        code, report = doctor()
        assert (code, report["left"]) == (0, [])
        (found,) = ours(report, place)
        assert (found["instance"], found["harness"]) == ("a", os.getpid())
    assert "csscgen destroy --stack local-S --instance a" in told(doctor()[1])


def test_what_nobody_can_need_is_mended(place: Path, doctor: Doctor):
    stack = place / "state" / "local-S"
    (stack / "files" / "processes").mkdir(parents=True)
    for name in ("run", "lock", "state.tmp", "files/.kubeconfig.new", "files/processes/etcd.new"):
        (stack / name).write_text("4194304")
    gone = place / "gone"
    gone.mkdir()
    reserve(gone, ["a", "b"], {})
    gone.rmdir()
    (place / "cache" / "csscgen" / ".etcd-x1y2" / "module").mkdir(parents=True)
    code, report = doctor()
    assert code == 1
    for what in ("is a lock of process 4194304, which is gone", "2 ports are reserved", "a build of etcd"):
        assert what in told(report)
    code, report = doctor("--fix")
    assert [one["remedy"] for one in report["left"]] == ["csscgen destroy --stack local-S"]
    assert sorted(file.name for file in stack.rglob("*")) == ["files", "processes"]
    assert reservations() == {}
    assert not list((place / "cache" / "csscgen").glob(".etcd-*"))


def test_processes_that_no_state_knows_are_ended(place: Path, doctor: Doctor, process):
    lost = process(place / "state" / "local-S", "etcd")
    kept = process(place / "elsewhere" / "local-S", "etcd")
    code, report = doctor()
    assert f"etcd (pid {lost.pid}) of a stack that no state knows" in told(report)
    assert doctor("--fix")[0] == 0
    assert lost.wait(5) != 0
    assert kept.poll() is None


def test_a_run_without_a_report_gets_one(place: Path, doctor: Doctor):
    run = cut_off(place)
    code, report = doctor()
    assert f"run {run.id} has no report: its harness (pid 4194304) ended during settle" in told(report)
    assert f"-> csscgen report {run.id}" in told(report)
    code, report = doctor("--fix")
    assert (code, report["left"]) == (0, [])
    assert (run.folder / "report.html").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "\0" * 100])
def test_a_run_that_cannot_be_read_does_not_stop_it(place: Path, doctor: Doctor, text: str):
    run = cut_off(place)
    (run.folder / "run.json").write_text(text)
    assert doctor()[0] == 0

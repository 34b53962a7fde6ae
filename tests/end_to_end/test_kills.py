"""Kills at points drawn from a seed: the harness or a component, anywhere in a run, and what must be true afterwards.

``CSSCGEN_KILL_SEED`` draws other points, ``CSSCGEN_KILL_POINTS`` says how many are taken.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from csscgen.journal import Story
from infra.local import tools
from infra.local.running import Record, records
from infra.local.sockets import is_free, reservations
from tests.end_to_end.conftest import ROOT, Place

pytestmark = pytest.mark.real

SEED = int(os.environ.get("CSSCGEN_KILL_SEED", "20261124"))
POINTS = int(os.environ.get("CSSCGEN_KILL_POINTS", "4"))
HARNESS = "harness"
VICTIMS = [HARNESS, "etcd", "kube-apiserver", "kube-scheduler", "gatekeeper", "ratify-0", "registry-"]
STEPS = ["tools", "up", "seed", "arm", "load", "settle", "collect"]
STARTED_IN_UP = "up"
NAMED_SECONDS = 5.0
RUN_SECONDS = 14.0
"""What local-smoke takes until it is collected, on 2 cores; fractions of a run's time are of this."""


@dataclass(frozen=True)
class Point:
    """Who is killed, and when: so long after a step began, or so long after the run did (step None)."""

    victim: str
    step: str | None
    seconds: float

    def __str__(self) -> str:
        return f"{self.victim.rstrip('-')} {self.seconds:.1f} s after {self.step or 'the run'} began"


def drawn(seed: int, count: int) -> list[Point]:
    """The points of a seed: every victim in turn, half of them by a step and half by the run's time."""
    draw = random.Random(seed)
    points = []
    for number in range(count):
        victim = VICTIMS[number % len(VICTIMS)]
        if number % 2:
            step = draw.choice(STEPS if victim == HARNESS else STEPS[1:-1])
            points.append(Point(victim, step, draw.uniform(0, 6 if step == STARTED_IN_UP else 0.4)))
        else:
            points.append(Point(victim, None, draw.uniform(0, 1) * RUN_SECONDS))
    return points


class Run:
    """A run of local-smoke in an instance of its own, and what it says, with the time of each line."""

    def __init__(self, place: Place, name: str) -> None:
        self.place = place
        self.state = place.folder / "state" / f"@{name}"
        self.instance = ("--instance", name)
        argv = [sys.executable, "-m", "csscgen", "run", "--stack", "local-smoke", *self.instance]
        self.process = subprocess.Popen(
            argv, cwd=ROOT, env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.began = time.time()
        self.lines: list[tuple[float, str]] = []
        self.ports: set[int] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as source:
            for line in source:
                self.lines.append((time.time(), line.rstrip()))

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)

    @property
    def folder(self) -> Path | None:
        found = list((self.place.folder / "runs").glob("*"))
        return found[0] if found else None

    def began_at(self, step: str | None) -> float | None:
        """When a step began; None if it has not."""
        if step is None:
            return self.began
        lines = Story.read(self.folder).lines if self.folder else []
        times = [line["time"] for line in lines if line["event"] == "began" and line["step"] == step]
        return times[0] if times else None

    def meant(self) -> Iterator[Record]:
        for stack in ("local-shared", "local-smoke"):
            yield from records(self.state / stack / "files")

    def victim(self, point: Point) -> Record | None:
        """The process to kill now; None while it is not due, or not there."""
        began = self.began_at(point.step)
        if began is None or time.time() < began + point.seconds:
            return None
        if point.victim == HARNESS:
            return Record(HARNESS, "", self.process.pid, 0, "", {})
        return next((one for one in self.meant() if one.name.startswith(point.victim)), None)

    def kill(self, point: Point) -> float | None:
        """Kills the victim when it is due, or as soon as it is there; None if the run was through before."""
        end = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < end:
            self.ports |= {port for port, folder in reservations().items() if folder.is_relative_to(self.state)}
            if (victim := self.victim(point)) is not None:
                os.kill(victim.pid, signal.SIGKILL)
                return time.time()
            time.sleep(0.02)
        return None

    def wait(self) -> int:
        code = self.process.wait(90)
        self._reader.join(10)
        return code

    def leftovers(self) -> list[str]:
        """Processes, busy or reserved ports, locks, and files that are no records."""
        busy = [f"port {port}" for port in self.ports if not is_free(port)]
        reserved = [f"reserved {p}" for p, folder in reservations().items() if folder.is_relative_to(self.state)]
        names = {"key", "error.log"}
        state = [str(f.relative_to(self.state)) for f in self.state.rglob("*") if f.is_file() and f.name not in names]
        runs = self.place.folder / "runs"
        drafts = [str(f) for pattern in ("*.tmp", "*.new", "*.spool") for f in runs.rglob(pattern)]
        return [*self.place.processes(), *busy, *reserved, *state, *drafts]


def first(lines: list[tuple[float, str]], *words: str) -> float | None:
    """When a line with all of these words was said."""
    return next((at for at, line in lines if all(word in line for word in words)), None)


def check(run: Run, point: Point, killed: float) -> dict[str, Any]:
    """What must be true after the kill; returns what became of the run."""
    if point.victim == HARNESS:
        run.wait()
        asked = time.time()
        done = run.place.csscgen("destroy", "--stack", "local-smoke", *run.instance)
        named: float | None = time.time() - asked if "The harness (pid" in done.stderr else None
        if run.folder is None or not (run.folder / "run.json").exists():
            return {"run": "killed before it had begun", "destroy": done.returncode}
        if named is None and Story.read(run.folder).has("reported"):
            return {"run": "killed after its end", "destroy": done.returncode}
    else:
        code = run.wait()
        at = first(run.lines, f"{point.victim}", "ended on its own")
        if at is None and "destroy" in [phase["name"] for phase in phases(run) if phase["started"] < killed + 0.1]:
            return {"run": "was being torn down", "exit": code}
        assert code == 1, run.text
        named = at - killed if at is not None else None
        done = run.place.csscgen("destroy", "--stack", "local-smoke", *run.instance)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in run.text + done.stderr
    assert named is not None, run.text + done.stderr
    assert run.folder is not None
    summary = json.loads((run.folder / "summary.json").read_text())
    assert (run.folder / "report.html").stat().st_size > 0
    assert summary["error"] is not None and summary["verdict"] == "fail"
    if point.victim != HARNESS:
        assert summary["error"]["message"].startswith(point.victim), summary["error"]
        assert named < NAMED_SECONDS
    else:
        assert named < NAMED_SECONDS + 10  # a whole destroy with its report
    return {"step": summary["error"]["phase"], "named_after": round(named, 2), "ready": summary["pods"]["ready"]}


def phases(run: Run) -> list[dict[str, Any]]:
    assert run.folder is not None
    found: list[dict[str, Any]] = json.loads((run.folder / "run.json").read_text())["phases"]
    return found


@pytest.mark.parametrize("number", range(POINTS))
def test_killed_at_any_point_it_says_why_reports_and_leaves_nothing(place: Place, number: int) -> None:
    point = drawn(SEED, number + 1)[number]
    print(f"\nseed {SEED}, point {number}: {point}", flush=True)
    run = Run(place, f"kill{number}")
    try:
        killed = run.kill(point)
        if killed is None:
            run.wait()
            outcome: dict[str, Any] = {"run": "was through before"}
        else:
            outcome = check(run, point, killed)
        print(f"seed {SEED}, point {number}: {point}: {outcome}", flush=True)
        place.csscgen("destroy", "--stack", "local-smoke", *run.instance)
        assert run.leftovers() == []
        again = place.csscgen("destroy", "--stack", "local-smoke", *run.instance)
        assert again.returncode == 0 and "cut off" not in again.stderr
    finally:
        run.process.kill()
        run.wait()


@pytest.mark.parametrize("victim", ["gatekeeper", "etcd"])
def test_two_interrupts_in_quick_succession_end_a_run_in_order(place: Place, victim: str) -> None:
    run = place.start("run", "--stack", "local-smoke")
    place.await_process(victim)

    run.send_signal(signal.SIGINT)
    time.sleep(0.15)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)

    assert run.returncode == 130, output
    assert "Traceback" not in output and "Exception ignored" not in output
    assert place.leftovers() == []
    assert place.summary()["verdict"] == "fail"


def test_a_run_whose_harness_was_killed_is_gone_on_with(place: Place) -> None:
    stack = ("--stack", "local-smoke", "--set", "load.mode=created", "--set", "load.rate=1")
    jobs = ("--set", "scenario.workload=job", "--set", "scenario.shards=5", "--set", "scenario.jobSeconds=1")
    run = place.start("run", *stack, *jobs)
    folder = place.folder / "runs"
    end = time.monotonic() + 120
    while not list(folder.glob("*/requests.jsonl")) or not list(folder.glob("*/requests.jsonl"))[0].stat().st_size:
        assert time.monotonic() < end and run.poll() is None
        time.sleep(0.05)
    run.kill()
    run.communicate()

    done = place.csscgen("run", "--stack", "local-smoke", "--resume")

    assert done.returncode in (0, 3), done.stderr
    summary = place.summary()
    assert summary["error"] is None, summary["error"]
    assert (summary["pods"]["expected"], summary["pods"]["ready"]) == (5, 5)
    assert summary["load"]["objects"] == 5
    assert [gap["step"] for gap in summary["resumed"]] == ["load"]
    assert place.leftovers() == []


@pytest.mark.parametrize("victims", [("kube-controller-manager", "kwok", "prometheus"), ("",)])
def test_a_stack_with_dead_components_is_destroyed_at_once(place: Place, victims: tuple[str, ...]) -> None:
    words = ["up", "--stack", "local-smoke"]
    if not tools.missing([tools.TOOLS["prometheus"]]):
        words += ["--set", "monitoring.prometheus=on"]
    assert place.csscgen(*words).returncode == 0
    state = place.folder / "state"
    for record in [one for stack in ("local-shared", "local-smoke") for one in records(state / stack / "files")]:
        if record.name.startswith(victims):
            os.kill(record.pid, signal.SIGKILL)

    began = time.monotonic()
    done = place.csscgen("destroy", "--stack", "local-smoke", "--shared")

    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 15
    assert place.leftovers() == []

"""A run whose harness is killed: it is reported, cleaned up, or gone on with."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from csscgen import faults, pipeline, recovering, runs, sharing, steps
from csscgen.context import Context
from csscgen.journal import Story
from tests.csscgen.pods import ready_pod
from tests.csscgen.servers import PODS
from tests.csscgen.worlds import ROOT, RUN, SHARED, World, world
from workloads.errors import UsageError

WORDS = ("load.quietSeconds=5",)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    (tmp_path / "stacks").symlink_to(ROOT / "stacks")
    with world(tmp_path, monkeypatch) as made:
        yield made


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def killed(there: World, context: Context, when: Callable[[], Any]) -> int:
    """Runs in a process of its own, which is killed when ``when`` is true; returns its pid."""
    del there.engine.hooks["load", RUN]  # the API server is in this process, so pods become ready from here
    pid = os.fork()
    if pid == 0:
        try:
            pipeline.run(context)
        finally:
            os._exit(0)
    try:
        until(when)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    there.engine.there = {name: dict(made) for name, made in there.engine.made.items()}  # what the process had made
    return pid


def in_step(there: World, name: str) -> bool:
    return (there.root / "runs").exists() and any(
        Story.read(folder).step == name for folder in (there.root / "runs").iterdir()
    )


def pods(there: World) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (there.folder / "pods.jsonl").read_text().splitlines()]
    except (FileNotFoundError, ValueError):  # not yet
        return []


def killed_in_settle(there: World, ready: int = 3) -> int:
    def when() -> bool:
        if in_step(there, "settle") and not there.api.items[PODS]:
            there.pods_become_ready(ready)
            there.api.items[PODS] = [ready_pod(number) for number in range(ready)]
        return len([pod for pod in pods(there) if pod["end"] == "ready"]) == ready

    return killed(there, there.context(*WORDS), when)


def record(there: World) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((there.folder / "run.json").read_text())
    return content


def test_a_run_that_was_killed_is_reported_with_what_it_had_measured(there: World):
    pid = killed_in_settle(there)
    assert recovering.is_cut_off(there.folder)
    recovering.report_all(there.context())
    summary = json.loads((there.folder / "summary.json").read_text())
    assert summary["error"]["phase"] == "settle"
    assert summary["error"]["message"].startswith(f"The harness (pid {pid}) ended during settle")
    assert (summary["pods"]["ready"], summary["pods"]["missing"], summary["verdict"]) == (3, 2, "fail")
    assert summary["pod_startup_seconds"]["count"] == 3
    assert summary["load"]["objects"] == 1
    assert {"report.html", "junit.xml", "metrics.parquet"} <= set(os.listdir(there.folder))
    assert "metrics.spool" not in os.listdir(there.folder)
    run = record(there)
    assert run["window"]["start"] < run["window"]["end"] <= time.time()
    assert run["cut_off"] is True
    assert not recovering.is_cut_off(there.folder)


@pytest.mark.parametrize("step", ["up", "seed", "arm"])
def test_killed_before_the_load_there_is_a_report_too(there: World, step: str):
    there.engine.hooks["up", RUN] = lambda: time.sleep(0.3)
    killed(there, there.context(), lambda: in_step(there, step))
    recovering.report_all(there.context())
    summary = json.loads((there.folder / "summary.json").read_text())
    assert summary["error"]["phase"] in ("up", "seed", "arm", "load")  # it went on until the signal arrived
    assert summary["pods"]["ready"] in (None, 0)


def test_only_runs_of_the_stack_and_its_instance_are_reported(there: World):
    killed(there, there.context(), lambda: in_step(there, "seed"))
    journal = there.folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace(str(there.context().state), "/of/another/instance"))
    recovering.report_all(there.context())
    assert not (there.folder / "summary.json").exists()


def test_a_run_that_lives_is_not_cut_off(there: World):
    run, _ = pipeline.begin(there.context())
    assert not recovering.is_cut_off(run.folder)


def test_a_run_that_cannot_be_read_stands_in_nobodys_way(there: World):
    run, _ = pipeline.begin(there.context())
    (run.folder / "run.json").write_text("{")
    recovering.report_all(there.context())


def test_a_run_is_gone_on_with_from_its_checkpoint(there: World):
    killed_in_settle(there)
    before = {pod["name"]: pod for pod in pods(there) if pod["name"]}
    cut = time.time()
    there.api.items[PODS] = [ready_pod(number) for number in range(5)]
    there.engine.calls.clear()

    summary = pipeline.resume(there.context(), None)

    assert there.engine.calls == [("destroy", RUN), ("destroy", SHARED)]
    assert (summary["pods"]["ready"], summary["pods"]["missing"]) == (5, 0)
    assert summary["error"] is None
    assert len(summary["resumed"]) == 1
    assert "nothing was watched" in (there.folder / "report.html").read_text()
    assert summary["pod_startup_seconds"]["count"] == 3
    now = {pod["name"]: pod for pod in pods(there)}
    assert {name: pod["milestones"] for name, pod in now.items() if name in before} == {
        name: pod["milestones"] for name, pod in before.items()
    }
    unseen = [pod for name, pod in now.items() if name not in before]
    assert len(unseen) == 2
    assert all(times["local"] is None for pod in unseen for times in pod["milestones"].values())
    assert all(pod["milestones"]["ready"]["server"] for pod in unseen)
    run = record(there)
    (gap,) = run["resumed"]
    assert gap["step"] == "settle"
    assert gap["from"] <= cut <= gap["to"]
    assert (run["cut_off"], bool(run["finished_at"])) == (False, True)


def test_a_new_run_is_refused_while_the_stack_of_one_that_was_cut_off_is_there(there: World):
    killed_in_settle(there)
    with pytest.raises(UsageError, match=rf"Run {there.folder.name} was cut off.*--resume.*csscgen destroy"):
        pipeline.run(there.context())
    assert not (there.folder / "summary.json").exists()


def test_a_new_run_reports_one_that_was_cut_off_and_left_nothing(there: World):
    killed_in_settle(there)
    cut = there.folder
    there.engine.there.clear()
    there.engine.hooks["load", RUN] = there.pods_become_ready
    there.api.items.clear()
    there.pods_become_ready()
    pipeline.run(there.context())
    assert (cut / "report.html").exists()


def test_a_run_that_was_reported_meanwhile_can_still_be_gone_on_with(there: World):
    killed_in_settle(there)
    recovering.report_all(there.context())
    there.api.items[PODS] = [ready_pod(number) for number in range(5)]
    summary = pipeline.resume(there.context(), there.folder.name)
    assert (summary["pods"]["ready"], summary["error"]) == (5, None)


def test_killed_before_its_load_it_is_begun_again(there: World):
    there.engine.hooks["up", RUN] = lambda: time.sleep(0.3)
    killed(there, there.context(), lambda: in_step(there, "up"))
    there.engine.there.clear()
    there.engine.calls.clear()
    there.engine.hooks = {("load", RUN): there.pods_become_ready}
    summary = pipeline.resume(there.context(), None)
    assert there.engine.calls[:3] == [("up", SHARED), ("up", RUN), ("load", RUN)]
    assert summary["pods"]["ready"] == 5


def test_it_is_gone_on_with_as_it_was_begun_whatever_the_stack_says_now(there: World):
    killed_in_settle(there)
    there.api.items[PODS] = [ready_pod(number) for number in range(5)]
    pipeline.resume(there.context("scenario.replicas=1"), None)
    assert record(there)["settings"]["scenario"]["replicas"] == 5
    assert len(pods(there)) == 5


def test_what_cannot_be_gone_on_with_is_refused(there: World):
    with pytest.raises(UsageError, match="no run of stack local-smoke that was cut off"):
        pipeline.resume(there.context(), None)
    living, _ = pipeline.begin(there.context())
    with pytest.raises(UsageError, match=rf"its harness \(pid {os.getpid()}\) still works on it"):
        pipeline.resume(there.context(), living.id)
    with pytest.raises(UsageError, match="There is no run nope"):
        pipeline.resume(there.context(), "nope")


def test_a_finished_run_is_not_gone_on_with(there: World):
    pipeline.run(there.context())
    journal = there.folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {2**22}'))
    with pytest.raises(UsageError, match="it is finished"):
        pipeline.resume(there.context(), there.folder.name)


def test_a_run_whose_stack_is_gone_is_not_gone_on_with(there: World):
    killed_in_settle(there)
    there.engine.there.clear()
    with pytest.raises(UsageError, match="its stack is gone"):
        pipeline.resume(there.context(), None)


@pytest.mark.parametrize(
    ("action", "ended", "refused"), [("stop", None, True), ("outage", None, False), ("stop", 2.0, False)]
)
def test_a_run_with_a_fault_that_nobody_has_undone_is_not_gone_on_with(
    there: World, action: str, ended: float | None, refused: bool
):
    killed_in_settle(there)
    entry = faults.Entry("ratify-0", action, 1, 5, None, began=1.0, ended=ended)
    (there.folder / faults.FILE).write_text(json.dumps(asdict(entry)) + "\n")
    there.api.items[PODS] = [ready_pod(number) for number in range(5)]
    if refused:
        with pytest.raises(
            UsageError, match=r"killed during a fault \(stop of ratify-0\).*destroy --stack local-smoke"
        ):
            pipeline.resume(there.context(), None)
    else:
        assert pipeline.resume(there.context(), None)["pods"]["ready"] == 5


def test_the_last_user_of_a_shared_stack_that_runs_brought_up_removes_it(there: World):
    context, other = there.context(), there.context()
    other = Context(other.root, other.state, other.stack, other.engine, other.progress)
    steps.bring_up(context, temporary=True)
    folder = context.state / SHARED
    (folder / sharing.USERS / "another").write_text(json.dumps([os.getpid(), _ticks()]))
    steps.destroy(context, shared=False)
    assert SHARED in there.engine.there
    (folder / sharing.USERS / "another").write_text(json.dumps([2**22, 1]))  # it was killed, and had made nothing
    steps.destroy(context, shared=False)
    assert there.engine.there == {}
    assert not folder.exists()


def test_a_shared_stack_that_somebody_brought_up_stays(there: World):
    context = there.context()
    steps.bring_up(context)
    steps.destroy(context, shared=False)
    assert list(there.engine.there) == [SHARED]
    steps.destroy(context, shared=True)
    assert there.engine.there == {}
    assert not (context.state / SHARED).exists()


def test_bringing_a_temporary_shared_stack_up_by_hand_makes_it_stay(there: World):
    context = there.context()
    steps.bring_up(context, temporary=True)
    steps.bring_up(context)
    steps.destroy(context, shared=False)
    assert list(there.engine.there) == [SHARED]


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '["a", "b"]', "\0"])
def test_a_user_that_cannot_be_read_is_one_whose_stack_decides(there: World, text: str):
    context = there.context()
    steps.bring_up(context, temporary=True)
    (context.state / SHARED / sharing.USERS / "another").write_text(text)
    steps.destroy(context, shared=False)
    assert there.engine.there == {}


def test_a_cut_off_load_is_closed_without_an_error(there: World):
    run, _ = pipeline.begin(there.context())
    run.journal.write("loaded")
    closed = recovering.close(run.folder)
    assert closed.error is None
    assert runs.load(run.folder).cut_off


def _ticks() -> int | None:
    from infra.local.running import started_ticks

    return started_ticks(os.getpid())

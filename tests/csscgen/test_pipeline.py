from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csscgen import pipeline, spools
from csscgen.collecting import collect
from infra.local.sockets import free_ports, is_free
from tests.csscgen.pods import TIMEOUT
from tests.csscgen.servers import PODS, status
from tests.csscgen.worlds import DENIED, RUN, SHARED, World, world
from workloads.errors import (
    ClusterError,
    CollectError,
    DeadlineError,
    EngineError,
    ProjectError,
    RegistryError,
    ToolError,
    UsageError,
)
from workloads.negatives import REFUSED_SIGNERS

TORN_DOWN = [("destroy", RUN), ("destroy", SHARED)]
RECORDS = ["pods.jsonl", "requests.jsonl", "events.jsonl", "metrics.parquet"]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    yield
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert not [thread for thread in threading.enumerate() if thread.name == "observer"]


def raising(error: BaseException):
    def hook() -> None:
        raise error

    return hook


def record(there: World) -> Any:
    return json.loads((there.folder / "run.json").read_text())


def lines(there: World, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (there.folder / name).read_text().splitlines()]


def destroyed(there: World) -> list[tuple[str, str]]:
    return [call for call in there.engine.calls if call[0] == "destroy"]


def test_a_run_from_nothing_to_a_report(there: World):
    summary = pipeline.run(there.context())
    assert there.engine.calls == [("up", SHARED), ("up", RUN), ("load", RUN), *TORN_DOWN]
    assert there.progress.phases == ["tools", "up", "seed", "arm", "load", "settle", "collect", "destroy"]
    pods = summary["pods"]
    assert (pods["expected"], pods["ready"], pods["denied"], pods["failed"], pods["missing"]) == (5, 5, 0, 0, 0)
    assert (pods["reasons"], pods["refused_attempts"]) == ([], {})
    assert summary["run_id"] == there.folder.name
    assert {*RECORDS, "run.json", "summary.json", "report.html", "junit.xml", "logs"} <= set(os.listdir(there.folder))
    assert (there.folder / "logs" / "ratify-0.log").read_text() == "level=info\n"


def test_the_record_of_a_run(there: World):
    pipeline.run(there.context())
    run = record(there)
    assert [(phase["name"], phase["ok"]) for phase in run["phases"]] == [(name, True) for name in there.progress.phases]
    assert run["error"] is None
    assert run["artifacts"]["images"] == 2
    assert run["window"]["start"] < run["window"]["end"]
    assert run["harness"]["window_cpu_seconds"] > 0
    assert run["versions"]["etcd"].startswith("v3.")
    assert run["settings"]["runId"] == run["run_id"] == there.engine.configs[-1]["runId"]
    (request,) = lines(there, "requests.jsonl")
    assert (request["object"], request["status"]) == ("deployment/ratify-perf-0/ratify-0", "created")


def test_the_stack_is_brought_up_without_its_load(there: World):
    pipeline.run(there.context())
    _, up, load = there.engine.configs
    assert (up["load"]["start"], load["load"]["start"]) == (False, True)


def test_workloads_that_the_harness_creates(there: World):
    summary = pipeline.run(there.context("load.mode=created", "load.rate=10"))
    assert ("load", RUN) not in there.engine.calls
    assert (summary["pods"]["ready"], summary["load"]["objects"]) == (5, 1)


@pytest.mark.parametrize("kind", sorted(REFUSED_SIGNERS))
def test_negative_images_are_signed_by_whom_the_shared_stack_has_for_their_kind(there: World, kind: str):
    pipeline.run(there.context(f"scenario.negatives={{{kind}: 1}}"))
    signers: Any = there.engine.made[SHARED]["refusedSigners"]
    pem = signers[kind]["certificate"]
    der = "".join(pem.splitlines()[1:-1])
    envelopes = [json.loads(blob) for blob in there.registry.blobs.values() if b'"x5c"' in blob]
    assert len(envelopes) == 4
    assert all(envelope["header"]["x5c"] == [der] for envelope in envelopes)
    assert {name for name, _ in there.registry.manifests} == {f"2-containers-2-referrers-{kind}"}


def test_a_workload_that_is_denied_is_a_result(there: World):
    there.engine.refusal = f"The Kubernetes API answered PATCH /x with 403: {DENIED}"
    del there.engine.hooks["load", RUN]
    summary = pipeline.run(there.context())
    assert (summary["pods"]["denied"], summary["pods"]["missing"], summary["verdict"]) == (5, 0, "fail")
    assert summary["pods"]["reasons"] == [
        {"reason": "denied by validation.gatekeeper.sh: verification failed", "cause": "other", "count": 5}
    ]
    assert record(there)["error"] is None


def test_a_workload_that_no_webhook_could_be_asked_about_is_a_result_too(there: World):
    there.engine.refusal = f"The Kubernetes API answered PATCH /x with 500: {TIMEOUT.removeprefix('Error creating: ')}"
    del there.engine.hooks["load", RUN]
    summary = pipeline.run(there.context())
    assert (summary["pods"]["denied"], summary["pods"]["causes"]) == (5, {"webhook-timeout": 5})
    assert record(there)["error"] is None


def test_a_workload_that_fails_otherwise_is_an_error(there: World):
    there.engine.refusal = "no such namespace"
    with pytest.raises(EngineError, match="no such namespace"):
        pipeline.run(there.context())
    assert destroyed(there) == TORN_DOWN


def test_a_shared_stack_that_was_up_stays(there: World):
    there.engine.there[SHARED] = dict(there.engine.made[SHARED])
    pipeline.run(there.context())
    assert there.engine.calls == [("up", RUN), ("load", RUN), ("destroy", RUN)]


def test_a_stack_that_is_kept(there: World):
    pipeline.run(there.context(), keep=True)
    assert destroyed(there) == []
    assert "destroy" not in there.progress.phases


def test_what_is_kept_is_kept_after_a_failure_too(there: World):
    there.engine.hooks["load", RUN] = raising(EngineError("no"))
    with pytest.raises(EngineError):
        pipeline.run(there.context(), keep=True)
    assert destroyed(there) == []
    assert (there.folder / "report.html").exists()


def break_tools(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSSCGEN_ETCD", "/nonexistent")


def break_shared(there: World, _: pytest.MonkeyPatch) -> None:
    there.engine.hooks["up", SHARED] = raising(EngineError("a registry did not start"))


def break_up(there: World, _: pytest.MonkeyPatch) -> None:
    there.engine.hooks["up", RUN] = raising(EngineError("etcd did not start"))


def break_seed(there: World, _: pytest.MonkeyPatch) -> None:
    async def refuse(_request: Any) -> Any:
        return status(403, "denied")

    there.registry.fault = refuse


def break_arm(there: World, _: pytest.MonkeyPatch) -> None:
    there.engine.made[RUN]["kubeconfig"] = "{}"


def break_watch(there: World, _: pytest.MonkeyPatch) -> None:
    there.api.faults[PODS] = [status(403, "pods is forbidden")]


def break_load(there: World, _: pytest.MonkeyPatch) -> None:
    there.engine.hooks["load", RUN] = raising(EngineError("the program failed"))


def break_settle(there: World, _: pytest.MonkeyPatch) -> None:
    there.engine.hooks["load", RUN] = lambda: there.pods_become_ready(3)


def break_collect(there: World, _: pytest.MonkeyPatch) -> None:
    there.engine.made[RUN]["targets"] = {"ratify-0": {"log": str(there.root)}}  # a folder cannot be copied as a file


def break_destroy(there: World, _: pytest.MonkeyPatch) -> None:
    there.engine.hooks["destroy", RUN] = raising(EngineError("etcd cannot be stopped"))


BREAKS = {
    "tools": (break_tools, "tools", ToolError),
    "shared": (break_shared, "up", EngineError),
    "up": (break_up, "up", EngineError),
    "seed": (break_seed, "seed", RegistryError),
    "arm": (break_arm, "arm", ClusterError),
    "watch": (break_watch, "arm", ClusterError),
    "load": (break_load, "load", EngineError),
    "settle": (break_settle, "settle", DeadlineError),
    "collect": (break_collect, "collect", CollectError),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_run_that_breaks_is_torn_down_and_reported(there: World, monkeypatch: pytest.MonkeyPatch, what: str):
    breaks, phase, kind = BREAKS[what]
    breaks(there, monkeypatch)
    with pytest.raises(kind):
        pipeline.run(there.context("load.deadlineSeconds=1"))
    assert destroyed(there) == (TORN_DOWN[:1] if phase == "tools" else TORN_DOWN)
    assert there.engine.there == {}
    assert (there.folder / "report.html").exists()
    run = record(there)
    assert run["error"]["phase"] == phase
    assert run["finished_at"]
    assert json.loads((there.folder / "summary.json").read_text())["verdict"] == "fail"


@pytest.mark.parametrize("what", ["load", "settle"])
def test_what_was_measured_before_it_broke_is_kept(there: World, monkeypatch: pytest.MonkeyPatch, what: str):
    BREAKS[what][0](there, monkeypatch)
    with pytest.raises(ProjectError):
        pipeline.run(there.context("load.deadlineSeconds=1"))
    assert set(RECORDS) <= set(os.listdir(there.folder))
    assert len(lines(there, "pods.jsonl")) == 5
    assert (there.folder / "logs" / "ratify-0.log").exists()


def test_a_deadline_that_passed_says_what_was_open(there: World, monkeypatch: pytest.MonkeyPatch):
    break_settle(there, monkeypatch)
    with pytest.raises(DeadlineError, match="the outcome of 2 pods was still open"):
        pipeline.run(there.context("load.deadlineSeconds=1"))
    assert record(there)["deadline_passed"] is True
    assert Counter(pod["end"] for pod in lines(there, "pods.jsonl")) == {"ready": 3, "missing": 2}


def test_a_teardown_that_fails_is_an_error_and_there_is_a_report(there: World, monkeypatch: pytest.MonkeyPatch):
    break_destroy(there, monkeypatch)
    with pytest.raises(EngineError, match="etcd cannot be stopped"):
        pipeline.run(there.context())
    assert record(there)["error"]["phase"] == "destroy"
    assert (there.folder / "report.html").exists()


def break_report(there: World, _: pytest.MonkeyPatch) -> None:
    there.progress.on_line["report:"] = raising(OSError("No space left on device"))


@pytest.mark.parametrize("second", [break_collect, break_destroy, break_report])
def test_a_second_failure_is_told_and_does_not_hide_the_first(there: World, monkeypatch: pytest.MonkeyPatch, second):
    break_settle(there, monkeypatch)
    second(there, monkeypatch)
    with pytest.raises(DeadlineError):
        pipeline.run(there.context("load.deadlineSeconds=1"))
    assert record(there)["error"]["phase"] == "settle"
    assert any("failed too: " in line for line in there.progress.lines)
    assert ("destroy", RUN) in there.engine.calls


def test_a_report_that_fails_alone_is_an_error(there: World, monkeypatch: pytest.MonkeyPatch):
    break_report(there, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        pipeline.run(there.context())
    assert destroyed(there) == TORN_DOWN


@pytest.mark.parametrize("phase", ["tools", "up", "seed", "arm", "load", "settle", "collect"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_torn_down_and_reported(there: World, phase: str, number: signal.Signals):
    there.progress.on_phase[phase] = lambda: signal.raise_signal(number)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(there.context())
    assert destroyed(there) == (TORN_DOWN[:1] if phase in ("tools", "up") else TORN_DOWN)  # nothing is shared yet
    assert record(there)["error"] == {"phase": phase, "message": "KeyboardInterrupt"}
    assert (there.folder / "report.html").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_teardown_is_not_interrupted(there: World, number: signal.Signals, capfd: pytest.CaptureFixture[str]):
    there.engine.hooks["destroy", RUN] = lambda: signal.raise_signal(number)
    pipeline.run(there.context())
    assert destroyed(there) == TORN_DOWN
    assert "Stopping what was started" in capfd.readouterr().err


def test_an_interruption_between_two_steps_is_the_error_of_the_run_too(there: World, monkeypatch: pytest.MonkeyPatch):
    publish = spools.publish

    def interrupted(folder: Path) -> None:
        publish(folder)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(spools, "publish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(there.context())
    assert record(there)["error"] == {"phase": "settle", "message": "KeyboardInterrupt"}
    assert set(RECORDS) <= set(os.listdir(there.folder))
    assert destroyed(there) == TORN_DOWN


def test_an_interrupted_collection_is_torn_down_too(there: World):
    there.progress.on_phase["load"] = lambda: signal.raise_signal(signal.SIGINT)
    there.progress.on_phase["collect"] = lambda: signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(there.context())
    assert destroyed(there) == TORN_DOWN


def test_a_hangup_that_is_ignored_stays_ignored(there: World):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        there.progress.on_phase["load"] = lambda: signal.raise_signal(signal.SIGHUP)
        assert pipeline.run(there.context())["pods"]["ready"] == 5
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupted_load_keeps_what_was_answered(there: World):
    context = there.context("load.mode=created", "load.rate=1", "scenario.shards=5")
    answered = 0

    def update(text: str) -> None:
        nonlocal answered
        if text.endswith(" created"):
            answered += 1
            if answered == 2:
                signal.raise_signal(signal.SIGINT)

    there.progress.update = update  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(context)
    assert [request["object"][-1] for request in lines(there, "requests.jsonl")] == ["0", "1"]
    assert record(there)["window"] is not None
    assert destroyed(there) == TORN_DOWN


def test_a_run_off_the_main_thread_goes_as_well(there: World):
    done: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: done.append(pipeline.run(there.context())))
    thread.start()
    thread.join(30)
    assert done[0]["pods"]["ready"] == 5


def test_what_cannot_work_is_refused_with_nothing_touched(there: World):
    with pytest.raises(UsageError, match="is on Azure"):
        pipeline.run(there.context("platform=azure", "cluster.nodes=null"))
    assert there.engine.calls == []
    assert not (there.root / "runs").exists()


def test_a_busy_port_is_refused_unless_it_is_the_stacks_own(there: World):
    port = there.api.url.rpartition(":")[2]
    context = there.context(f"ratify.port={port}")
    with pytest.raises(UsageError, match=f"Port {port}, which ratify.port of stack {RUN} asks for, is busy"):
        pipeline.run(context)
    assert there.engine.calls == []
    there.engine.there[RUN] = {}
    pipeline.run(context)


def test_a_registrys_busy_port_is_refused(there: World):
    first = next(port for port in free_ports(50) if is_free(port + 1))
    with (
        socket.create_server(("127.0.0.1", first + 1)),
        pytest.raises(UsageError, match=f"Port {first + 1}, which registry.port of centralus"),
    ):
        pipeline.run(there.context(f"registry.port={first}"))


def test_a_load_that_was_cut_off_is_completed_by_collecting(there: World):
    context = there.context()
    pipeline.run(context, keep=True)
    run, _ = pipeline.begin(context)
    collect(context, run)
    assert (run.folder / "logs" / "ratify-0.log").exists()

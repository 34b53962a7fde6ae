from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.local import probes, processes
from infra.local.running import MARKER, is_alive, records, start, started_ticks, stop, strays
from infra.local.sockets import free_ports, is_free
from workloads.errors import EngineError, ProcessError

# A process is meant to live on when nobody holds its Popen any more.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

SERVER = """
import json, os, socket, sys, time
print("hello from the server", flush=True)
json.dump(dict(os.environ), open("environment.json", "w"))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
"""
SILENT = "import time; print('waiting', flush=True); time.sleep(600)"
DYING = "import sys; print(*(f'line {n}' for n in range(30)), sep='\\n', flush=True); sys.exit(3)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER

PROGRAM = """
    import pulumi
    from infra.local.processes import LocalProcess
    config = pulumi.Config()
    process = LocalProcess(
        "server",
        argv=config.require_object("argv"),
        folder=config.require("folder"),
        log=config.require("folder") + "/logs/server.log",
        ready={"tcp": config.require_int("port")},
        files=config.get_object("files") or [],
        patience=1,
    )
    pulumi.export("pid", process.pid)
    pulumi.export("started", process.started)
"""


@pytest.fixture
def folder(tmp_path):
    """The folder of a stack; whatever a failed test leaves running there is ended."""
    folder = tmp_path / "files"
    folder.mkdir()
    yield folder
    for process in running_in(folder):
        process.kill()


def running_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(f"{folder}:"):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def props(folder: Path, code: str = SERVER, **more) -> dict:
    (port,) = free_ports(1)
    return {
        "name": "server",
        "argv": [sys.executable, "-c", code, str(port)],
        "folder": str(folder),
        "log": str(folder / "logs" / "server.log"),
        "ready": {"tcp": port},
        "env": {},
        "timeout": 20,
        "patience": 2,
        **more,
    }


def test_start_returns_when_the_process_is_ready_and_stop_when_it_is_gone(folder):
    wanted = props(folder)
    made = start(wanted)
    assert not is_free(wanted["ready"]["tcp"])
    assert is_alive(made["pid"], made["started"])
    assert Path(wanted["log"]).read_text() == "hello from the server\n"
    stop(made["pid"], made["started"], 5)
    assert not is_alive(made["pid"], made["started"])
    assert started_ticks(made["pid"]) is None
    assert is_free(wanted["ready"]["tcp"])
    assert running_in(folder) == []


def test_stopping_twice_is_fine(folder):
    made = start(props(folder))
    stop(made["pid"], made["started"], 5)
    stop(made["pid"], made["started"], 5)


def test_a_process_that_ignores_sigterm_is_killed_after_the_patience(folder):
    made = start(props(folder, STUBBORN))
    begun = time.monotonic()
    stop(made["pid"], made["started"], 0.3)
    assert 0.3 <= time.monotonic() - begun < 5
    assert running_in(folder) == []


def test_a_process_that_ends_before_it_is_ready_is_told_with_its_last_lines(folder):
    with pytest.raises(ProcessError) as told:
        start(props(folder, DYING))
    text = str(told.value)
    assert "server ended before it was ready (exit code 3)" in text
    assert f"{folder}/logs/server.log" in text
    assert text.endswith("  line 28\n  line 29")
    assert "line 17\n" not in text
    assert running_in(folder) == []
    (record,) = records(folder)  # it is meant to run: who looks after it has to see that it does not
    assert not record.alive


def test_one_that_is_not_ready_in_time_is_ended_on_purpose_and_has_no_record(folder):
    with pytest.raises(ProcessError, match="was not ready after"):
        start(props(folder, SILENT, timeout=0.3))
    assert (running_in(folder), records(folder)) == ([], [])


def test_nothing_is_started_where_somebody_else_answers_already(folder):
    wanted = props(folder)
    port = wanted["ready"]["tcp"]
    told = pytest.raises(ProcessError, match=f"another process answers at 127.0.0.1:{port}")
    with socket.create_server(("127.0.0.1", port)), told:
        start(wanted)
    assert not Path(wanted["log"]).exists()
    assert running_in(folder) == []


def test_a_process_that_is_never_ready_is_told_and_stopped(folder):
    wanted = props(folder, SILENT, timeout=0.5)
    with pytest.raises(ProcessError) as told:
        start(wanted)
    text = str(told.value)
    assert f"server was not ready after 0.5 s (nothing listens on 127.0.0.1:{wanted['ready']['tcp']})" in text
    assert text.endswith("  waiting")
    assert running_in(folder) == []


def test_ctrl_c_while_a_process_starts_stops_it(folder, monkeypatch):
    alive = []

    def interrupted(_probe):
        alive.append(len(running_in(folder)))
        if alive[-1]:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(probes, "succeeds", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(props(folder, SILENT))
    assert alive[0] == 0
    assert running_in(folder) == []


def test_a_binary_that_is_not_there_is_told_with_what_builds_it(folder):
    with pytest.raises(ProcessError, match=r"/nowhere/etcd: No such file or directory.*csscgen tools install"):
        start(props(folder, argv=["/nowhere/etcd"]))


def test_a_log_without_a_line_says_so(folder):
    with pytest.raises(ProcessError, match=r"\(it wrote nothing\)"):
        start(props(folder, "raise SystemExit(1)"))


def test_the_environment_is_not_inherited(folder, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/somebody/else's")
    monkeypatch.setenv("RATIFY_LOG_LEVEL", "trace")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    made = start(props(folder, env={"HOME": "/given"}))
    stop(made["pid"], made["started"], 5)
    seen = json.loads((folder / "environment.json").read_text())
    assert seen["HOME"] == "/given"
    assert seen[MARKER] == f"{folder}:server"
    assert set(seen) <= {"PATH", "LANG", "TZ", "TMPDIR", "HOME", MARKER, "LC_CTYPE"}


def test_ctrl_c_in_the_terminal_does_not_reach_a_process(folder):
    made = start(props(folder))
    assert os.getsid(made["pid"]) == made["pid"] != os.getsid(0)
    stop(made["pid"], made["started"], 5)


def test_a_recycled_pid_is_never_signalled(folder):
    made = start(props(folder))
    stop(made["pid"], made["started"] - 1, 0.1)
    assert is_alive(made["pid"], made["started"])
    assert not is_alive(made["pid"], made["started"] - 1)
    stop(made["pid"], made["started"], 5)


def test_a_zombie_is_not_alive():
    process = subprocess.Popen([sys.executable, "-c", ""])
    end = time.monotonic() + 20
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert started_ticks(process.pid) is None
    process.wait()


def test_strays_are_found_by_their_marker_alone(folder):
    wanted = props(folder)
    made = start(wanted)
    assert [process.pid for process in strays(f"{folder}:server")] == [made["pid"]]
    assert strays(f"{folder}:serve") == []
    stop(made["pid"], made["started"], 5)


def test_recover_ends_what_a_start_that_was_cut_off_left_and_nothing_else(folder):
    stray, other = props(folder), props(folder, name="other")
    start(stray)
    spared = start(other)
    processes._Provider().recover(stray)
    assert [process.pid for process in running_in(folder)] == [spared["pid"]]
    stop(spared["pid"], spared["started"], 5)


def test_a_process_that_runs_has_a_record_and_one_that_was_stopped_on_purpose_has_none(folder):
    wanted = props(folder)
    provider = processes._Provider()
    made = provider.create(wanted).outs or {}
    (known,) = records(folder)
    assert (known.name, known.pid, known.started) == ("server", made["pid"], made["started"])
    assert known.alive
    provider.delete("", made)
    assert records(folder) == []


def test_a_process_that_ended_on_its_own_keeps_its_record(folder):
    wanted = props(folder)
    made = start(wanted)
    os.kill(made["pid"], signal.SIGKILL)
    os.waitpid(made["pid"], 0)
    (known,) = records(folder)
    assert not known.alive


def test_a_process_that_never_got_ready_leaves_no_record(folder):
    with pytest.raises(ProcessError):
        start(props(folder, SILENT, timeout=0.2))
    assert records(folder) == []


def test_a_process_that_was_started_again_meanwhile_is_the_one_that_is_kept_and_deleted(folder):
    provider = processes._Provider()
    made = provider.create(props(folder)).outs or {}
    os.kill(made["pid"], signal.SIGKILL)
    os.waitpid(made["pid"], 0)
    start(made)
    assert not provider.diff("", made, made).changes
    provider.delete("", made)
    assert running_in(folder) == []


def test_a_record_that_cannot_be_read_is_left_out(folder):
    wanted = props(folder)
    start(wanted)
    (folder / "processes" / "other.json").write_text("{")
    assert [known.name for known in records(folder)] == ["server"]
    processes._Provider().recover(wanted)


def config(folder: Path, port: int, **more) -> dict:
    return {"argv": [sys.executable, "-c", SERVER, str(port)], "folder": str(folder), "port": port, **more}


def test_a_stack_starts_keeps_and_stops_its_process(project, folder):
    chosen = config(folder, *free_ports(1))
    first = project.write(PROGRAM).up(**chosen).outputs
    assert project.up(**chosen).outputs == first
    assert [process.pid for process in running_in(folder)] == [first["pid"]]
    project.destroy()
    assert running_in(folder) == []
    assert is_free(chosen["port"])


def test_a_process_that_died_is_started_anew_by_the_next_up(project, folder):
    chosen = config(folder, *free_ports(1))
    first = project.write(PROGRAM).up(**chosen).outputs
    os.kill(int(first["pid"]), signal.SIGKILL)
    while is_alive(int(first["pid"]), int(first["started"])):
        time.sleep(0.01)
    outcome = project.up(**chosen)
    assert outcome.changes["replace"] == 1
    assert outcome.outputs["pid"] != first["pid"]
    project.destroy()
    assert running_in(folder) == []


@pytest.mark.parametrize("change", [{"files": ["another digest"]}, {"argv": [sys.executable, "-c", SERVER + "#"]}])
def test_a_process_is_started_anew_when_its_flags_or_files_change(project, folder, change):
    chosen = config(folder, *free_ports(1), files=["a digest"])
    first = project.write(PROGRAM).up(**chosen).outputs
    if "argv" in change:
        change = {"argv": [*change["argv"], str(chosen["port"])]}
    second = project.up(**{**chosen, **change}).outputs
    assert second["pid"] != first["pid"]
    assert [process.pid for process in running_in(folder)] == [second["pid"]]
    project.destroy()


def test_a_process_that_does_not_start_fails_the_up_and_leaves_nothing(project, folder):
    chosen = config(folder, *free_ports(1))
    with pytest.raises(EngineError, match=r"server ended before it was ready \(exit code 3\)") as told:
        project.write(PROGRAM).up(**{**chosen, "argv": [sys.executable, "-c", DYING]})
    assert "line 29" in str(told.value)
    assert running_in(folder) == []
    project.destroy()


def test_identities_that_the_cli_hands_on_as_floats_name_the_same_process(folder):
    wanted = props(folder)
    made = {key: float(value) for key, value in start(wanted).items()}
    provider = processes._Provider()
    assert not provider.diff("", {**wanted, **made}, wanted).changes
    provider.delete("", {**wanted, **made})
    assert running_in(folder) == []

"""A schedule carried out on small processes: what each fault does, that it is undone, and what is recorded."""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from csscgen import faults
from csscgen.faults import Faults
from csscgen.inflicting import Victim
from infra.faults import Fault
from infra.local import running
from infra.local.running import MARKER, Record, records
from infra.local.sockets import free_ports

# A process is meant to live on when nobody holds its Popen any more.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

SERVER = """
import signal, socket, sys, time
print("started", flush=True)
def note(number, _): print(signal.Signals(number).name, flush=True)
for number in (signal.SIGUSR1, signal.SIGUSR2): signal.signal(number, note)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    time.sleep(0.01)
"""
BUSY = SERVER.replace("time.sleep(0.01)", "pass")
WRITING = SERVER.replace(
    "    time.sleep(0.01)",
    """
    try:
        with open("written", "w") as file: file.write("x")
        told = "written"
    except OSError as error:
        told = str(error.errno)
    listener.settimeout(0.01)
    try:
        connection, _ = listener.accept()
        connection.send(told.encode())
        connection.close()
    except OSError:
        pass
""",
)
DYING = WRITING.replace("told = str(error.errno)", "sys.exit(9)")
EFBIG = 27


@dataclass
class Stack:
    """A stack's folder, with small processes in place of the components."""

    folder: Path
    pids: dict[str, int | None] = field(default_factory=dict)
    """What the scraper was told."""
    outputs: dict[str, Any] = field(default_factory=lambda: {"targets": {}})

    def start(self, name: str, code: str = SERVER, **more: Any) -> Record:
        (port,) = free_ports(1)
        props = {
            "name": name,
            "argv": [sys.executable, "-c", code, str(port)],
            "folder": str(self.folder),
            "log": str(self.folder / "logs" / f"{name}.log"),
            "ready": {"tcp": port},
            "env": {"FLAVOUR": "vanilla"},
            "timeout": 20,
        }
        running.start(props)
        self.outputs["targets"][name] = {"folder": str(self.folder), "log": props["log"], **more}
        return self.record(name)

    def record(self, name: str) -> Record:
        return next(one for one in records(self.folder) if one.name == name)

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text()

    def faults(self, *schedule: Fault) -> Faults:
        return Faults(schedule, self.outputs, {}, self.pids.__setitem__, self.folder)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "faults.jsonl").read_text().splitlines()]

    def carry_out(self, *schedule: Fault) -> list[dict[str, Any]]:
        """The whole schedule; a line each."""
        made = self.faults(*schedule)
        made.start()
        end = time.monotonic() + 20
        while any(thread.is_alive() for thread in threading.enumerate() if thread.name in {f.name for f in schedule}):
            assert time.monotonic() < end
            time.sleep(0.01)
        made.close()
        return self.lines()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    folder = tmp_path / "files"
    folder.mkdir()
    yield Stack(folder)
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(f"{folder}:"):
                process.kill()
        except (psutil.Error, OSError):
            continue


def status(record: Record) -> str:
    return psutil.Process(record.pid).status()


def until(condition, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_killed_process_is_started_again_exactly_as_it_was(stack: Stack):
    before = stack.start("ratify-1")
    how = running.invocation(before)
    (line,) = stack.carry_out(Fault("ratify-1", "kill", 0.1, 0.3))
    after = stack.record("ratify-1")
    assert not before.alive
    assert after.alive and after.pid != before.pid
    assert (after.folder, after.log, after.ready) == (before.folder, before.log, before.ready)
    assert running.invocation(after) == how
    assert how.env["FLAVOUR"] == "vanilla"
    assert how.env[MARKER] == f"{stack.folder}:ratify-1"
    assert os.readlink(f"/proc/{after.pid}/cwd") == str(stack.folder)
    assert os.getsid(after.pid) == after.pid  # Ctrl-C does not reach it
    assert stack.log("ratify-1") == "started\nstarted\n"
    assert stack.pids == {"ratify-1": after.pid}
    assert line["error"] is None
    assert 0.3 <= line["ended"] - line["began"] < 0.6
    assert line["ended"] < line["ready"] < line["ended"] + 5


def test_a_killed_process_is_not_meant_to_run_until_it_is_back(stack: Stack):
    stack.start("ratify-0")
    made = stack.faults(Fault("ratify-0", "kill", 0, 0.5))
    made.start()
    until(lambda: made.entries[0].began is not None)
    assert records(stack.folder) == []
    assert stack.pids == {"ratify-0": None}
    made.close()
    assert stack.record("ratify-0").alive


def test_a_stopped_process_goes_on(stack: Stack):
    record = stack.start("gatekeeper")
    made = stack.faults(Fault("gatekeeper", "stop", 0, 0.4))
    made.start()
    until(lambda: status(record) == psutil.STATUS_STOPPED)
    until(lambda: status(record) != psutil.STATUS_STOPPED)
    made.close()
    (line,) = stack.lines()
    assert line["error"] is None
    assert line["ended"] - line["began"] == pytest.approx(0.4, abs=0.2)
    assert stack.record("gatekeeper") == record


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_slow_process_runs_for_its_share_of_the_time(stack: Stack, share: float):
    record = stack.start("etcd", BUSY)
    made = stack.faults(Fault("etcd", "slow", 0, 4, share))
    made.start()
    time.sleep(0.1)
    ran = []
    for _ in range(400):
        ran.append(not _is_stopped(record))
        time.sleep(0.005)
    made.close()
    assert sum(ran) / len(ran) == pytest.approx(share, abs=0.15)
    assert not _is_stopped(record)


def _is_stopped(record: Record) -> bool:
    """Looked at instead of CPU time, of which others on this machine may take what they like."""
    return status(record) == psutil.STATUS_STOPPED


def _says(record: Record) -> str:
    with socket.create_connection(("127.0.0.1", record.ready["tcp"]), 5) as connection:
        return connection.recv(100).decode()


def test_with_a_full_disk_every_write_fails_until_there_is_room_again(stack: Stack):
    record = stack.start("ratify-0", WRITING)
    until(lambda: _says(record) == "written")
    made = stack.faults(Fault("ratify-0", "disk-full", 0, 0.8))
    made.start()
    until(lambda: _says(record) == str(EFBIG))
    assert records(stack.folder) == []  # were it to end now, that would be on purpose
    until(lambda: _says(record) == "written")
    made.close()
    (line,) = stack.lines()
    assert line["error"] is None
    assert stack.record("ratify-0") == record
    assert resource.prlimit(record.pid, resource.RLIMIT_FSIZE) == resource.getrlimit(resource.RLIMIT_FSIZE)


def test_a_process_that_ends_of_a_full_disk_is_started_again(stack: Stack):
    before = stack.start("etcd", DYING)
    (line,) = stack.carry_out(Fault("etcd", "disk-full", 0, 0.5))
    assert not before.alive
    assert stack.record("etcd").alive
    assert line["error"] is None
    assert line["ready"] > line["ended"]
    limits = resource.prlimit(stack.record("etcd").pid, resource.RLIMIT_FSIZE)
    assert limits == resource.getrlimit(resource.RLIMIT_FSIZE)


def test_an_outage_is_told_to_the_registry_of_the_run_and_over_when_it_answers(stack: Stack):
    record = stack.start("registry-eastus2")
    stack.start("registry-centralus")
    answers = [503, 503, 503, 401]
    with answering(answers) as host:
        stack.outputs["registry"] = host
        shared = {"registries": [{"region": "centralus", "host": "127.0.0.1:1"}, {"region": "eastus2", "host": host}]}
        made = Faults(
            [Fault("registry", "outage", 0, 0.2)], stack.outputs, shared, stack.pids.__setitem__, stack.folder
        )
        made.start()
        until(lambda: bool(stack.lines()[0]["ready"]) if (stack.folder / "faults.jsonl").exists() else False)
        made.close()
    assert answers == [401]
    assert stack.log("registry-eastus2") == "started\nSIGUSR1\nSIGUSR2\n"
    assert "SIGUSR1" not in stack.log("registry-centralus")
    assert record.alive


@contextmanager
def answering(statuses: list[int]) -> Iterator[str]:
    """An HTTP server that answers with one status after the other, and stays with the last; its host."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.end_headers()

        def log_message(self, *_):
            """Silence."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_certificate_is_replaced_and_put_back(stack: Stack):
    serving, later = stack.folder / "tls.crt", stack.folder / "not-yet-valid.crt"
    serving.write_text("valid")
    later.write_text("not yet")
    stack.start("ratify-0", certificates={"serving": str(serving), "notYetValid": str(later)})
    made = stack.faults(Fault("ratify-0", "clock-skew", 0, 0.3))
    made.start()
    until(lambda: serving.read_text() == "not yet")
    assert serving.stat().st_mode & 0o777 == 0o600
    until(lambda: serving.read_text() == "valid")
    made.close()
    assert sorted(path.name for path in stack.folder.glob("*.crt")) == ["not-yet-valid.crt", "tls.crt"]
    assert list(stack.folder.glob(".*")) == []


def test_without_a_certificate_that_is_not_valid_yet_it_is_said_what_to_do(stack: Stack):
    stack.start("ratify-0")
    (line,) = stack.carry_out(Fault("ratify-0", "clock-skew", 0, 0.1))
    assert "Destroy the stack and bring it up with it." in line["error"]
    assert line["began"] is None


def test_the_schedule_is_absolute_and_faults_of_several_targets_go_on_side_by_side(stack: Stack):
    stack.start("ratify-0")
    stack.start("etcd")
    began = time.time()
    first, second = stack.carry_out(Fault("ratify-0", "stop", 0.5, 0.4), Fault("etcd", "kill", 0.6, 0.1))
    assert first["began"] - began == pytest.approx(0.5, abs=0.2)
    assert second["began"] - began == pytest.approx(0.6, abs=0.2)
    assert first["began"] < second["began"] < second["ended"] < first["ended"] + 0.1


def test_what_is_due_after_the_run_is_told_and_not_carried_out(stack: Stack):
    record = stack.start("etcd")
    made = stack.faults(Fault("etcd", "kill", 60, 1))
    made.start()
    time.sleep(0.05)
    made.close()
    (line,) = stack.lines()
    assert line["error"] == "It was not carried out: the run was over before 60 s."
    assert (line["began"], line["ended"], line["ready"]) == (None, None, None)
    assert stack.record("etcd") == record


def test_a_run_without_load_carries_nothing_out(stack: Stack):
    stack.faults(Fault("etcd", "kill", 0, 1)).close()
    assert stack.lines()[0]["error"] == "It was not carried out: no load was sent."


def test_a_run_without_faults_has_no_file(stack: Stack):
    made = stack.faults()
    made.start()
    made.close()
    assert not (stack.folder / "faults.jsonl").exists()


@pytest.mark.parametrize("action", ["kill", "stop", "slow", "disk-full", "clock-skew"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_whatever_ends_the_run_everything_is_as_it_was(stack: Stack, action: str, error: type[BaseException]):
    serving, later = stack.folder / "tls.crt", stack.folder / "later.crt"
    serving.write_text("valid")
    later.write_text("not yet")
    stack.start("ratify-0", certificates={"serving": str(serving), "notYetValid": str(later)})
    made = stack.faults(Fault("ratify-0", action, 0, 60, 0.1 if action == "slow" else None))
    with pytest.raises(error):
        try:
            made.start()
            until(lambda: made.entries[0].began is not None)
            time.sleep(0.1)
            raise error
        finally:
            made.close()
    record = stack.record("ratify-0")
    assert record.alive
    time.sleep(0.1)
    assert status(record) != psutil.STATUS_STOPPED
    assert resource.prlimit(record.pid, resource.RLIMIT_FSIZE) == resource.getrlimit(resource.RLIMIT_FSIZE)
    assert serving.read_text() == "valid"
    assert "It was ended after 0." in (made.entries[0].error or "")


def test_a_target_that_is_not_there_is_told(stack: Stack):
    (line,) = stack.carry_out(Fault("kwok", "kill", 0, 1))
    assert line["error"] == "kwok is not a process of the stack that is meant to run."


def test_a_process_that_ended_before_its_fault_is_told(stack: Stack):
    record = stack.start("kwok")
    psutil.Process(record.pid).kill()
    until(lambda: not record.alive)
    for action in ("kill", "stop", "disk-full"):
        (line,) = stack.carry_out(Fault("kwok", action, 0, 0.1))
        assert line["error"].startswith("kwok"), action
        assert line["began"] is None


def test_a_process_that_does_not_come_back_is_told_with_its_last_lines(stack: Stack):
    once = SERVER.replace(
        "listener =", "import os\nif os.path.exists('been'): sys.exit('I will not')\nopen('been', 'w')\nl ="
    )
    stack.start("etcd", once)
    (line,) = stack.carry_out(Fault("etcd", "kill", 0, 0.1))
    assert line["error"].startswith("etcd ended after it was started again.")
    assert "I will not" in line["error"]
    assert line["ready"] is None


def test_a_process_that_stays_unready_is_given_up(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faults, "READY_SECONDS", 0.3)
    monkeypatch.setattr(Victim, "is_ready", lambda _: False)
    stack.start("etcd")
    (line,) = stack.carry_out(Fault("etcd", "stop", 0, 0.1))
    assert line["error"] == "etcd was not ready again 0 s after the end."

"""What a run that was killed leaves: journal, spool, checkpoints. `csscgen destroy` reports what can be read of it.

Nothing of it is thrown away by that: the journal stays as it is, and the records that are sound have their figures.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from csscgen import auditing
from csscgen.journal import FILE as JOURNAL
from csscgen.resuming import Watched
from csscgen.spools import FILE as SPOOL
from csscgen.spools import HEAD, SALT
from tests.analysis.runs import known_run
from tests.csscgen.servers import plan
from tests.hostile.cases import Csscgen, message
from tests.hostile.conftest import Project
from tests.hostile.test_runs import PODS, REQUESTS, figure
from workloads.errors import CollectError

DEAD = {"pid": 2**22 + 1, "started": 1}
DESTROY = ("destroy", "--stack", "local-smoke")


def cut_off(project: Project, journal: bytes) -> Path:
    """The folder of a run of local-smoke that has no end."""
    folder = known_run(project.runs / "local-smoke-20260102-101500-aaaa", finished_at=None, stack="local-smoke")
    run = json.loads((folder / "run.json").read_text())
    run.update(versions={}, phases=[])
    (folder / "run.json").write_text(json.dumps(run))
    (folder / JOURNAL).write_bytes(journal)
    return folder


def line(event: str, **fields: Any) -> bytes:
    return json.dumps({"time": 1000.0, "event": event, **DEAD, **fields}).encode() + b"\n"


def begun(project: Project) -> bytes:
    """The line that says which stack a run is of."""
    return line("run", stack="local-smoke", state=str(project.state), instance=None)


JOURNALS: dict[str, bytes] = {
    "sound": line("began", step="load") + line("sent"),
    "cut off": line("began", step="load") + line("sent")[:20],
    "zeros at its end": line("began", step="load") + b"\0" * 100,
    "binary": bytes(range(256)) + b"\n",
    "UTF-16": '{"time": 1}\n'.encode("utf-16"),
    "a list": b"[1, 2]\n",
    "null": b"null\n",
    "a number": b"5\n",
    "nested 100,000 deep": b"[" * 100_000 + b"\n",
    "a line of 10 MB": b'{"time": 1000.0, "event": "' + b"x" * 10_000_000 + b"\n",
    "without a time": b'{"event": "began", "step": "up", "pid": 1, "started": 1}\n',
    "a time that is text": line("began", step="up", time="now"),
    "a time that is not a number": b'{"time": NaN, "event": "sent", "pid": 4194305, "started": 1}\n',
    "a time that is infinite": b'{"time": 1e999, "event": "sent", "pid": 4194305, "started": 1}\n',
    "a time beyond every calendar": line("sent", time=1e300),
    "a time before every calendar": line("sent", time=-1e300),
    "a pid that is text": line("began", step="up", pid="many"),
    "a pid below nothing": line("began", step="up", pid=-1),
    "a pid of 10^30": line("began", step="up", pid=10**30),
    "a step that is a list": line("began", step=["up"]),
    "a step without a name": line("began"),
    "an event that nobody knows": line("danced", step="up"),
    "times that go back": line("sent", time=2000.0) + line("sent", time=500.0),
    "CRLF": line("began", step="load").replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("name", JOURNALS)
def test_a_journal(project: Project, csscgen: Csscgen, name: str) -> None:
    content = begun(project) + JOURNALS[name]
    folder = cut_off(project, content)

    said = csscgen(*DESTROY)

    assert said.code == 0, said.err
    assert "Traceback" not in said.err
    assert_reported(folder)
    assert (folder / JOURNAL).read_bytes() == content


@pytest.mark.parametrize("given", [b"", b"\0" * 50, b'{"time": 1.0, "event": "run", "pid": 1'], ids=repr)
def test_a_journal_that_does_not_say_whose_it_is_is_left_alone(
    project: Project, csscgen: Csscgen, given: bytes
) -> None:
    folder = cut_off(project, given)
    assert csscgen(*DESTROY).code == 0
    assert not (folder / "summary.json").exists()
    assert (folder / JOURNAL).read_bytes() == given
    assert json.loads(csscgen("report", folder.name, "--json").out)["pods"]["ready"] == 2


def assert_reported(folder: Path) -> None:
    """The run has its end, and the figures of what was sound."""
    summary = orjson.loads((folder / "summary.json").read_bytes())
    assert summary["verdict"] == "fail"
    assert summary["finished_at"]
    assert figure(summary, "pods.ready") == 2


def frame(text: bytes, time: float = 1001.0, checksum: int | None = None) -> bytes:
    body = zlib.compress(text)
    return HEAD.pack(len(body), zlib.crc32(body, SALT) if checksum is None else checksum, time) + body


def scrape(**changes: Any) -> bytes:
    about = {"target": "etcd", "asked": True, "process": [1.0, 2.0], "page": True, **changes}
    return json.dumps({key: value for key, value in about.items() if value is not ...}).encode() + b"\nx_total 5\n"


SPOOLS: dict[str, bytes] = {
    "empty": b"",
    "sound": frame(scrape()) + frame(scrape(), 1003.0),
    "cut off in a head": frame(scrape()) + HEAD.pack(5, 5, 5.0)[:7],
    "cut off in a frame": frame(scrape()) + frame(scrape(), 1003.0)[:-5],
    "zeros at its end": frame(scrape()) + b"\0" * 4096,
    "a wrong checksum": frame(scrape()) + frame(scrape(), checksum=5) + frame(scrape()),
    "a length of 4 GB": frame(scrape()) + struct.pack(">IId", 2**32 - 1, 0, 1.0) + b"x",
    "text": b"time,target\n" * 50,
    "a frame that is not compressed": HEAD.pack(4, zlib.crc32(b"text", SALT), 1.0) + b"text",
    "a frame without JSON": frame(b"text\nx_total 5\n"),
    "a frame that is a list": frame(b"[1]\nx_total 5\n"),
    "a frame without a target": frame(scrape(target=...)),
    "a target that is a number": frame(scrape(target=5)),
    "a process that is text": frame(scrape(process="many")),
    "a process with one number": frame(scrape(process=[1])),
    "a process with text in it": frame(scrape(process=["a", "b"])),
    "a time that is not a number": frame(scrape(), float("nan")),
    "a time that is infinite": frame(scrape(), float("inf")),
    "a page that is none": frame(scrape().replace(b"x_total 5", b"<html>")),
    "a frame of nothing": frame(b""),
}


@pytest.mark.parametrize("name", SPOOLS)
def test_a_spool(project: Project, csscgen: Csscgen, name: str) -> None:
    folder = cut_off(project, begun(project) + line("began", step="load") + line("sent"))
    (folder / "metrics.parquet").unlink()
    (folder / SPOOL).write_bytes(SPOOLS[name])

    said = csscgen(*DESTROY)

    assert said.code == 0, said.err
    assert "Traceback" not in said.err
    assert_reported(folder)


CHECKPOINTS = [*(("pods.jsonl", name) for name in PODS), *(("requests.jsonl", name) for name in REQUESTS)]


@pytest.mark.parametrize(("file", "name"), CHECKPOINTS)
def test_a_checkpoint_that_a_run_is_to_go_on_from(project: Project, file: str, name: str) -> None:
    folder = cut_off(project, begun(project) + line("sent"))
    spoilt = PODS[name] if file == "pods.jsonl" else REQUESTS[name]
    (folder / file).write_bytes(spoilt.content)
    try:
        watched = Watched.read(folder)
        assert watched is not None
        watched.tracker(plan())
    except CollectError as error:
        assert spoilt.reason in str(error) and folder.name in str(error) and str(error).endswith(".")
        return
    assert not spoilt.null, "it was taken for a sound one"


AUDITS: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"kind": "Event", "verb": "create", "requestURI": "/',
    "binary": bytes(range(256)),
    "a list": b"[1]\n",
    "null": b"null\n",
    "without anything": b"{}\n",
    "a time that is none": b'{"requestReceivedTimestamp": "yesterday", "requestURI": "/"}\n',
    "a time that is a number": b'{"requestReceivedTimestamp": 5, "requestURI": "/"}\n',
    "about text": b'{"requestReceivedTimestamp": "2026-01-01T00:00:00Z", "requestURI": "/", "objectRef": "pods"}\n',
    "annotations that are a list": b'{"requestReceivedTimestamp": "2026-01-01T00:00:00Z", "requestURI": "/", '
    b'"objectRef": {"resource": "pods"}, "verb": "create", "annotations": [1]}\n',
    "a code that is text": b'{"requestReceivedTimestamp": "2026-01-01T00:00:00Z", "requestURI": "/", '
    b'"objectRef": {"resource": "pods"}, "verb": "create", "responseStatus": {"code": "many"}}\n',
}


@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_log(tmp_path: Path, name: str) -> None:
    file = tmp_path / "audit.log"
    file.write_bytes(AUDITS[name])
    found = auditing.read([file], 0.0, 4e9)
    assert found.pods == {}
    assert found.unreadable == (0 if not AUDITS[name] else max(1, AUDITS[name].strip(b"\n").count(b"\n") + 1))


ADMISSIONS = {
    "cut off": b'{"complete": tr',
    "a list": b"[]",
    "null": b"null",
    "without anything": b"{}",
    "a count that is text": b'{"complete": true, "unverified": "x"}',
}


@pytest.mark.parametrize("name", ADMISSIONS)
def test_what_an_audit_log_said(project: Project, csscgen: Csscgen, name: str) -> None:
    folder = known_run(project.runs / "bad")
    (folder / "admissions.json").write_bytes(ADMISSIONS[name])
    said = csscgen("report", "bad", "--json")
    assert "Traceback" not in said.err
    summary = orjson.loads(said.out)
    assert figure(summary, "pods.unverified") is None
    assert "admissions.json" in summary["missing"]["pods.unverified"]


SUMMARIES = {
    "empty": b"",
    "cut off": b'{"pods": {"ready": 5',
    "a list": b"[]",
    "null": b"null",
    "a number": b"5",
    "without anything": b"{}",
    "pods that are a number": b'{"pods": 5}',
    "pods that are text": b'{"pods": "x", "engine": "y"}',
    "startups that are a list": b'{"pod_startup_seconds": [1]}',
    "a startup that is text": b'{"pod_startup_seconds": {"p99": "x"}}',
    "a scenario that is text": b'{"scenario": "x", "pods": {}}',
    "binary": bytes(range(256)),
    "nested 100,000 deep": b"[" * 100_000,
}


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("table",), ("table", "--json")], ids=" ".join)
@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_costs_no_other_run_its_line(
    project: Project, csscgen: Csscgen, name: str, words: tuple[str, ...]
) -> None:
    known_run(project.runs / "local-S-20260102-101500-aaaa", run_id="local-S-20260102-101500-aaaa")
    known_run(project.runs / "local-S-20260103-101500-bbbb")
    (project.runs / "local-S-20260103-101500-bbbb" / "summary.json").write_bytes(SUMMARIES[name])
    assert csscgen("report", "local-S-20260102").code in (0, 3)
    said = csscgen("runs", *words)
    assert said.code == 0, said.err
    assert "Traceback" not in said.err
    assert "local-S-20260102-101500-aaaa" in said.out


def test_a_run_s_table_of_a_summary_that_is_none(project: Project, csscgen: Csscgen) -> None:
    folder = known_run(project.runs / "bad")
    (folder / "summary.json").write_bytes(b"[")
    assert "has no summary.json that can be read" in message(csscgen("runs", "table", "bad"))


USERS = {"an editor's copy": "local-smoke~", "hidden": ".local-smoke.swp", "a name with a space": "a b"}


@pytest.mark.parametrize(
    "content", [b"", b"[", b"5", b'["a", "b"]', b"[1, 2, 3]", b'{"a": 1}', b"[null, null]"], ids=repr
)
def test_a_user_of_a_shared_stack_that_cannot_be_read(project: Project, csscgen: Csscgen, content: bytes) -> None:
    users = project.state / "local-shared" / "users"
    users.mkdir(parents=True)
    (users / "local-S").write_bytes(content)
    said = csscgen(*DESTROY)
    assert (said.code, "Traceback" in said.err) == (0, False), said.err


@pytest.mark.parametrize("name", USERS)
def test_a_user_of_a_shared_stack_that_is_no_stack(project: Project, csscgen: Csscgen, name: str) -> None:
    users = project.state / "local-shared" / "users"
    users.mkdir(parents=True)
    (users / USERS[name]).write_text("[1, 1]")
    said = csscgen(*DESTROY)
    assert (said.code, "Traceback" in said.err) == (0, False), said.err


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


STACK = "state/local-smoke"
PORTS = "cache/csscgen/ports"
RECORD = b'{"name": "etcd", "folder": "%s", "pid": 4194305, "started": 1, "log": "x", "ready": {}}'
LEFT: dict[str, Callable[[Path], object]] = {
    "a state that is torn": lambda root: write(root / STACK / "state.json", b'{"version": 1'),
    "a lock that is empty": lambda root: write(root / STACK / "run", b""),
    "a lock that is binary": lambda root: write(root / STACK / "lock", bytes(range(256))),
    "a lock of a pid of 5,000 digits": lambda root: write(root / STACK / "run", b"9" * 5000),
    "a lock of a pid below nothing": lambda root: write(root / STACK / "run", b"-1"),
    "a lock that is a folder": lambda root: (root / STACK / "run").mkdir(parents=True),
    "a process that is torn": lambda root: write(root / STACK / "files/processes/etcd.json", b'{"name"'),
    "a process that is a list": lambda root: write(root / STACK / "files/processes/etcd.json", b"[1]"),
    "a process of no name": lambda root: write(root / STACK / "files/processes/etcd.json", b"{}"),
    "a process with a pid of text": lambda root: write(
        root / STACK / "files/processes/etcd.json", RECORD.replace(b"4194305", b'"many"')
    ),
    "a process with a folder of a number": lambda root: write(
        root / STACK / "files/processes/etcd.json", RECORD.replace(b'"%s"', b"5")
    ),
    "a process nested deep": lambda root: write(root / STACK / "files/processes/etcd.json", b"[" * 100_000),
    "a half-written file that is a folder": lambda root: (root / STACK / "state.tmp").mkdir(parents=True),
    "a port that is a file": lambda root: write(root / PORTS / "20001", b"x"),
    "a port of a stack that is gone": lambda root: link(root / PORTS / "20002", "/nonexistent"),
    "a port that leads to itself": lambda root: link(root / PORTS / "20003", "20003"),
    "a port that is no number": lambda root: link(root / PORTS / "²", "/nonexistent"),
    "ports that are a file": lambda root: write(root / PORTS, b"x"),
    "an instance without a name": lambda root: (root / "state/@/local-smoke").mkdir(parents=True),
    "a stack that is a file": lambda root: write(root / STACK, b"x"),
    "a run that is torn": lambda root: write(root / "runs/local-smoke-20260102-101500-aaaa/run.json", b"{"),
    "a run of an empty record": lambda root: write(root / "runs/local-smoke-20260102-101500-aaaa/run.json", b"{}"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_over(project: Project, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.root / "cache"))
    LEFT[name](project.root)
    cut_off(project, line("began", step="load"))
    for words in (("doctor",), ("doctor", "--fix"), ("doctor", "--json"), ("runs", "list")):
        said = csscgen(*words)
        assert said.code in (0, 1)
        assert "Traceback" not in said.err
        assert said.err == "" or message(said)
    said = csscgen(*DESTROY)
    assert "Traceback" not in said.err
    assert said.code == 0 or message(said)
    assert (project.runs / "local-smoke-20260102-101500-aaaa" / "pods.jsonl").exists()

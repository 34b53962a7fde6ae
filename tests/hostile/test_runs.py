"""The records of a run after a kill, a full disk, an editor or another version: what can be read is read and judged.

A folder without a run.json that can be read is refused. Whatever else is broken costs the figures that rest on it,
which are null with the reason; every other figure is as it was.
"""

from __future__ import annotations

import codecs
import json
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.analysis.runs import known_run, pod
from tests.hostile.cases import MB_10, Case, Csscgen, assert_refused
from tests.hostile.conftest import Project

GOOD_RUN = "run-1"


def of(**changes: Any) -> str:
    """A run.json in which entries are changed."""
    return json.dumps(changes)


def broken(given: str | bytes, *words: str) -> Case:
    return Case(given, ("run.json", *words), 1)


RUNS: dict[str, Case] = {
    "empty": broken("", "is not JSON"),
    "cut off": broken('{"run_id": "run-1", "settings": {', "is not JSON"),
    "zeros": broken(b"\0" * 4096, "is not JSON"),
    "binary": broken(bytes(range(256)), "is not JSON"),
    "UTF-16": broken("{}".encode("utf-16"), "is not JSON"),
    "UTF-8 with BOM": broken(codecs.BOM_UTF8 + b"{}", "is not JSON"),
    "not a number": broken('{"window": NaN}', "is not JSON"),
    "null": broken("null", "is not a JSON object"),
    "a list": broken("[]", "is not a JSON object"),
    "text": broken('"run"', "is not a JSON object"),
    "nested 100,000 deep": broken("[" * 100_000, "is not JSON"),
    "settings that are a list": broken('{"settings": [1]}', "settings"),
    "a subject of settings that is text": broken('{"settings": {"ratify": "x"}}', "settings"),
    "thresholds that are text": broken('{"settings": {"thresholds": "x"}}', "settings.thresholds"),
    "a threshold that is a number": broken('{"settings": {"thresholds": {"pods.ready": 5}}}', "settings.thresholds"),
    "a size that is a list": broken('{"settings": {"scenario": {"size": [1]}}}', "settings.scenario.size"),
    "a window that is text": broken('{"window": "x"}', "window"),
    "a window without an end": broken('{"window": {"start": 1}}', "window"),
    "a window of texts": broken('{"window": {"start": "a", "end": "b"}}', "window"),
    "phases that are an object": broken('{"phases": {"a": 1}}', "phases"),
    "a phase that is text": broken('{"phases": ["up"]}', "phases"),
    "a phase without a name": broken('{"phases": [{"started": 1}]}', "phases"),
    "a profile that is a list": broken('{"profile": []}', "profile"),
    "a metric without a query": broken('{"profile": {"metrics": [{"name": "m"}], "alerts": []}}', "profile.metrics"),
    "an alert of no severity": broken(
        '{"profile": {"metrics": [], "alerts": [{"expr": "x", "description": "x", "severity": "bad"}]}}',
        "profile.alerts.severity",
    ),
    "an error that is text": broken('{"error": "it failed"}', "error"),
    "an error without a phase": broken('{"error": {"message": "x"}}', "error"),
    "artifacts that are a number": broken('{"artifacts": 5}', "artifacts"),
    "a harness that is a list": broken('{"harness": [1]}', "harness"),
    "CPU time that is text": broken('{"harness": {"window_cpu_seconds": "x"}}', "harness"),
    "a machine that is text": broken('{"machine": "mine"}', "machine"),
    "an engine that is text": broken('{"engine": "cli"}', "engine"),
    "versions that are a list": broken('{"versions": [1]}', "versions"),
    "a start that is a number": broken('{"started_at": 5}', "started_at"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_is_none(project: Project, csscgen: Csscgen, name: str) -> None:
    case = RUNS[name]
    content = case.given if isinstance(case.given, bytes) else case.given.encode()
    folder = known_run(project.runs / "bad")
    (folder / "run.json").write_bytes(content)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    assert_refused(csscgen("report", "bad"), case)

    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    rows = json.loads(csscgen("runs", "list", "--json").out)
    assert [row["verdict"] for row in rows] == ["unfinished"]


class Spoilt(NamedTuple):
    """A file of a run, and what its figures then say."""

    content: bytes
    null: tuple[str, ...] = ()
    """Paths of figures that are null."""
    reason: str = ""
    """What ``missing`` says of each."""


LINE = json.dumps(pod("a", 1000.5, 1002.5, "ready"))
PODS_NULL = ("pods.ready", "pods.denied", "pod_startup_seconds.p99", "ratify.admissions_per_verification")


def pods(*lines: str | bytes, reason: str = "") -> Spoilt:
    content = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n"
    return Spoilt(content, PODS_NULL if reason else (), reason)


def changed(**entries: Any) -> str:
    return json.dumps({**pod("a", 1000.5, 1002.5, "ready"), **entries})


PODS: dict[str, Spoilt] = {
    "cut off": pods(LINE, LINE[:50], reason="Line 2 of pods.jsonl is not JSON"),
    "zeros at its end": pods(LINE, b"\0" * 100, reason="Line 2 of pods.jsonl is not JSON"),
    "binary": pods(bytes(range(256)), reason="Line 1 of pods.jsonl is not JSON"),
    "UTF-16": pods(LINE.encode("utf-16"), reason="Line 1 of pods.jsonl is not JSON"),
    "a list": pods(LINE, "[1]", reason="Line 2 of pods.jsonl is no pod"),
    "null": pods("null", reason="Line 1 of pods.jsonl is no pod"),
    "a number": pods("5", reason="Line 1 of pods.jsonl is no pod"),
    "without an end": pods(changed(end=None), reason="Line 1 of pods.jsonl is no pod: its end is None"),
    "an end that nobody knows": pods(changed(end="vanished"), reason="is no pod: its end is 'vanished'"),
    "milestones that are a list": pods(changed(milestones=[1]), reason="is no pod: its milestones is [1]"),
    "a milestone that is text": pods(changed(milestones={"ready": {"local": "x"}}), reason="is no pod: its milestones"),
    "a reason that is an object": pods(changed(reason={"a": 1}), reason="is no pod: its reason is"),
    "a line of 10 MB": pods(LINE, '"' + "x" * MB_10, reason="Line 2 of pods.jsonl is not JSON"),
    "CRLF": Spoilt(f"{LINE}\r\n{LINE}\r\n".encode()),
    "lines that are empty": pods(LINE, "", LINE),
    "ready before it was created": pods(changed(milestones={"created": {"local": 9.0}, "ready": {"local": 5.0}})),
    "without names": pods(changed(name=None), changed(name=None, namespace=None, workload=None)),
    "empty": Spoilt(b""),
}


@pytest.mark.parametrize("name", PODS)
def test_pods(project: Project, csscgen: Csscgen, name: str) -> None:
    assert_judged(project, csscgen, "pods.jsonl", PODS[name])


REQUEST = {"object": "deployment/perf/a", "intended": 1.0, "sent": 1.0, "answered": 2.0, "status": "created"}
LOAD_NULL = ("load.objects", "load.achieved_per_s", "load.lag_seconds.p99")


def requests(*lines: Any, reason: str = "") -> Spoilt:
    texts = [line if isinstance(line, str) else json.dumps({**REQUEST, "message": None, **line}) for line in lines]
    return Spoilt("\n".join(texts).encode() + b"\n", LOAD_NULL if reason else (), reason)


REQUESTS: dict[str, Spoilt] = {
    "cut off": requests({}, "{", reason="Line 2 of requests.jsonl is not JSON"),
    "a list": requests("[]", reason="Line 1 of requests.jsonl is no request"),
    "a time that is text": requests({"sent": "now"}, reason="is no request: its sent is 'now'"),
    "without a status": requests({"status": None}, reason="is no request: its status is None"),
    "not a number": requests('{"sent": NaN}', reason="Line 1 of requests.jsonl is not JSON"),
    "sent before it was due": requests({}, {"sent": 0.5}),
    "a number beyond every float": requests('{"sent": 1e400}', reason="Line 1 of requests.jsonl is no"),
    "empty": Spoilt(b""),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(project: Project, csscgen: Csscgen, name: str) -> None:
    assert_judged(project, csscgen, "requests.jsonl", REQUESTS[name])


EVENTS = {
    "cut off": b'{"time": 1.0, "mess',
    "a list": b"[1]\n",
    "binary": bytes(range(256)),
    "a time that is text": b'{"time": "x", "object": "a", "reason": "b", "message": "c", "count": 1}\n',
    "without anything": b"{}\n",
}


@pytest.mark.parametrize("name", EVENTS)
def test_events(project: Project, csscgen: Csscgen, name: str) -> None:
    assert_judged(project, csscgen, "events.jsonl", Spoilt(EVENTS[name]))


def table(**columns: Any) -> bytes:
    """A parquet file with a row of these columns."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({key: pa.array([value]) for key, value in columns.items()}), sink)
    return bytes(sink.getvalue())


METRICS_NULL = ("ratify.verification_requests", "ratify.memory_bytes.peak", "gatekeeper.cpu_cores.mean")
UNREADABLE = "metrics.parquet cannot be read"
METRICS: dict[str, Spoilt] = {
    "empty": Spoilt(b"", METRICS_NULL, UNREADABLE),
    "text": Spoilt(b"time,target\n", METRICS_NULL, UNREADABLE),
    "zeros": Spoilt(b"\0" * 4096, METRICS_NULL, UNREADABLE),
    "only its magic number": Spoilt(b"PAR1" * 3, METRICS_NULL, UNREADABLE),
    "another table": Spoilt(table(a=1, b="x"), METRICS_NULL, UNREADABLE),
    "a column less": Spoilt(table(time=1.0, target="ratify-0", metric="up", value=1.0), METRICS_NULL, UNREADABLE),
    "empty cells": Spoilt(
        table(time=1.0, target="ratify-0", metric=None, labels="", value=1.0), METRICS_NULL, UNREADABLE
    ),
    "times that are text": Spoilt(
        table(time="x", target="ratify-0", metric="up", labels="", value=1.0), METRICS_NULL, UNREADABLE
    ),
}


@pytest.mark.parametrize("name", METRICS)
def test_samples(project: Project, csscgen: Csscgen, name: str) -> None:
    assert_judged(project, csscgen, "metrics.parquet", METRICS[name])


def test_samples_that_are_cut_off(project: Project, csscgen: Csscgen) -> None:
    whole = (known_run(project.runs / "whole") / "metrics.parquet").read_bytes()
    (project.runs / "whole" / "run.json").unlink()
    for share in (0.2, 0.6, 0.99):
        spoilt = Spoilt(whole[: int(len(whole) * share)], METRICS_NULL, UNREADABLE)
        assert_judged(project, csscgen, "metrics.parquet", spoilt, str(share))


@pytest.mark.parametrize("file", ["pods.jsonl", "requests.jsonl", "metrics.parquet", "events.jsonl"])
def test_a_folder_where_a_record_is_due(project: Project, csscgen: Csscgen, file: str) -> None:
    folder = known_run(project.runs / "bad")
    (folder / file).unlink()
    (folder / file / "mine").mkdir(parents=True)
    said = csscgen("report", "bad", "--json")
    assert "Traceback" not in said.err and json.loads(said.out)["run_id"] == GOOD_RUN
    assert (folder / file / "mine").is_dir()


def assert_judged(project: Project, csscgen: Csscgen, file: str, spoilt: Spoilt, run: str = "bad") -> dict[str, Any]:
    """The spoilt file costs its own figures, with the reason, and no other; what is written is strict JSON."""
    other = "metrics.parquet" if file == "pods.jsonl" else "pods.jsonl"
    folder = known_run(project.runs / run)
    (folder / file).write_bytes(spoilt.content)

    said = csscgen("report", str(folder), "--json")

    assert "Traceback" not in said.err
    summary: dict[str, Any] = orjson.loads(said.out)
    assert summary == orjson.loads((folder / "summary.json").read_bytes())
    for path in spoilt.null:
        assert figure(summary, path) is None, path
        assert spoilt.reason in summary["missing"][path], path
    if not spoilt.null and file in OWN_FIGURE:
        assert figure(summary, OWN_FIGURE[file]) is not None
    whole = figure(summary, "pods.ready" if other == "pods.jsonl" else "ratify.verification_requests")
    assert whole == (2 if other == "pods.jsonl" else 10)
    assert (folder / file).read_bytes() == spoilt.content
    return summary


OWN_FIGURE = {"pods.jsonl": "pods.ready", "requests.jsonl": "load.objects"}


def figure(summary: dict[str, Any], path: str) -> Any:
    found: Any = summary
    for key in path.split("."):
        found = found[key]
    return found

"""The CLI engine against a stand-in for the CLI that speaks the automation API's protocol."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from infra.engine import Secret, StepEvent, select
from infra.engine.cli import CliEngine
from workloads.errors import EngineError, UsageError

FAKE = Path(__file__).with_name("fake_pulumi.py")
URN = "urn:pulumi:perf::ratify-perf::{}::{}"


def metadata(op: str, type_: str, name: str, **states) -> dict:
    urn = URN.format(type_, name)
    full = {which: {"type": type_, "urn": urn, **state} for which, state in states.items()}
    return {"metadata": {"op": op, "urn": urn, "type": type_, "provider": "", **full}}


def steps(op: str, type_: str, name: str, **states) -> list[dict]:
    event = metadata(op, type_, name, **states)
    return [{"resourcePreEvent": event}, {"resOutputsEvent": event}]


class Pulumi:
    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.scenario = {"version": version, "stacks": {}, "outputs": {}, "events": {}, "fail": {}}
        self.save()

    def save(self) -> None:
        (self.folder / "scenario.json").write_text(json.dumps(self.scenario))

    def calls(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]


@pytest.fixture(params=["v3.205.0", "v3.272.0"])  # events by a file, events by gRPC
def pulumi(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pulumi:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "pulumi"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_PULUMI", str(folder))
    return Pulumi(folder, request.param)


@pytest.fixture
def engine(pulumi: Pulumi, tmp_path: Path) -> CliEngine:
    (tmp_path / "Pulumi.yaml").write_text("name: ratify-perf\nruntime: python\n")
    return CliEngine(tmp_path)


def test_auto_takes_the_cli_where_there_is_one(pulumi, engine, tmp_path):
    found = select("auto", root=tmp_path, state=tmp_path / "state")
    assert found.name == "cli"
    assert found.version == pulumi.scenario["version"].removeprefix("v")


def test_auto_takes_the_embedded_engine_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert select("auto", root=tmp_path, state=tmp_path).name == "embedded"
    with pytest.raises(UsageError, match="no pulumi on PATH"):
        select("cli", root=tmp_path, state=tmp_path)


def test_up_makes_the_stack_passes_the_config_and_tells_the_steps(pulumi, engine, tmp_path):
    inputs = {
        "length": 3,
        "password": "[secret]",
        "later": "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "__provider": "code",
    }
    pulumi.scenario["events"]["up"] = [
        *steps("create", "random:index/randomPassword:RandomPassword", "password", new={"inputs": inputs}),
        *steps("create-replacement", "a:b:C", "old", new={"inputs": {}}),
        *steps("replace", "a:b:C", "old", new={"inputs": {}}),
        *steps("delete-replaced", "a:b:C", "old", old={"inputs": {}}),
        *steps("same", "pulumi:pulumi:Stack", "ratify-perf-perf", new={"inputs": {}}),
    ]
    pulumi.scenario["outputs"] = {"password": ["hush", True], "size": [3, False]}
    pulumi.save()
    events: list[StepEvent] = []
    outcome = engine.up("perf", {"scenario": {"replicas": 5}, "platform": "azure"}, events.append)

    assert outcome.outputs == {"password": Secret("hush"), "size": 3}
    assert "hush" not in str(outcome)
    assert outcome.changes == {"create": 1, "replace": 1, "same": 1}
    first = outcome.steps[0]
    assert (first.name, first.op) == ("password", "create")
    assert first.inputs == {"length": 3, "password": "[secret]", "later": "[unknown]"}
    assert [(e.op, e.status) for e in events if e.name == "old"] == [
        ("replace", "started"),
        ("replace", "done"),
        ("delete", "started"),
        ("delete", "done"),
    ]
    calls = pulumi.calls()
    assert ["stack", "init", "perf"] in [c["argv"][1:4] for c in calls]
    (up,) = [c for c in calls if "up" in c["argv"]]
    assert {"--yes", "--skip-preview"} <= set(up["argv"]) and up["cwd"] == str(tmp_path)
    assert json.loads(up["config"]) == {"scenario": {"replicas": 5}, "platform": "azure"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Pulumi.yaml", "bin"]


def test_a_failed_resource_is_told_with_its_message(pulumi, engine):
    type_, name = "azure-native:containerservice:ManagedCluster", "aks"
    message = "<{%fg 1%}>Quota exceeded<{%reset%}>\n"
    pulumi.scenario["events"]["up"] = [
        {"resourcePreEvent": metadata("create", type_, name, new={"inputs": {}})},
        {"diagnosticEvent": {"severity": "error", "urn": URN.format(type_, name), "message": message, "color": "raw"}},
        {"resOpFailedEvent": {**metadata("create", type_, name), "status": 0, "steps": 0}},
    ]
    pulumi.scenario["fail"]["up"] = "error: update failed"
    pulumi.save()
    events: list[StepEvent] = []
    with pytest.raises(EngineError) as caught:
        engine.up("perf", {}, events.append)
    assert str(caught.value) == f"The Pulumi CLI failed:\n  - {URN.format(type_, name)}: Quota exceeded"
    assert [(e.status, e.message) for e in events] == [("started", None), ("failed", "Quota exceeded")]


def test_a_failure_without_events_shows_the_last_line(pulumi, engine):
    pulumi.scenario["fail"]["up"] = "warning: old\nerror: passphrase must be set"
    pulumi.save()
    with pytest.raises(EngineError, match="error: passphrase must be set$"):
        engine.up("perf", {})


def test_a_stack_in_use_is_a_usage_error(pulumi, engine):
    pulumi.scenario["fail"]["up"] = "error: the stack is currently locked by 1 lock(s)."
    pulumi.save()
    with pytest.raises(UsageError, match="The stack is in use"):
        engine.up("perf", {})


def test_preview_has_the_plan_and_what_is_known_of_the_outputs(pulumi, engine):
    stack = {"inputs": {}, "outputs": {"host": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "size": 2}}
    pulumi.scenario["events"]["preview"] = [
        *steps("create", "pulumi:pulumi:Stack", "ratify-perf-perf", new=stack),
        {
            "summaryEvent": {
                "maybeCorrupt": False,
                "durationSeconds": 0,
                "resourceChanges": {"create": 1},
                "PolicyPacks": {},
            }
        },
    ]
    pulumi.save()
    outcome = engine.preview("perf", {})
    assert outcome.changes == {"create": 1}
    assert outcome.outputs == {"host": "[unknown]", "size": 2}


def test_destroy_outputs_and_exists_of_a_stack_that_never_was(pulumi, engine):
    assert engine.destroy("perf", {}).changes == {}
    assert engine.outputs("perf") == {}
    assert not engine.exists("perf")
    assert not any("destroy" in c["argv"] for c in pulumi.calls())


def test_destroy_half_way_fails_and_then_ends(pulumi, engine):
    pulumi.scenario["stacks"] = {"perf": 3}
    pulumi.scenario["events"]["destroy"] = steps("delete", "a:b:C", "one", old={"inputs": {}})
    pulumi.scenario["fail"]["destroy"] = "error: could not delete a:b:C two"
    pulumi.save()
    assert engine.exists("perf")
    with pytest.raises(EngineError, match="could not delete a:b:C two"):
        engine.destroy("perf", {})
    pulumi.scenario["fail"] = {}
    pulumi.save()
    assert engine.destroy("perf", {}).changes == {"delete": 1}


def test_a_cli_that_is_too_old_is_a_usage_error(pulumi, engine):
    pulumi.scenario["version"] = "v2.0.0"
    pulumi.save()
    with pytest.raises(UsageError, match="The Pulumi CLI cannot be used"):
        engine.up("perf", {})

"""The CLI engine against a stand-in for the CLI that speaks the automation API's protocol."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from infra.engine import Secret, StepEvent, select
from infra.engine.cli import CliEngine
from tests.infra.engine.stand_in import NEW, OLD, StandIn, hooked, put_on_path
from workloads.errors import EngineError, InUseError, UsageError

AKS = "azure-native:containerservice:ManagedCluster"
GROUP = "azure-native:resources:ResourceGroup"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def metadata(op: str, type_: str, name: str, **states) -> dict:
    urn = f"urn:pulumi:perf::ratify-perf::{type_}::{name}"
    full = {which: {"type": type_, "urn": urn, "custom": True, **state} for which, state in states.items()}
    return {"metadata": {"op": op, "urn": urn, "type": type_, "provider": "", **full}}


def steps(op: str, type_: str, name: str, **states) -> list[dict]:
    event = metadata(op, type_, name, **states)
    return [{"resourcePreEvent": event}, {"resOutputsEvent": event}]


@pytest.fixture(params=[OLD, NEW])
def pulumi(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = put_on_path(tmp_path / "bin", monkeypatch, request.param)
    with made.changing() as scenario:
        tags = {"run-id": "perf-1"}
        scenario["programs"]["perf"] = [
            {"type": GROUP, "name": "rg", "id": "/subscriptions/s/resourceGroups/perf-rg", "inputs": {"tags": tags}},
            {"type": AKS, "name": "aks"},
            {"type": "kubernetes:apps/v1:Deployment", "name": "workload-0"},
        ]
    return made


@pytest.fixture
def engine(pulumi: StandIn, tmp_path: Path) -> CliEngine:
    root = tmp_path / "root"
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: ratify-perf\nruntime: python\n")
    return CliEngine(root)


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
    inputs = {"length": 3, "password": "[secret]", "later": UNKNOWN, "__provider": "code"}
    with pulumi.changing() as scenario:
        scenario["programs"] = {}
        scenario["events"]["up"] = [
            *steps("create", "random:index/randomPassword:RandomPassword", "password", new={"inputs": inputs}),
            *steps("create-replacement", "a:b:C", "old", new={"inputs": {}}),
            *steps("replace", "a:b:C", "old", new={"inputs": {}}),
            *steps("delete-replaced", "a:b:C", "old", old={"inputs": {}}),
        ]
        scenario["outputs"]["perf"] = {"password": ["hush", True], "size": [3, False]}
    events: list[StepEvent] = []
    outcome = engine.up("perf", {"scenario": {"replicas": 5}, "platform": "azure"}, events.append)

    assert outcome.outputs == {"password": Secret("hush"), "size": 3}
    assert "hush" not in str(outcome)
    assert outcome.changes == {"create": 2, "replace": 1}
    first = outcome.steps[0]
    assert (first.name, first.op) == ("password", "create")
    assert first.inputs == {"length": 3, "password": "[secret]", "later": "[unknown]"}
    assert [(e.op, e.status) for e in events if e.name == "old"] == [
        ("replace", "started"),
        ("replace", "done"),
        ("delete", "started"),
        ("delete", "done"),
    ]
    assert ["stack", "init", "perf"] in [c["argv"][1:4] for c in pulumi.calls()]
    (up,) = pulumi.calls("up")
    assert {"--yes", "--skip-preview", "--non-interactive"} <= set(up["argv"])
    assert up["cwd"] == str(tmp_path / "root")
    assert json.loads(up["environment"]["CSSCGEN_CONFIG"]) == {"scenario": {"replicas": 5}, "platform": "azure"}
    assert [file.name for file in (tmp_path / "root").iterdir()] == ["Pulumi.yaml"]


def test_no_call_has_a_setting_or_a_secret_in_its_words_and_none_asks_for_a_newer_cli(pulumi, engine):
    with pulumi.changing() as scenario:
        scenario["outputs"]["perf"] = {"kubeconfig": ["hush", True]}
    engine.up("perf", {"azure": {"owner": "somebody"}})
    engine.outputs("perf")
    engine.resources("perf")
    engine.destroy("perf", {"azure": {"owner": "somebody"}})
    calls = pulumi.calls()
    assert len(calls) > 10
    words = [word for call in calls for word in call["argv"]]
    assert not [word for word in words if "hush" in word or "somebody" in word]
    assert {call["environment"].get("PULUMI_SKIP_UPDATE_CHECK") for call in calls} == {"true"}
    # What is read in clear are the outputs, because they are what is asked for.
    shown = [call["argv"][1:3] for call in pulumi.calls("--show-secrets")]
    assert shown and all(words == ["stack", "output"] for words in shown)


def test_a_component_is_never_under_way(pulumi, engine):
    events: list[StepEvent] = []
    engine.up("perf", {}, events.append)
    started = [event.name for event in events if event.status == "started"]
    assert started == ["rg", "aks", "workload-0"]
    assert "ratify-perf-perf" in [event.name for event in events]


def test_an_up_that_breaks_says_which_resource_why_and_how_far_it_had_come(pulumi, engine):
    with pulumi.changing() as scenario:
        scenario["breaks"]["up perf aks"] = "<{%fg 1%}>Quota exceeded<{%reset%}>\n"
    events: list[StepEvent] = []
    with pytest.raises(EngineError) as caught:
        engine.up("perf", {}, events.append)
    assert str(caught.value) == (
        "The Pulumi CLI failed to bring up stack perf:\n"
        f"  - urn:pulumi:perf::ratify-perf::{AKS}::aks: Quota exceeded\n"
        "  - 1 resource had been done by then"
    )
    assert [(e.name, e.status, e.message) for e in events][-1] == ("aks", "failed", "Quota exceeded")
    assert (pulumi.resources("perf"), engine.outputs("perf"), engine.exists("perf")) == (["rg"], {}, True)
    with pulumi.changing() as scenario:
        scenario["breaks"] = {}
    assert engine.up("perf", {}).changes == {"same": 2, "create": 2}


def test_a_destroy_that_breaks_leaves_what_it_had_not_reached_and_a_second_one_ends_it(pulumi, engine):
    engine.up("perf", {})
    with pulumi.changing() as scenario:
        scenario["breaks"]["destroy perf aks"] = "in use by a peering"
    with pytest.raises(EngineError, match=r"failed to destroy stack perf:\n  - .*::aks: in use by a peering"):
        engine.destroy("perf", {})
    left = engine.resources("perf")
    assert [(each.name, each.type, each.unfinished) for each in left] == [("rg", GROUP, False), ("aks", AKS, False)]
    assert left[0].id == "/subscriptions/s/resourceGroups/perf-rg"
    assert left[0].inputs == {"tags": {"run-id": "perf-1"}}
    with pulumi.changing() as scenario:
        scenario["breaks"] = {}
    assert engine.destroy("perf", {}).changes == {"delete": 3}
    assert (engine.resources("perf"), engine.exists("perf")) == ((), False)


def test_a_state_has_no_secret_in_clear_and_what_was_cut_off(pulumi, engine, monkeypatch):
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
    state = {
        "resources": [
            {"urn": "u::p::a:b:C::c", "type": "a:b:C", "custom": True, "inputs": {"data": {"key": [secret]}}}
        ],
        "pending_operations": [
            {"type": "creating", "resource": {"urn": "u::p::a:b:D::d", "type": "a:b:D", "custom": True}},
            {"type": "deleting", "resource": {"urn": "u::p::a:b:C::c", "type": "a:b:C", "custom": True}},
        ],
    }
    engine.up("perf", {})
    with pulumi.changing() as scenario:
        scenario["stacks"]["perf"] |= {"export": state}
    known = engine.resources("perf")
    assert [(each.name, each.unfinished) for each in known] == [("c", False), ("d", True)]
    assert known[0].inputs == {"data": {"key": ["[secret]"]}}


SAID = {
    "no passphrase": ("passphrase must be set with PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE, and try"),
    "another passphrase": ("getting secrets manager: incorrect passphrase", "is not the one that"),
    "no login": ("PULUMI_ACCESS_TOKEN must be set for login during non-interactive", "`pulumi login`"),
}


@pytest.mark.parametrize("case", SAID)
def test_what_keeps_the_cli_from_beginning_is_a_usage_error_that_says_what_to_do(pulumi, engine, case):
    said, advice = SAID[case]
    with pulumi.changing() as scenario:
        scenario["says"] = {"up": f"warning: old\nerror: {said}", "stack": f"error: {said}"}
    for operation in (lambda: engine.up("perf", {}), lambda: engine.exists("perf"), lambda: engine.outputs("perf")):
        with pytest.raises(UsageError, match=advice):
            operation()


def test_what_the_program_refuses_is_told_without_a_traceback(pulumi, engine):
    refusal = "The settings of stack perf are wrong:\n  - scenario.replicas: expected a whole number."
    said = (
        "<{%reset%}>Program failed with an unhandled exception:\nTraceback (most recent call last):\n"
        '  File "/somewhere/infra/program.py", line 7, in main\n    raise error\n'
        f"workloads.errors.SettingsError: {refusal}\n<{{%reset%}}>"
    )
    with pulumi.changing() as scenario:
        stack = "urn:pulumi:perf::ratify-perf::pulumi:pulumi:Stack::ratify-perf-perf"
        event = {"severity": "error", "urn": stack, "message": said, "color": "raw"}
        scenario["events"]["up"] = [{"diagnosticEvent": event}]
        scenario["breaks"]["up perf rg"] = "never reached"
    with pytest.raises(EngineError) as caught:
        engine.up("perf", {})
    assert f"  - {stack}: {refusal}" in str(caught.value)
    assert "Traceback" not in str(caught.value) and "somewhere" not in str(caught.value)


def test_a_failure_without_events_shows_the_last_line(pulumi, engine):
    with pulumi.changing() as scenario:
        scenario["says"]["up"] = "warning: old\nerror: no such plugin"
    with pytest.raises(EngineError, match="failed to bring up stack perf:\n  - error: no such plugin$"):
        engine.up("perf", {})


@pytest.mark.parametrize("operation", ["up", "destroy"])
def test_a_stack_in_use_is_told_with_who_has_it(pulumi, engine, operation):
    engine.up("perf", {})
    with pulumi.changing() as scenario:
        scenario["stacks"]["perf"]["locked"] = True
    with pytest.raises(InUseError, match="in use by another operation .*ann@her-machine.*`pulumi cancel"):
        getattr(engine, operation)("perf", {})


def test_preview_has_the_plan_and_what_is_known_of_the_outputs(pulumi, engine):
    with pulumi.changing() as scenario:
        scenario["outputs"]["perf"] = {"host": UNKNOWN, "size": 2}
        summary = {"maybeCorrupt": False, "durationSeconds": 0, "resourceChanges": {"create": 1}, "PolicyPacks": {}}
        scenario["events"]["preview"] = [{"summaryEvent": summary}]
    outcome = engine.preview("perf", {})
    assert outcome.changes == {"create": 4}
    assert outcome.outputs == {"host": "[unknown]", "size": 2}
    assert pulumi.resources("perf") == []


def test_destroy_outputs_and_exists_of_a_stack_that_never_was(pulumi, engine):
    assert engine.destroy("perf", {}).changes == {}
    assert engine.outputs("perf") == {}
    assert engine.resources("perf") == ()
    assert not engine.exists("perf")
    assert not pulumi.calls("destroy")


def test_what_only_reads_selects_no_stack(pulumi, engine):
    engine.up("perf", {})
    before = len(pulumi.calls("select"))
    assert before > 0
    engine.outputs("perf")
    engine.exists("perf")
    engine.resources("perf")
    assert len(pulumi.calls("select")) == before


def test_an_export_that_is_no_state_is_told(pulumi, engine):
    engine.up("perf", {})
    with pulumi.changing() as scenario:
        scenario["stacks"]["perf"]["export"] = {"resources": [{"custom": True}]}
    with pytest.raises(EngineError, match="exported of stack perf is no state: KeyError"):
        engine.resources("perf")


def test_a_stack_of_the_same_name_in_another_organization_is_another_stack(pulumi, engine):
    engine.up("perf", {})
    with pulumi.changing() as scenario:
        scenario["stacks"] = {"acme/perf": scenario["stacks"]["perf"]}
    assert not engine.exists("perf")
    with pulumi.changing() as scenario:  # the full name in a backend without organizations
        scenario["stacks"] = {"organization/ratify-perf/perf": scenario["stacks"]["acme/perf"]}
    assert engine.exists("perf")


@pytest.mark.parametrize("version", ["v2.0.0", "nonsense"])
def test_a_cli_that_cannot_be_used_is_a_usage_error(pulumi, engine, version):
    with pulumi.changing() as scenario:
        scenario["version"] = version
    with pytest.raises(UsageError, match="The Pulumi CLI cannot be used"):
        engine.up("perf", {})


def test_a_cli_that_does_not_start_is_a_usage_error(pulumi, engine):
    (pulumi.folder / "pulumi").write_text("#!/nonexistent\n")
    with pytest.raises(UsageError, match="The Pulumi CLI cannot be used"):
        engine.exists("perf")


def test_an_interruption_is_handed_on_once_and_waited_for(pulumi, engine):
    """The signal goes to this process alone, as SIGTERM would: the CLI ends what is under way, and begins no more."""
    with pulumi.changing() as scenario:
        scenario["programs"]["perf"][1]["seconds"] = 0.5
    main = threading.main_thread().ident
    assert main is not None
    seen: list[tuple[str, str]] = []

    def follow(event: StepEvent) -> None:
        seen.append((event.name, event.status))
        if seen[-1] == ("aks", "started"):
            signal.pthread_kill(main, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        engine.up("perf", {}, follow)
    assert seen[-1] == ("aks", "done")
    assert pulumi.resources("perf") == ["rg", "aks"]
    engine.destroy("perf", {})
    assert pulumi.resources("perf") == []


def test_ctrl_c_in_a_terminal_reaches_the_cli_through_this_process_only(pulumi, engine):
    """Were it in the group of the terminal, it would be told twice, and give up what is under way."""
    groups: list[int] = []

    def hook(_: dict) -> None:
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.endswith(b"fake_pulumi.py") for word in words) and b"up" in words:
                groups.append(os.getpgid(int(entry.name)))

    with hooked(pulumi, hook):
        engine.up("perf", {})
    assert groups and os.getpgid(0) not in groups


def test_events_come_while_it_works(pulumi, engine):
    with pulumi.changing() as scenario:
        scenario["programs"]["perf"][1]["seconds"] = 0.6
    at: dict[tuple[str, str], float] = {}
    engine.up("perf", {}, lambda event: at.__setitem__((event.name, event.status), time.monotonic()))
    assert at["aks", "done"] - at["aks", "started"] > 0.3

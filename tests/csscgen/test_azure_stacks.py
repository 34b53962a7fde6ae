"""Azure's stacks from the command line to the Pulumi CLI and back, with a stand-in for the CLI on PATH.

The stack files, the commands, the pipeline and the engine are the true ones. Not here are Azure itself, the program
(the stand-in has one of four resources), the registry (what is seeded is noted) and the login.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from csscgen import pipeline
from csscgen.azure import certificates, credentials, leftovers
from csscgen.cli import main
from csscgen.stackfiles import read
from tests.csscgen.commands import csscgen
from tests.csscgen.pods import ready_pod
from tests.csscgen.servers import PODS, ApiServer, event, in_background, status
from tests.csscgen.worlds import DENIED, ROOT, stand_in_tools
from tests.infra.engine.stand_in import StandIn, hooked, put_on_path
from workloads.errors import AzureError

RUN, SHARED = "perf-S", "shared"
GROUP, AKS = "azure-native:resources:ResourceGroup", "azure-native:containerservice:ManagedCluster"
ID = "/subscriptions/5ub/resourceGroups/perf-s"
SMALL = ("--set", "scenario.replicas=5", "--set", "load.quietSeconds=1", "--set", "load.retrySeconds=1")
ORDER = [
    f"up {SHARED}: vault",
    "certificate",
    f"up {RUN}: group, aks, gatekeeper",
    "seed",
    f"up {RUN}: group, aks, gatekeeper, workload-0",
    f"destroy {RUN}",
]


@dataclass
class Azure:
    """What a run on Azure stands on, and what it did, in order."""

    root: Path
    pulumi: StandIn
    api: ApiServer
    done: list[str] = field(default_factory=list)
    ready: int = 5
    """How many of the five pods become ready when the load is sent."""
    hooks: dict[str, Callable[[], object]] = field(default_factory=dict)
    """Called when what is noted in ``done`` begins."""
    tagged: list[str] | AzureError = field(default_factory=list)
    """What Azure says it still has."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Subscription, run id and stack that it was asked about."""

    def note(self, what: str) -> None:
        self.done.append(what)
        if hook := self.hooks.get(what):
            hook()

    def begun(self, operation: Mapping[str, Any]) -> None:
        """The stand-in begins an operation."""
        names = ", ".join(operation["program"]) if operation["op"] == "up" else ""
        if "workload-0" in names:
            self.api.later[PODS] += [event("ADDED", ready_pod(number)) for number in range(self.ready)]
        self.note(f"{operation['op']} {operation['stack']}{': ' if names else ''}{names}")

    def breaks(self, **where: str) -> None:
        """``destroy_aks="in use"``: the operation and the resource of the run's stack that it breaks at."""
        with self.pulumi.changing() as scenario:
            scenario["breaks"] = {
                f"{op} {RUN} {name}": why for key, why in where.items() for op, name in [key.split("_")]
            }

    @property
    def folder(self) -> Path:
        (folder,) = (self.root / "runs").iterdir()
        return folder

    @property
    def record(self) -> Any:
        return json.loads((self.folder / "run.json").read_text())


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    for name in ("stacks", "Pulumi.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("CSSCGEN_STATE", "CSSCGEN_RUNS", "CSSCGEN_INSTANCE", "ARM_SUBSCRIPTION_ID"):
        monkeypatch.setenv(name, "")  # taken back afterwards, whatever the commands set
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    stand_in_tools()
    pulumi = put_on_path(tmp_path / "bin", monkeypatch)
    with in_background(ApiServer()) as api:
        there = Azure(tmp_path, pulumi, api)
        with pulumi.changing() as scenario:
            scenario |= _program(api.kubeconfig)

        async def answer(request: web.Request) -> web.Response:
            return status(403, f"{DENIED} for an image@sha256:0")

        def left(subscription: str, run_id: str, stack: str, _: object) -> list[str]:
            there.asked.append((subscription, run_id, stack))
            if isinstance(there.tagged, AzureError):
                raise there.tagged
            return there.tagged

        api.on_create = answer
        monkeypatch.setattr(credentials, "credential", lambda: nullcontext("a login"))
        monkeypatch.setattr(certificates, "ensure", lambda *_, **__: there.note("certificate"))
        monkeypatch.setattr(leftovers, "left", left)
        monkeypatch.setitem(pipeline.PREPARATION, "seed", lambda *_: there.note("seed"))
        with hooked(pulumi, there.begun):
            yield there


def _program(kubeconfig: str) -> dict[str, Any]:
    tags = {"inputs": {"tags": {"run-id": "the-run", "stack": RUN}}}
    programs = {
        SHARED: [{"type": "azure-native:keyvault:Vault", "name": "vault", "id": "/subscriptions/5ub/vault"}],
        RUN: [
            {"type": GROUP, "name": "group", "id": ID, **tags},
            {"type": AKS, "name": "aks", "id": f"{ID}/managedClusters/aks", **tags},
            {"type": "kubernetes:helm.sh/v3:Release", "name": "gatekeeper", "id": "gatekeeper-system/gatekeeper"},
            {"type": "kubernetes:apps/v1:Deployment", "name": "workload-0", "load": True},
        ],
    }
    declared = read(ROOT, SHARED).settings.shared_part
    outputs = {
        SHARED: {"declared": [declared, False], "vault": [{"uri": "https://v.vault.azure.net/"}, False]},
        RUN: {"kubeconfig": [kubeconfig, True], "registry": ["perf.azurecr.io", False], "targets": [{}, False]},
    }
    return {"programs": programs, "outputs": outputs}


def test_a_run_does_everything_in_its_order_and_leaves_the_shared_stack(azure: Azure, capsys):
    code, out, err = csscgen(capsys, "run", "--stack", RUN, *SMALL, "--json")
    assert azure.done == ORDER, err
    summary = json.loads(out)
    assert (summary["pods"]["ready"], summary["pods"]["missing"], summary["engine"]["name"]) == (5, 0, "cli")
    # No Ratify was asked in this world, which is what the verdict says.
    assert (code, summary["verdict"]) == (3, "fail")
    assert (azure.pulumi.resources(SHARED), azure.pulumi.resources(RUN)) == (["vault"], [])
    assert {"report.html", "summary.json", "pods.jsonl", "requests.jsonl"} <= set(os.listdir(azure.folder))
    assert [phase["name"] for phase in azure.record["phases"]] == [
        *("tools", "up", "seed", "arm", "load", "settle", "collect", "destroy")
    ]


def test_the_second_run_takes_the_shared_stack_as_it_is(azure: Azure, capsys):
    assert csscgen(capsys, "up", "--stack", SHARED)[0] == 0
    assert azure.done == [f"up {SHARED}: vault", "certificate"]
    azure.done.clear()
    csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert azure.done == ORDER[1:]


def test_every_call_of_one_run_has_its_settings_and_its_id_in_the_environment(azure: Azure, capsys):
    csscgen(capsys, "run", "--stack", RUN, *SMALL)
    first, *ours = [json.loads(call["environment"]["CSSCGEN_CONFIG"]) for call in azure.pulumi.calls("up")]
    assert first["registry"]["sku"] == "Premium"
    assert [config["load"]["start"] for config in ours] == [False, True]
    assert {config["runId"] for config in ours} == {azure.folder.name}
    assert {config["scenario"]["replicas"] for config in ours} == {5}
    words = [word for call in azure.pulumi.calls() for word in call["argv"]]
    assert azure.folder.name not in " ".join(words)
    assert all(call["cwd"] == str(azure.root) for call in azure.pulumi.calls("up"))


def test_an_up_that_breaks_half_way_is_reported_and_what_it_made_is_removed(azure: Azure, capsys):
    azure.breaks(up_aks="Quota exceeded in eastus2")
    code, _, err = csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert code == 1
    assert f"{AKS}::aks: Quota exceeded in eastus2" in err
    assert azure.done == [*ORDER[:3], ORDER[-1]]
    assert azure.pulumi.resources(RUN) == []
    assert azure.record["error"]["phase"] == "up"
    assert "Quota exceeded" in azure.record["error"]["message"]
    assert (azure.folder / "report.html").exists()


def test_a_load_that_breaks_is_collected_destroyed_and_reported(azure: Azure, capsys):
    with azure.pulumi.changing() as scenario:
        scenario["breaks"][f"up {RUN} workload-0"] = "the server is unavailable"
    code, _, err = csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert (code, azure.done) == (1, ORDER)
    assert "the server is unavailable" in err
    assert [(phase["name"], phase["ok"]) for phase in azure.record["phases"]][-3:] == [
        *(("load", False), ("collect", True), ("destroy", True))
    ]


def test_a_workload_that_admission_refuses_is_a_result(azure: Azure, capsys):
    azure.ready = 0
    with azure.pulumi.changing() as scenario:
        scenario["breaks"][f"up {RUN} workload-0"] = (
            f"resource ratify-perf-0/ratify-0 was not successfully created by the Kubernetes API server: {DENIED}"
        )
    code, out, err = csscgen(capsys, "run", "--stack", RUN, *SMALL, "--json")
    assert (code, azure.done) == (3, ORDER), err
    pods = json.loads(out)["pods"]
    assert (pods["denied"], pods["missing"]) == (5, 0)
    assert pods["reasons"][0]["reason"].endswith("denied by validation.gatekeeper.sh: verification failed")
    assert azure.record["error"] is None


def test_a_destroy_that_breaks_says_what_is_left_and_how_to_remove_it(azure: Azure, capsys):
    azure.breaks(destroy_aks="the disk is attached")
    azure.tagged = [f"{ID}/managedClusters/aks", "/subscriptions/5ub/resourceGroups/MC_perf-s/disks/lost"]
    code, _, err = csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert code == 1
    for line in (
        f"{AKS}::aks: the disk is attached",
        f"The state of stack {RUN} still has:",
        f"  - ResourceGroup group ({ID})",
        f"  - ManagedCluster aks ({ID}/managedClusters/aks)",
        "Azure still has, with the tag run-id the-run:",
        "  - /subscriptions/5ub/resourceGroups/MC_perf-s/disks/lost",
        f"`csscgen destroy --stack {RUN}` goes on with it.",
        "`az group delete --name perf-s`",
    ):
        assert line in err
    assert azure.asked == [("5ub", "the-run", RUN)]
    assert azure.record["error"]["phase"] == "destroy"
    assert (azure.folder / "report.html").exists()
    assert azure.pulumi.resources(RUN) == ["group", "aks"]

    azure.breaks()
    assert csscgen(capsys, "destroy", "--stack", RUN)[0] == 0
    assert azure.pulumi.resources(RUN) == []
    assert azure.pulumi.resources(SHARED) == ["vault"]
    assert csscgen(capsys, "destroy", "--stack", RUN)[0] == 0


def test_that_azure_cannot_be_asked_is_told_and_hides_nothing(azure: Azure, capsys):
    azure.breaks(up_aks="Quota exceeded", destroy_group="locked by a policy")
    azure.tagged = AzureError("Azure failed at listing: no login to it works.")
    code, _, err = csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert code == 1
    assert "What Azure still has could not be asked: Azure failed at listing: no login to it works." in err
    assert "locked by a policy" in err and f"  - ResourceGroup group ({ID})" in err
    assert azure.record["error"]["phase"] == "up"
    assert "Quota exceeded" in err.rpartition("Error: ")[2]


def test_ctrl_c_during_up_ends_the_cli_and_removes_what_it_had_made(azure: Azure, capsys):
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    azure.hooks[ORDER[2]] = lambda: signal.pthread_kill(main_thread, signal.SIGINT)
    with azure.pulumi.changing() as scenario:
        scenario["programs"][RUN][0]["seconds"] = 0.5
    code, _, err = csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert (code, "Interrupted." in err) == (130, True)
    assert azure.done == [*ORDER[:3], ORDER[-1]]
    assert azure.pulumi.resources(RUN) == []
    assert azure.record["error"] == {"phase": "up", "message": "KeyboardInterrupt"}
    (shared, up) = azure.pulumi.calls("up")
    (destroy,) = azure.pulumi.calls("destroy")
    assert destroy["at"] - up["at"] > 0.4  # what was under way was waited for


def test_without_a_passphrase_the_reason_is_told_and_nothing_is_made(azure: Azure, capsys):
    with azure.pulumi.changing() as scenario:
        scenario["passphrase"] = True
    code, _, err = csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert (code, azure.done) == (2, [])
    assert "Set PULUMI_CONFIG_PASSPHRASE" in err and "Traceback" not in err
    assert azure.pulumi.scenario["stacks"] == {}


def test_an_empty_passphrase_is_one(azure: Azure, capsys, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    with azure.pulumi.changing() as scenario:
        scenario["passphrase"] = True
    assert csscgen(capsys, "up", "--stack", RUN, *SMALL)[0] == 0
    assert azure.done == ORDER[:3]


def test_a_stack_that_somebody_else_is_working_on_is_left_alone(azure: Azure, capsys):
    csscgen(capsys, "up", "--stack", RUN, *SMALL)
    with azure.pulumi.changing() as scenario:
        scenario["stacks"][RUN]["locked"] = True
    azure.done.clear()
    code, _, err = csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert code == 2
    assert "in use by another operation" in err and "ann@her-machine" in err
    assert f"the stack is left as it is; `csscgen destroy --stack {RUN}` removes it" in err
    assert azure.done == ["certificate"]
    assert not azure.pulumi.calls("destroy")
    assert azure.pulumi.resources(RUN) == ["group", "aks", "gatekeeper"]


@pytest.mark.parametrize("engine", ["auto", "cli", "embedded"])
def test_without_the_cli_it_is_refused_with_nothing_touched(azure: Azure, capsys, monkeypatch, engine: str):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    code, _, err = csscgen(capsys, "run", "--stack", RUN, "--engine", engine)
    assert (code, azure.done) == (2, [])
    assert "needs the Pulumi CLI" in err
    assert not (azure.root / "runs").exists() and not (azure.root / ".state").exists()


def test_up_outputs_and_destroy_alone(azure: Azure, capsys):
    assert csscgen(capsys, "up", "--stack", RUN, *SMALL)[0] == 0
    assert azure.done == ORDER[:3]
    shown = json.loads(csscgen(capsys, "outputs", "--stack", RUN)[1])
    assert (shown["registry"], shown["kubeconfig"]) == ("perf.azurecr.io", "[secret]")
    clear = json.loads(csscgen(capsys, "outputs", "--stack", RUN, "--show-secrets")[1])
    assert clear["kubeconfig"] == azure.api.kubeconfig
    assert csscgen(capsys, "destroy", "--stack", RUN)[0] == 0
    assert (azure.pulumi.resources(RUN), azure.pulumi.resources(SHARED)) == ([], ["vault"])
    assert csscgen(capsys, "destroy", "--stack", RUN, "--shared")[0] == 0
    assert azure.pulumi.resources(SHARED) == []


def test_instances_are_refused_since_the_cli_knows_a_stack_by_its_name_alone(azure: Azure, capsys):
    code, _, err = csscgen(capsys, "up", "--stack", RUN, "--instance", "mine")
    assert (code, azure.pulumi.calls("up")) == (2, [])
    assert "Instances are of the embedded engine" in err


def test_a_long_wait_says_what_is_awaited(azure: Azure, capsys, monkeypatch):
    monkeypatch.setattr("csscgen.progress.EVERY_SECONDS", 0.0)
    with azure.pulumi.changing() as scenario:
        scenario["programs"][RUN][1]["seconds"] = 2.2
    _, _, err = csscgen(capsys, "up", "--stack", RUN, *SMALL)
    assert "creating ManagedCluster aks for 1 s; 1 done" in err
    assert not [thread for thread in threading.enumerate() if thread.name == "awaiting"]


def killed(azure: Azure, when: Callable[[], bool]) -> None:
    """A run in a process of its own, which is killed when ``when`` is true."""
    pid = os.fork()
    if pid == 0:
        try:
            main(["run", "--stack", RUN, *SMALL, "--set", "load.quietSeconds=30"])
        finally:
            os._exit(0)
    try:
        until(when)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def killed_in_settle(azure: Azure) -> None:
    def when() -> bool:
        try:
            pods = [json.loads(line) for line in (azure.folder / "pods.jsonl").read_text().splitlines()]
            ready = sum(pod["end"] == "ready" for pod in pods)
            return bool(ready == azure.ready and azure.record["phases"][-1]["name"] == "settle")
        except (OSError, ValueError):  # not yet
            return False

    azure.ready = 3
    killed(azure, when)


def test_a_run_that_was_cut_off_is_gone_on_with(azure: Azure, capsys):
    killed_in_settle(azure)
    azure.api.items[PODS] = [ready_pod(number) for number in range(5)]
    azure.done.clear()
    code, _, err = csscgen(capsys, "run", "--stack", RUN, *SMALL)
    assert (code, azure.done) == (2, [])
    assert f"csscgen run --stack {RUN} --resume" in err
    code, _, err = csscgen(capsys, "run", "--stack", RUN, "--resume", "--engine", "embedded")
    assert (code, azure.done) == (2, [])
    assert "it was begun with --engine cli" in err

    _, out, err = csscgen(capsys, "run", "--stack", RUN, "--resume", "--json")
    summary = json.loads(out)
    assert (summary["pods"]["ready"], summary["pods"]["missing"], summary["error"]) == (5, 0, None)
    assert len(summary["resumed"]) == 1
    assert azure.done == [f"destroy {RUN}"]
    assert azure.pulumi.resources(RUN) == []


def test_a_run_that_was_cut_off_before_its_load_is_begun_again(azure: Azure, capsys):
    begun = threading.Event()
    azure.hooks["seed"] = lambda: time.sleep(60)  # in the process that is killed
    azure.hooks[ORDER[2]] = begun.set
    killed(azure, lambda: begun.is_set() and azure.pulumi.resources(RUN) == ["group", "aks", "gatekeeper"])
    azure.hooks.clear()
    azure.done.clear()
    _, out, err = csscgen(capsys, "run", "--stack", RUN, "--resume", "--json", "--set", "scenario.replicas=5")
    assert "leave --set, --template" in err
    _, out, err = csscgen(capsys, "run", "--stack", RUN, "--resume", "--json")
    assert azure.done == ORDER[1:], err
    assert json.loads(out)["pods"]["ready"] == 5


def test_a_kill_does_not_cut_off_what_the_cli_does(azure: Azure, capsys):
    begun = threading.Event()
    azure.hooks[ORDER[2]] = begun.set
    with azure.pulumi.changing() as scenario:
        scenario["programs"][RUN][0]["seconds"] = scenario["programs"][RUN][1]["seconds"] = 0.5
    killed(azure, begun.is_set)
    assert azure.pulumi.resources(RUN) == []
    until(lambda: azure.pulumi.resources(RUN) == ["group", "aks", "gatekeeper"])
    azure.done.clear()
    csscgen(capsys, "run", "--stack", RUN, "--resume")
    assert azure.done == ORDER[1:]


def test_a_run_that_was_cut_off_is_reported_and_cleaned_up_by_destroy(azure: Azure, capsys):
    killed_in_settle(azure)
    assert csscgen(capsys, "destroy", "--stack", RUN)[0] == 0
    summary = json.loads((azure.folder / "summary.json").read_text())
    assert (summary["pods"]["ready"], summary["error"]["phase"]) == (3, "settle")
    assert azure.pulumi.resources(RUN) == []

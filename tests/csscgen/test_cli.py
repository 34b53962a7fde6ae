from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from csscgen.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]


class Said(NamedTuple):
    code: int
    out: str
    err: str


Csscgen = Callable[..., Said]


@pytest.fixture
def untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders for state and runs, which must not come into being; no tool and no Pulumi on PATH."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CSSCGEN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CSSCGEN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/nonexistent")
    yield tmp_path
    assert os.listdir(tmp_path) == []


@pytest.fixture
def csscgen(capsys: pytest.CaptureFixture[str]) -> Csscgen:
    """The command line in this process."""

    def run(*words: str) -> Said:
        code = 0
        try:
            main(words)
        except SystemExit as left:
            code = int(left.code or 0)
        return Said(code, *capsys.readouterr())

    return run


def script(*words: str, **options) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "csscgen", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, **options)


SMOKE = ("--stack", "local-smoke")
BAD = {
    "unknown stack": (["--stack", "local-smok"], r"There is no stack local-smok: .* Did you mean local-smoke?"),
    "unknown subject": ([*SMOKE, "--set", "ratif.cache=off"], "ratif: there is no such key; did you mean ratify?"),
    "unknown key": (
        [*SMOKE, "--set", "ratify.cach=off"],
        "ratify.cach: there is no such key; did you mean ratify.cache",
    ),
    "no number": (
        [*SMOKE, "--set", "scenario.replicas=many"],
        "scenario.replicas: expected a whole number, got 'many'",
    ),
    "no switch": ([*SMOKE, "--set", "ratify.cache=3"], "ratify.cache: expected on or off, got 3"),
    "no choice": ([*SMOKE, "--set", "scenario.workload=pod"], "scenario.workload: expected one of deployment, job"),
    "no object": ([*SMOKE, "--set", "scenario=3"], "scenario: expected an object"),
    "no date": ([*SMOKE, "--set", "scenario.replicas=2026-13-45"], "scenario.replicas: expected a whole number"),
    "no replicas": ([*SMOKE, "--set", "scenario.replicas=0"], "scenario.replicas: expected from 1 to"),
    "fewer than none": ([*SMOKE, "--set", "scenario.replicas=-5"], "scenario.replicas: expected from 1 to"),
    "more than fit": ([*SMOKE, "--set", "scenario.replicas=41"], "41 pods do not fit on 1 nodes with 40 pods each"),
    "no key": ([*SMOKE, "--set", "scenario"], "--set takes subject.key=value"),
    "no such registry": ([*SMOKE, "--set", "registry.regions=[]"], "registry.regions: there has to be at least one"),
    "shares itself": ([*SMOKE, "--set", "sharedStack=local-S"], "local-S refers to a shared stack itself"),
    "no engine": ([*SMOKE, "--engine", "cli"], "there is no pulumi on PATH"),
    "no such engine": ([*SMOKE, "--engine", "x"], "'x' is not one of"),
    "no stack": ([], "Missing option '--stack'"),
}


@pytest.mark.parametrize("command", ["run", "up", "load", "preview"])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_message_and_touches_nothing(untouched: Path, csscgen: Csscgen, command: str, case: str):
    words, message = BAD[case]
    said = csscgen(command, *words)
    assert (said.code, said.out) == (2, "")
    assert message.partition(" .* ")[0].replace("\\", "") in said.err
    assert said.err.count("Error") == 1


@pytest.mark.parametrize("command", ["run", "up"])
def test_a_stack_on_azure_needs_the_pulumi_cli(untouched: Path, csscgen: Csscgen, command: str):
    said = csscgen(command, *SMOKE, "--set", "platform=azure", "--set", "cluster.nodes=null")
    assert (said.code, said.out) == (2, "")
    assert "needs the Pulumi CLI" in said.err


@pytest.mark.parametrize("command", ["run", "up"])
@pytest.mark.parametrize("key", ["ratify.port", "gatekeeper.port", "cluster.apiServerPort", "registry.port"])
def test_a_busy_port_is_named_with_its_key(untouched: Path, csscgen: Csscgen, command: str, key: str):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        said = csscgen(command, *SMOKE, "--set", f"{key}={port}")
    assert (said.code, said.out) == (2, "")
    assert f"Port {port}, which {key}" in said.err


def test_every_bad_key_is_named_at_once(untouched: Path, csscgen: Csscgen):
    said = csscgen("run", *SMOKE, "--set", "scenario.replicas=0", "--set", "load.rat=1", "--set", "ratify.cache=3")
    assert all(key in said.err for key in ("scenario.replicas", "load.rat:", "ratify.cache"))


@pytest.mark.parametrize("command", ["run", "load", "collect", "artifacts seed"])
def test_a_stack_without_a_scenario_is_refused(untouched: Path, csscgen: Csscgen, command: str):
    said = csscgen(*command.split(), "--stack", "local-shared")
    assert (said.code, said.out) == (2, "")
    assert "has no scenario" in said.err


@pytest.mark.parametrize(
    ("command", "lacking"), [("load", "local-smoke"), ("collect", "local-smoke"), ("artifacts seed", "local-shared")]
)
def test_what_needs_a_stack_that_is_up_says_how_to_bring_it_up(
    untouched: Path, csscgen: Csscgen, command: str, lacking: str
):
    said = csscgen(*command.split(), *SMOKE)
    assert said == (2, "", f"Error: Stack {lacking} is not up. `csscgen up --stack local-smoke` brings it up.\n")


def test_destroying_what_is_not_there_is_fine_every_time(untouched: Path, csscgen: Csscgen):
    for words in ([], [], ["--shared"]):
        said = csscgen("destroy", *SMOKE, "--quiet", *words)
        assert said == (0, "", "")


def test_a_stack_that_was_never_made_has_no_outputs(untouched: Path, csscgen: Csscgen):
    said = csscgen("outputs", *SMOKE)
    assert (said.code, json.loads(said.out)) == (0, {})


def test_runs_side_by_side(
    untouched: Path, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
):
    there = tmp_path_factory.mktemp("runs")
    monkeypatch.setenv("CSSCGEN_RUNS", str(there))
    for name in ("local-S-20260102-101500-aaaa", "local-S-20260102-101600-bbbb", "local-M-20260102-101500-cccc"):
        folder = there / name
        folder.mkdir()
        (folder / "run.json").write_text("{}")
        if not name.endswith("cccc"):
            (folder / "summary.json").write_text(json.dumps({"run_id": name, "stack": "local-S", "verdict": "pass"}))
    newest = json.loads(csscgen("runs", "table", "--json").out)
    assert [row["run"] for row in newest] == ["local-S-20260102-101600-bbbb"]
    named = csscgen("runs", "table", "local-S-20260102-101500", "local-S-20260102-101600")
    assert len(named.out.splitlines()) == 4
    said = csscgen("runs", "table", "local-M")
    assert (said.code, "has no summary.json that can be read" in said.err) == (2, True)


def test_without_a_run_there_is_no_table(untouched: Path, csscgen: Csscgen):
    said = csscgen("runs", "table")
    assert (said.code, "There is no run with a summary" in said.err) == (2, True)
    assert json.loads(csscgen("runs", "table", "--json").out) == []


def test_there_are_no_runs(untouched: Path, csscgen: Csscgen):
    assert json.loads(csscgen("runs", "list", "--json").out) == []
    assert csscgen("runs", "list").out.split()[:2] == ["run", "verdict"]
    assert "There is no run in" in csscgen("report").err
    assert "There is no run nope in" in csscgen("report", "nope").err


@pytest.mark.parametrize("words", [["install", "nope"], ["path", "nope"]])
def test_an_unknown_tool_names_those_that_there_are(untouched: Path, csscgen: Csscgen, words: list[str]):
    said = csscgen("tools", *words)
    assert (said.code, said.out) == (2, "")
    assert "'nope'" in said.err and "kwok, gatekeeper, ratify" in said.err


def test_a_tool_that_is_not_built_says_how_to_build_it(untouched: Path, csscgen: Csscgen):
    said = csscgen("tools", "path", "kube-apiserver")
    assert (said.code, said.out) == (1, "")
    assert "`csscgen tools install kubernetes`" in said.err


def test_tools_are_listed_as_json(untouched: Path, csscgen: Csscgen):
    rows = json.loads(csscgen("tools", "list", "--json").out)
    assert {"etcd", "ratify", "gatekeeper", "kube-apiserver", "prometheus"} <= {row["binary"] for row in rows}
    assert {row["source"] for row in rows} == {"to be built"}


def test_a_preview_shows_every_resource_and_touches_nothing(untouched: Path):
    # A program is run, which imports Pulumi: in a process of its own, as a user has it.
    process = script("preview", *SMOKE, "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    shown = json.loads(out)
    assert {"workload-0", "control-plane"} <= {step["name"] for step in shown["steps"]}
    assert {"kubeconfig", "registry", "targets"} <= shown["outputs"].keys()
    assert shown["violations"] == []
    assert "preview local-smoke" in err
    assert "Traceback" not in err


def test_an_unknown_command(untouched: Path, csscgen: Csscgen):
    said = csscgen("nope")
    assert (said.code, said.out) == (2, "")
    assert "No such command 'nope'" in said.err


def test_the_help_lists_every_command_with_the_first_line_of_its_own(csscgen: Csscgen):
    shown = " ".join(csscgen("--help").out.split())
    for name, line in COMMANDS.items():
        assert f"{name} {line}" in shown
        command = importlib.import_module(f"csscgen.commands.{name}").command
        assert (command.help or "").splitlines()[0] == line
    modules = {file.stem for file in (ROOT / "csscgen" / "commands").glob("*.py")}
    assert modules - set(COMMANDS) == {"__init__", "options", "printing"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(csscgen: Csscgen, command: str):
    said = csscgen(command, "--help")
    assert said.code == 0
    assert f"Example:\n    csscgen {command}" in said.out


def test_the_help_imports_neither_pulumi_nor_a_client():
    code = (
        "import sys\nfrom csscgen.cli import main\nmain(['--help'])\n"
        "heavy = {'pulumi', 'kubernetes', 'aiohttp', 'pyarrow', 'yaml', 'rich', 'prometheus_api_client'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=30)


def test_a_reader_that_goes_away_is_no_error():
    process = script("--help")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(30) == 1


def test_what_the_system_refuses_is_told_without_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, csscgen):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CSSCGEN_STATE", str(tmp_path / ("n" * 300)))
    said = csscgen("outputs", *SMOKE)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("Error: The system refused ") and "File name too long" in said.err

"""`csscgen plan`: every stack file, as text and as JSON, touching nothing and asking nobody."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from csscgen.planning.documents import as_document
from csscgen.planning.planner import plan
from csscgen.planning.text import WIDTH, render
from csscgen.stackfiles import parse_changes, read, stack_names
from tests.csscgen.commands import csscgen

ROOT = Path(__file__).parents[3]
STACKS = stack_names(ROOT)
NODES = {"S": 11, "M": 62, "L": 307, "XL": 702}
AZURE = {f"perf-{size}{kind}": nodes for size, nodes in NODES.items() for kind in ("", "-jobs", "-ha", "-jobs-ha")}
"""Nodes of the published test by stack."""
LOCAL = {f"local-{size}{kind}": nodes for size, nodes in NODES.items() for kind in ("", "-jobs")}


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for state and runs that must stay empty; no program on PATH, and no network."""

    def refuse(*_: object) -> None:
        raise AssertionError("a plan asked the network")

    monkeypatch.chdir(ROOT)
    for name in ("CSSCGEN_STATE", "CSSCGEN_RUNS", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield tmp_path
    assert os.listdir(tmp_path) == []


def test_there_are_stacks_of_every_platform():
    assert {"local-shared", "local-smoke", "shared", *AZURE, *LOCAL} <= set(STACKS)


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_has_a_plan_that_works(alone: Path, capsys: pytest.CaptureFixture[str], stack: str):
    code, out, err = csscgen(capsys, "plan", "--stack", stack)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{stack} on ")
    assert max(map(len, lines)) <= WIDTH <= 100
    assert "None" not in out and "nan" not in out and "  Problem" not in out


@pytest.mark.parametrize("stack", AZURE)
def test_the_stacks_of_the_published_test_have_its_nodes(stack: str):
    found = read(ROOT, stack)
    assert found.shared is not None
    planned = plan(stack, found.settings, found.shared.settings)
    assert planned.nodes and planned.nodes.total == AZURE[stack]
    assert planned.cost and planned.cost.run_usd and planned.quotas


@pytest.mark.parametrize("stack", LOCAL)
def test_the_stacks_of_this_machine_have_its_nodes_too_and_time_for_them(stack: str):
    found = read(ROOT, stack)
    assert found.shared is not None
    planned = plan(stack, found.settings, found.shared.settings, 2)
    assert planned.nodes and planned.nodes.total == LOCAL[stack]
    assert planned.run_seconds * 2 < found.settings.load.deadlineSeconds


@pytest.mark.parametrize("stack", STACKS)
def test_json_has_the_same_keys_for_every_stack(alone: Path, capsys: pytest.CaptureFixture[str], stack: str):
    code, out, err = csscgen(capsys, "plan", "--stack", stack, "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert list(document) == [
        *("stack", "platform", "registries", "shared_usd_per_day", "objects", "nodes", "asked", "served"),
        *("seeding", "seeded", "thresholds", "api", "etcd_bytes", "memory", "quotas", "throttles", "cost"),
        *("problems", "warnings", "verdict", "expected_seconds"),
    ]
    assert document["verdict"] in ("works", "warnings")


def test_a_plan_that_cannot_work_exits_with_3_and_is_printed_all_the_same(
    alone: Path, capsys: pytest.CaptureFixture[str]
):
    words = ("--stack", "local-S", "--set", "registry.size=XS", "--set", "load.deadlineSeconds=60")
    code, out, err = csscgen(capsys, "plan", *words)
    assert code == 3
    assert "the plan cannot work" in out and "Problem: load.deadlineSeconds: the registry cannot serve" in out
    assert err.startswith("Error: The plan of stack local-S cannot work as it is; what it says of load.deadlineSeconds")
    code, out, _ = csscgen(capsys, "plan", *words, "--json")
    document = json.loads(out)
    assert (code, document["verdict"]) == (3, "cannot work")
    assert [problem["key"] for problem in document["problems"]] == ["load.deadlineSeconds"]
    assert document["served"][0]["bottleneck"]["category"] == "list_referrers"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stack", "local-smok"], "Did you mean local-smoke?"),
        (["--stack", "local-S", "--set", "scenario.replicas=0"], "scenario.replicas: expected from 1 to"),
        (["--stack", "local-S", "--set", "scenario"], "--set takes subject.key=value"),
        (["--stack", "perf-XL", "--set", "cluster.networkPlugin=kubenet"], "kubenet has at most 400 nodes"),
        (["--stack", "perf-XL", "--set", "scenario.replicas=180000"], "a cluster has at most 5000"),
        ([], "Missing option '--stack'"),
    ],
)
def test_bad_input_is_a_matter_of_usage(alone: Path, capsys: pytest.CaptureFixture[str], words, message):
    code, out, err = csscgen(capsys, "plan", *words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    "changes",
    [
        ["registry.kind=distribution"],
        ["registry.login=off", "registry.referrersApi=off"],
        ["gatekeeper.externalData=off"],
        ["scenario.signatures=0"],
        ["ratify.cache=on", "gatekeeper.responseCacheSeconds=0"],
        ["platform=azure"],
        ["platform=kubeconfig"],
        ["scenario.replicas=1", "scenario.containers=1", "scenario.signatures=1"],
    ],
)
def test_every_kind_of_stack_can_be_shown(changes):
    found = read(ROOT, "local-S", parse_changes(changes))
    assert found.shared is not None
    planned = plan("local-S", found.settings, found.shared.settings, 2)
    assert max(map(len, render(planned).splitlines())) <= WIDTH
    json.dumps(as_document(planned), allow_nan=False)


def test_the_cores_of_this_machine_matter_to_what_runs_on_it_only():
    for stack, same in (("local-S", False), ("perf-S", True)):
        found = read(ROOT, stack)
        assert found.shared is not None
        few, many = (as_document(plan(stack, found.settings, found.shared.settings, cores)) for cores in (2, 64))
        assert (few == many) is same


def test_a_plan_takes_less_than_a_second_and_no_heavy_library():
    code = (
        "import sys\nfrom csscgen.cli import main\nmain(['plan', '--stack', 'perf-XL-jobs-ha'])\n"
        "heavy = {'pulumi', 'pulumi_azure_native', 'azure', 'kubernetes', 'aiohttp', 'pyarrow', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    # Processor time, as others may have the cores.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


SEEDED = [stack for stack in STACKS if read(ROOT, stack).shared is not None]


@pytest.mark.parametrize("stack", SEEDED)
def test_the_seeding_of_every_stack_file_has_a_plan(alone: Path, capsys: pytest.CaptureFixture[str], stack: str):
    code, out, err = csscgen(capsys, "artifacts", "plan", "--stack", stack)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= WIDTH
    assert "None" not in out and "nan" not in out

    code, out, err = csscgen(capsys, "artifacts", "plan", "--stack", stack, "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert list(document) == [
        *("repositories", "images", "attachments", "signatures", "manifests", "bytes", "requests"),
        *("signing_seconds", "profiles"),
    ]
    code, out, _ = csscgen(capsys, "plan", "--stack", stack, "--json")
    whole = json.loads(out)["seeding"]
    assert whole["bytes"] == document["bytes"]
    assert whole["requests"] == {key: n for key, n in document["requests"]["empty"].items() if key != "total"}


def test_a_seeding_is_planned_by_options(alone: Path, capsys: pytest.CaptureFixture[str]):
    words = ("-c", "10", "--num-referrers", "5", "--shards", "100", "--unique-images", "--profile", "premium")
    code, out, err = csscgen(capsys, "artifacts", "plan", "--registry-host", "mine.azurecr.io", *words, "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["repositories"], document["images"], document["signatures"]) == (100, 1_000, 5_000)
    assert [(row["profile"], row["binds"]) for row in document["profiles"]] == [("premium", "write")] * 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "either --stack NAME, or --num-containers N and --num-referrers N"),
        (("-c", "0", "--num-referrers", "5"), "give 1 or more"),
        (("-c", "1", "--num-referrers", "5", "--set", "scenario.seed=1"), "--set is of a stack"),
        (("-c", "1", "--num-referrers", "1", "--registry-host", "ghcr.io"), "no place for load"),
        (("--stack", "local-S", "-c", "5"), "A stack has its own registries and images"),
        (("--stack", "shared"), "shared is a shared stack, which has no images"),
    ],
)
def test_a_seeding_that_nobody_can_plan_is_told_in_one_sentence(
    alone: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
):
    code, out, err = csscgen(capsys, "artifacts", "plan", *words)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1

"""Every stack declares what its snapshot says, and nothing in it breaks a policy. ``scripts/docs`` writes snapshots."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csscgen import stackfiles
from csscgen.commands.preview import judged, machine_form
from infra.engine import select
from infra.policy.resources import leaves
from tests import snapshots
from tests.snapshots import STACKS, differences, environment, places, readable, snapshot, text

PLATFORMS: dict[str, str] = {stackfiles.read(snapshots.ROOT, stack).settings.platform: stack for stack in STACKS}
"""Platform → one of its stacks."""
NONE = ("nodeOSUpgradeChannel", "sideEffects", "level")
"""Keys of Azure and Kubernetes that take the word None."""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with nothing on it and no network, whose folders are below the one that is given."""
    folder = tmp_path.resolve()
    wanted = environment(folder)
    for key in [key for key in os.environ if key not in wanted]:
        monkeypatch.delenv(key)
    for key, value in wanted.items():
        monkeypatch.setenv(key, value)

    def refuse(_socket: socket.socket, address: Any) -> None:
        raise AssertionError(f"a preview connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    yield folder
    assert not (folder / "state").exists() and not (folder / "cache").exists()


def kept(stack: str) -> dict[str, Any]:
    file = snapshots.file_of(stack)
    assert file.exists(), f"{stack} has no snapshot: run scripts/docs, and review what it writes"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def compare(stack: str, found: dict[str, Any]) -> None:
    changed = list(differences(kept(stack), found))
    told = "\n".join(changed[:40]) + (f"\nand {len(changed) - 40} more" if len(changed) > 40 else "")
    assert not changed, f"{stack} is not as its snapshot; if that is meant, run scripts/docs and review it:\n{told}"
    assert kept(stack) == found


def test_every_stack_file_has_a_snapshot_and_every_snapshot_a_stack_file():
    assert {file.stem for file in snapshots.FOLDER.glob("*.json")} == set(STACKS)
    assert len(STACKS) >= 7


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_declares_what_its_snapshot_says_and_breaks_no_policy(bare: Path, stack: str):
    read = stackfiles.read(snapshots.ROOT, stack)
    outcome = select("embedded", root=snapshots.ROOT, state=bare / "state").preview(stack, read.config)
    broken = judged(outcome, read.settings.platform)
    assert [each.message for each in broken] == []
    found = snapshot(stack, machine_form(outcome, broken), places(bare))
    assert len(found["resources"]) > 5
    compare(stack, found)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_command_prints_what_the_snapshot_says(tmp_path: Path, platform: str):
    """In a process of its own: with another hash seed, in another folder, by way of the command line."""
    stack, folder = PLATFORMS[platform], tmp_path.resolve()
    command = [sys.executable, "-m", "csscgen", "preview", "--stack", stack, "--json", "--quiet"]
    done = subprocess.run(
        command, cwd=snapshots.ROOT, env=environment(folder), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    compare(stack, snapshot(stack, json.loads(done.stdout), places(folder)))


@pytest.mark.parametrize("stack", STACKS)
def test_a_snapshot_is_written_as_it_is_reviewed_and_has_nothing_of_a_machine(stack: str):
    content = snapshots.file_of(stack).read_text(encoding="utf-8")
    assert content == f"{text(kept(stack))}\n"
    for word in (str(snapshots.ROOT), str(Path.home()), "/tmp/", "not-a-token", sys.executable):
        assert word not in content, word


@pytest.mark.parametrize("stack", STACKS)
def test_no_value_is_the_text_of_one_that_is_not_there(stack: str):
    """What a program makes of a value that only an up knows is unknown too, and never "None"."""
    for resource in kept(stack)["resources"]:
        for path, value in leaves(resource["inputs"]):
            assert value != "None" or path[-1] in NONE, (resource["urn"], path)


def test_values_are_kept_as_they_can_be_read():
    names = {"/here/state": "$STATE", "/here": "$ROOT"}
    value = {"b": '{"y": "/here/state/x", "a": 1}', "a": "one\ntwo /here\n", "c": ["{no json", "plain\n", 1.5, None]}
    assert readable(value, names) == {
        "a": {"$lines": ["one", "two $ROOT", ""]},
        "b": {"$json": {"a": 1, "y": "$STATE/x"}},
        "c": ["{no json", "plain\n", 1.5, None],
    }
    tool = "/here/c/csscgen/kubernetes-v1.36.3-4d018034d1e2/kube-apiserver"
    assert readable(tool, {"/here/c": "$CACHE"}) == "$CACHE/csscgen/kubernetes-v1.36.3-*/kube-apiserver"


def test_a_snapshot_is_json_with_its_short_parts_on_one_line():
    value = {"a": {"b": [1, 2], "c": {}}, "long": ["x" * 60, "y" * 60], "e": []}
    shown = text(value)
    assert json.loads(shown) == value
    assert shown.splitlines()[1] == '  "a": {"b": [1, 2], "c": {}},'
    assert f'    "{"x" * 60}",' in shown.splitlines()


def step(name: str, inputs: dict[str, Any], *needs: str) -> dict[str, Any]:
    begin = "urn:pulumi:s::ratify-perf::t:t:T::"
    step = {"type": "t:t:T", "name": name, "urn": begin + name, "parent": "", "inputs": inputs}
    return {**step, "dependencies": [begin + each for each in needs], "protect": False, "retain_on_delete": False}


def test_a_difference_names_the_resource_and_the_input():
    def made(*steps: dict[str, Any], **outputs: Any) -> dict[str, Any]:
        return snapshot("s", {"steps": steps, "outputs": outputs}, {})

    before = made(step("a", {"x": {"y": [1, 2]}, "z": 1}), step("b", {}), host="one")
    after = made(step("c", {}), step("a", {"x": {"y": [1, 3]}, "w": {}}, "c"), host="two")
    assert list(differences(before, before)) == []
    assert list(differences(before, after)) == [
        "outputs: host was 'one' and is 'two'",
        "t:t:T::b is no longer declared",
        "t:t:T::c is new",
        "t:t:T::a: dependencies was [] and is '(nothing)'",
        "t:t:T::a: dependencies.0 was '(nothing)' and is 't:t:T::c'",
        "t:t:T::a: inputs.w was '(nothing)' and is {}",
        "t:t:T::a: inputs.x.y.1 was 2 and is 3",
        "t:t:T::a: inputs.z was 1 and is '(nothing)'",
    ]


def test_a_resource_that_is_protected_or_kept_says_so():
    protected = snapshot("s", {"steps": [{**step("a", {}), "protect": True}], "outputs": {}}, {})
    assert protected["resources"][0]["protect"] is True
    assert "retain_on_delete" not in protected["resources"][0]

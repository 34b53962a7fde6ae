"""``csscgen preview`` and the policies, with a program of its own that breaks some."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from csscgen.commands.preview import judged
from infra.engine import Outcome, PlannedStep, Secret

ROOT = Path(__file__).parents[2]
REGISTRY = "azure-native:containerregistry:Registry"
PROGRAM = f"""
import pulumi

pulumi.CustomResource("{REGISTRY}", "open", {{"adminUserEnabled": True, "anonymousPullEnabled": False,
    "tags": {{"owner": "o", "run-id": "r", "stack": "s", "project": "p"}}}})
pulumi.export("kubeconfig", "apiVersion: v1")
pulumi.export("token", pulumi.Output.secret("x"))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose stack has a registry with an admin user, and a kubeconfig in clear."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: ratify-perf\nruntime: python\n")
    (tmp_path / "stacks" / "Pulumi.bad.yaml").write_text("config:\n  ratify-perf:platform: azure\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    return tmp_path


def preview(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CSSCGEN_STATE": str(project / "state"), "PATH": "/none"}
    command = [sys.executable, "-m", "csscgen", "preview", "--stack", "bad", "--quiet", *words]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_what_breaks_a_policy_is_told_in_sentences_and_ends_with_3(project: Path):
    done = preview(project)
    assert done.returncode == 3
    assert f"create  {REGISTRY}" in done.stdout
    assert done.stderr.splitlines() == [
        "Error: Stack bad breaks 2 of the policies:",
        f"  - no-admin-user: open ({REGISTRY}) does not rule out its admin user: set adminUserEnabled to false, and "
        "use identities.",
        "  - secret-outputs: The stack's output kubeconfig looks like a secret and is in clear: export it by "
        "pulumi.Output.secret.",
    ]


def test_with_json_the_machine_form_is_whole_and_the_exit_code_is_the_same(project: Path):
    done = preview(project, "--json")
    assert done.returncode == 3
    shown = json.loads(done.stdout)
    assert [each["rule"] for each in shown["violations"]] == ["no-admin-user", "secret-outputs"]
    assert shown["outputs"] == {"kubeconfig": "apiVersion: v1", "token": "[secret]"}
    assert [step["name"] for step in shown["steps"]] == ["ratify-perf-bad", "open"]
    assert shown["violations"][0]["urn"] == shown["steps"][1]["urn"]
    assert shown["steps"][1]["parent"] == shown["steps"][0]["urn"]


def test_what_goes_or_is_only_read_is_not_judged():
    inputs: dict[str, object] = {"adminUserEnabled": True}
    steps = [PlannedStep(op, REGISTRY, op, op, inputs, ()) for op in ("create", "same", "delete", "read")]
    found = judged(Outcome({"kubeconfig": Secret("x")}, {}, tuple(steps)), "azure")
    assert {each.urn for each in found} == {"create", "same"}


def test_options_that_keep_a_resource_are_judged():
    step = PlannedStep("u", "t", "n", "create", {}, (), protect=True, retain_on_delete=True)
    assert len(judged(Outcome({}, {}, (step,)), "local")) == 2

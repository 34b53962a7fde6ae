"""A run by the engine cli on a real control plane. The ``pulumi`` that it drives is a stand-in which speaks the CLI's
protocol and lets the embedded engine do the work, with the configuration that it was called with: so the program, the
cluster, Gatekeeper, Ratify and what is measured are the true ones, and the CLI alone is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import ROOT, Place
from tests.infra.engine.stand_in import hooked, put_on_path

pytestmark = pytest.mark.real

RUN, SHARED = "kubeconfig-smoke", "local-shared"
WORK = """
import json, sys
from pathlib import Path
from infra.engine import Secret
from infra.engine.embedded import EmbeddedEngine
root, state, op, stack = sys.argv[1:]
engine = EmbeddedEngine(Path(root), Path(state))
outputs = getattr(engine, op)(stack, json.load(sys.stdin)).outputs
told = {key: [value.value, True] if isinstance(value, Secret) else [value, False] for key, value in outputs.items()}
print(json.dumps(told))
"""


def by_the_embedded_engine(place: Place, op: str, stack: str, config: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-c", WORK, str(ROOT), str(place.folder / "state"), op, stack]
    environment = {**place.environment, "CSSCGEN_CONFIG": json.dumps(config)}
    done = subprocess.run(
        command, input=json.dumps(config), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    outputs: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outputs


def outputs_of(place: Place, stack: str) -> Any:
    shown = place.csscgen("outputs", "--stack", stack, "--show-secrets", "--engine", "embedded")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_a_run_by_the_cli_measures_a_real_cluster_and_leaves_it_as_it_was(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    up = place.csscgen("up", "--stack", "local-smoke", "--set", "policy.install=off")
    assert up.returncode == 0, up.stderr
    cluster, processes = outputs_of(place, "local-smoke"), sorted(place.processes())
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(cluster["kubeconfig"])
    pages = {name: cluster["targets"][name]["metrics"] for name in ("ratify-0", "gatekeeper")}
    words = ["--stack", RUN, "--engine", "cli"]
    for change in (
        f"cluster.kubeconfig={kubeconfig}",
        f"sharedStack={SHARED}",
        f"monitoring.pages={json.dumps(pages)}",
    ):
        words += ["--set", change]
    shared = {key: [value, False] for key, value in outputs_of(place, SHARED).items()}
    done: list[tuple[str, str]] = []

    def hook(operation: dict[str, Any]) -> dict[str, Any]:
        op, stack = operation["op"], operation["stack"]
        done.append((op, stack))
        return by_the_embedded_engine(place, op, stack, operation["config"])

    with monkeypatch.context() as environment:
        pulumi = put_on_path(tmp_path / "bin", environment)
        with pulumi.changing() as scenario:
            workload = {"type": "kubernetes:apps/v1:Deployment", "name": "workload-0", "load": True, "hook": True}
            scenario["programs"][RUN] = [workload]
            scenario["stacks"][SHARED] = {"resources": [], "outputs": shared, "locked": False}
        with hooked(pulumi, hook):
            ran = place.csscgen("run", *words, "--json")

    assert ran.returncode == 0, ran.stderr
    assert done == [("up", RUN), ("up", RUN), ("destroy", RUN)]
    summary = json.loads(ran.stdout)
    pods = summary["pods"]
    assert (pods["expected"], pods["ready"], pods["denied"], pods["missing"]) == (5, 5, 0, 0)
    assert summary["ratify"]["verification_requests"] > 0
    assert (summary["verdict"], summary["engine"]["name"]) == ("pass", "cli")
    assert {"report.html", "requests.jsonl", "metrics.parquet"} <= set(os.listdir(place.run_folder()))
    assert sorted(place.processes()) == processes
    gone = place.csscgen("destroy", "--stack", "local-smoke", "--shared", "--engine", "embedded")
    assert gone.returncode == 0, gone.stderr
    assert place.leftovers() == []

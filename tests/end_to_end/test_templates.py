"""Workloads from a template, sent to the real control plane and followed to their ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Place

pytestmark = pytest.mark.real
TEMPLATE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{.Name}}", annotations: {about: "{{.Index}} of {{.RunID}}"}}
spec:
  replicas: {{.Replicas}}
  selector: {matchLabels: {app: "{{.Name}}"}}
  template:
    metadata: {labels: {app: "{{.Name}}"}}
    spec:
      containers:
        - {name: one, image: "{{.Registry}}/2-containers-2-referrers:1"}
"""


def test_every_pod_of_a_template_is_followed_and_judged_as_those_of_a_scenario(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "deployment.yaml"
    file.write_text(TEMPLATE)
    words = ("--template", str(file), "--objects", "3", "--set", "monitoring.prometheus=off", "--json")
    done = place.csscgen("run", "--stack", "local-smoke", *words)

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["load"]["objects"], summary["load"]["failed"]) == (3, 0)
    assert (summary["pods"]["ready"], summary["pods"]["missing"]) == (5, 0)
    assert summary["ratify"]["verification_requests"] >= 5
    assert place.leftovers() == []

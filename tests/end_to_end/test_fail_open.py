"""Pods that get in unverified are found one by one, with the real API server, Gatekeeper and Ratify.

The images are unsigned, so whatever exists in the end cannot have been verified: the pods that the audit log names have
to be exactly those.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from tests.end_to_end.conftest import SECONDS, Place

pytestmark = pytest.mark.real

PODS = 60
CHANGES = {
    "scenario.signatures": "0",
    "scenario.replicas": str(PODS),
    "scenario.containers": "1",
    "cluster.nodes": "2",
    "policy.match": "pods",
    "policy.failurePolicy": "Ignore",
    # Deadlines that are short let more pods in while somebody is away.
    "gatekeeper.validationTimeoutSeconds": "1",
    "gatekeeper.mutationTimeoutSeconds": "1",
    "ratify.verificationTimeoutMs": "900",
    "ratify.mutationTimeoutMs": "900",
    "monitoring.prometheus": "off",
    "load.quietSeconds": "6",
    "load.retrySeconds": "20",
}


@pytest.mark.parametrize(("name", "seconds"), [("gatekeeper", 9), ("ratify", 3.5)])
def test_exactly_the_pods_that_got_in_unverified_are_found(place: Place, name: str, seconds: float) -> None:
    changes = CHANGES | {"gatekeeper.mutation": "off"} if name == "ratify" else CHANGES
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    run = place.start("run", "--stack", "local-smoke", *words)
    await_phase(place, "load")

    with stopped(place, name):
        time.sleep(seconds)
    output, _ = run.communicate(timeout=SECONDS)

    assert run.returncode == 3, output
    lines = (place.run_folder() / "pods.jsonl").read_text().splitlines()
    pods: list[dict[str, Any]] = [json.loads(line) for line in lines]
    exist = {pod["name"] for pod in pods if pod["name"]}
    assert 0 < len(exist) < PODS, output
    assert {pod["name"] for pod in pods if pod["unverified"]} == exist
    summary = place.summary()
    assert (summary["pods"]["unverified"], summary["pods"]["wrongly_admitted"]) == (len(exist), len(exist))
    assert summary["pods"]["unaccounted"] == 0
    assert summary["control_plane"]["fail_open_by_webhook"]["validation.gatekeeper.sh"] >= len(exist)
    assert summary["verdict"] == "fail"
    said = next(reason for reason in summary["verdict_reasons"] if "without verification" in reason)
    assert any(str(pod) in said for pod in exist)
    assert place.leftovers() == []


def test_where_nobody_is_away_nothing_is_unverified(place: Place) -> None:
    done = place.csscgen("run", "--stack", "local-smoke", "--set", "policy.failurePolicy=Ignore", "--json")

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["pods"]["ready"], summary["pods"]["unverified"], summary["pods"]["unaccounted"]) == (5, 0, 0)
    assert summary["control_plane"]["fail_open_by_webhook"]["validation.gatekeeper.sh"] == 0
    log = place.run_folder() / "logs" / "kube-apiserver-audit.log"
    assert log.stat().st_size > 0


def await_phase(place: Place, name: str) -> None:
    """Returns when the run is in this phase."""
    end = time.monotonic() + 90
    while True:
        for file in (place.folder / "runs").glob("*/run.json"):
            if name in {phase["name"] for phase in json.loads(file.read_text())["phases"]}:
                return
        assert time.monotonic() < end, f"the run never came to {name}"
        time.sleep(0.01)


@contextmanager
def stopped(place: Place, name: str) -> Iterator[None]:
    """Stops a process of the place's stacks, and lets it go on in the end."""
    (pid,) = (
        process.pid
        for process in psutil.process_iter()
        if process.name() == name and process.environ().get("CSSCGEN_PROCESS", "").startswith(str(place.folder))
    )
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)

"""Faults during a real load: all comes back, recovery is measured, nothing gets in unverified, nothing is left."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.conftest import Place

pytestmark = pytest.mark.real

PODS = 60
LOAD = {"scenario.replicas": PODS, "cluster.nodes": 2}


def run(place: Place, schedule: list[dict[str, object]], **changes: object) -> dict:
    settings = {**LOAD, **changes, "faults": json.dumps(schedule)}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    done = place.csscgen("run", "--stack", "local-smoke", *words)
    assert done.returncode == 0, done.stderr
    summary = place.summary()
    assert (summary["pods"]["ready"], summary["pods"]["expected"]) == (PODS, PODS)
    assert summary["control_plane"]["webhook_fail_open"] == 0
    assert place.leftovers() == []
    return summary


def fault(target: str, action: str, at: float, seconds: float) -> dict[str, object]:
    return {"target": target, "action": action, "at": at, "seconds": seconds}


def test_a_replica_that_is_killed_comes_back_and_the_others_do_its_work(place: Place) -> None:
    paced = {"scenario.shards": PODS, "load.mode": "created", "load.rate": 8, "monitoring.scrapeSeconds": 0.5}
    # A Deployment that is refused because its question was with the killed one is not sent again; a pod is.
    pods_alone = {"policy.match": "pods", "gatekeeper.mutation": "off"}
    replicas = {"ratify.mode": "ha-without-dapr", "ratify.replicas": 3}
    # What the killed one counted since its last scrape is lost, and nothing else is: at 8 pods a second some 4.
    counted = {"thresholds": json.dumps({"ratify.verification_requests": f">= {PODS - 8}"})}
    summary = run(place, [fault("ratify-1", "kill", 2, 1)], **paced, **pods_alone, **replicas, **counted)

    (killed,) = summary["faults"]
    assert killed["error"] is None
    assert 0 < killed["ready_after_seconds"] < 20
    assert killed["admitted_after_seconds"] >= 1
    assert summary["ratify"]["restarts"] == 1
    by_replica = summary["ratify"]["by_replica"]
    assert set(by_replica) == {"ratify-0", "ratify-1", "ratify-2"}
    assert sum(one["verification_requests"] for one in by_replica.values()) == pytest.approx(
        summary["ratify"]["verification_requests"], abs=1
    )
    assert summary["ratify"]["verification_requests"] >= PODS - 8


def test_a_gatekeeper_that_is_killed_lets_nothing_in_unverified(place: Place) -> None:
    summary = run(place, [fault("gatekeeper", "kill", 0.5, 2)])

    (killed,) = summary["faults"]
    assert killed["error"] is None
    assert 0 < killed["ready_after_seconds"] < 30
    assert killed["admitted_after_seconds"] > 2
    assert killed["webhook_rejections"] > 0
    assert summary["ratify"]["verification_requests"] >= PODS


def test_an_outage_of_the_registry_is_got_over(place: Place) -> None:
    summary = run(place, [fault("registry", "outage", 0.5, 2)])

    (outage,) = summary["faults"]
    assert outage["error"] is None
    assert outage["ready_after_seconds"] < 2
    assert outage["admitted_after_seconds"] > 2
    assert summary["registry"]["requests"]["503"] > 0

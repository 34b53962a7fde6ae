"""Refused Jobs and Deployments with the real components: every pod is accounted for with its cause, nothing hangs."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import Place

pytestmark = pytest.mark.real


@pytest.mark.parametrize("workload", ["job", "deployment"])
def test_unsigned_pods_of_several_workloads_end_as_denied_for_that_cause(place: Place, workload: str) -> None:
    changes = {
        "scenario.workload": workload,
        "scenario.shards": "3",
        "scenario.signatures": "0",
        "policy.match": "pods",
        "monitoring.prometheus": "off",
    }
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]

    done = place.csscgen("run", "--stack", "local-smoke", *words)

    assert done.returncode == 3, done.stderr  # its thresholds want pods that are ready
    pods = place.summary()["pods"]
    assert (pods["denied"], pods["missing"], pods["failed"]) == (5, 0, 0)
    assert pods["causes"] == {"unsigned": 5}
    assert (pods["expected_denied"], pods["wrongly_admitted"], pods["unverified"]) == (5, 0, 0)
    # One pod of each workload is tried at least, and tried again; the log has every attempt.
    assert pods["refused_attempts"]["unsigned"] > 3
    assert "unsigned (pods 5" in done.stdout
    assert place.leftovers() == []

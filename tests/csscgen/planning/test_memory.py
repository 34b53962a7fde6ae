"""The memory that a run takes of this machine: what was measured, what lies between, and what is too much."""

from __future__ import annotations

from typing import Any

import pytest

from csscgen.planning.memory import Memory, memory
from infra.settings import Settings

GB = 10**9


def taken(replicas: int, total: int = 24 * GB, available: int = 22 * GB, **subjects: dict[str, Any]) -> Memory:
    config: dict[str, Any] = {"platform": "local", "sharedStack": "local-shared", "scenario": {"replicas": replicas}}
    config["scenario"] |= {"containers": 10}
    found = memory(Settings.read(config | subjects, "a test"), total, available)
    assert found is not None
    return found


def test_what_was_measured_is_what_is_planned():
    found = taken(20_000)
    assert found.by_process["kube-apiserver"] == 3_200_000_000
    assert found.by_process["etcd"] == 800_000_000
    assert "kube-apiserver" not in found.guessed and set(found.guessed) == {"registries", "harness"}
    assert found.needed == sum(found.by_process.values()) < 10 * GB
    assert found.sentence is None


def test_it_grows_with_the_pods_and_beyond_what_was_measured_in_proportion():
    needed = [taken(replicas).needed for replicas in (1, 200, 2_000, 10_000, 20_000, 40_000)]
    assert needed == sorted(needed) and len(set(needed)) == len(needed)
    assert needed[-1] == pytest.approx(2 * needed[-2])


def test_every_replica_of_ratify_counts():
    one, three = taken(200), taken(200, ratify={"mode": "ha-without-dapr", "replicas": 3})
    assert three.by_process["ratify"] == 3 * one.by_process["ratify"]


def test_a_prometheus_that_is_not_started_takes_nothing():
    assert "prometheus" in taken(200).by_process
    assert "prometheus" not in taken(200, monitoring={"prometheus": "off"}).by_process


@pytest.mark.parametrize(("total", "available", "words"), [(4, 3, "has 4.0 GB"), (24, 3, "has free now 3.0 GB")])
def test_a_machine_that_is_too_small_is_told(total: int, available: int, words: str):
    assert words in (taken(20_000, total * GB, available * GB).sentence or "")


def test_of_a_cluster_elsewhere_nothing_is_said():
    assert memory(Settings.read({"platform": "azure", "sharedStack": "shared"}, "a test")) is None

"""Settings to plan: those of the published test, on AKS and on one machine, with keys changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from csscgen.planning.planner import plan
from csscgen.planning.plans import Planned
from infra.settings import Settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

CORES = 2
SCENARIO = {"ratify": {"cache": "off"}, "policy": {"match": "workloads", "failurePolicy": "Fail"}}
Plan = Callable[..., Planned]


def planned(platform: str = "azure", **subjects: dict[str, Any]) -> Planned:
    """The plan of a scenario stack of the published test with keys changed."""
    shared = {key: value for key, value in subjects.items() if key in ("registry", "signing")}
    config: dict[str, Any] = {"platform": platform, "sharedStack": "shared", "load": {"deadlineSeconds": 28_800}}
    for subject in (*SCENARIO, *subjects):
        config[subject] = {**config.get(subject, {}), **SCENARIO.get(subject, {}), **subjects.get(subject, {})}
    of_shared = {key: {k: v for k, v in value.items() if k != "size"} for key, value in shared.items()}
    return plan(
        "a stack",
        Settings.read(config, "a test"),
        Settings.read({"platform": platform, **of_shared}, "a test"),
        CORES,
    )


@pytest.fixture
def local() -> Plan:
    """Plans of a stack on a machine with two cores."""
    return lambda **subjects: planned("local", **subjects)

"""The schedule of faults as a setting: what is taken, and what is refused before anything is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from csscgen.stackfiles import parse_changes, read
from infra.faults import Fault
from infra.settings import Settings
from tests.documents import ROOT
from workloads.errors import SettingsError

KILL = {"target": "gatekeeper", "action": "kill", "at": 2, "seconds": 1}


def settings(*faults: dict[str, Any], replicas: int = 1) -> Settings:
    mode = "regular" if replicas == 1 else "ha-without-dapr"
    return Settings.read({"faults": list(faults), "ratify": {"mode": mode, "replicas": replicas}}, "the tests")


def problem(*faults: dict[str, Any], replicas: int = 1) -> str:
    with pytest.raises(SettingsError) as told:
        settings(*faults, replicas=replicas)
    (only,) = told.value.problems
    return only


def test_there_are_none_unless_they_are_asked_for():
    assert Settings().faults == ()


def test_a_schedule_is_read_from_yaml_and_from_json():
    expected = (Fault("ratify-1", "slow", 3.0, 4.5, 0.2),)
    words = ["ratify.mode=ha-without-dapr", "ratify.replicas=3"]
    words.append("faults=[{target: ratify-1, action: slow, at: 3, seconds: 4.5, share: 0.2}]")
    stack = read(ROOT, "local-smoke", parse_changes(words))
    assert stack.settings.faults == expected
    config = {**stack.config, "faults": json.dumps(stack.config["faults"])}  # as the Pulumi CLI hands it on
    assert Settings.read({key: value for key, value in config.items()}, "the tests").faults == expected


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"target": "gatekeper"}, "faults[0].target: there is no gatekeper; did you mean gatekeeper?"),
        (
            {"target": "ratify-3"},
            "faults[0].target: there is no ratify-3 with ratify.replicas 1; the last one is ratify-0.",
        ),
        ({"action": "kil"}, "faults[0].action: there is no kil; did you mean kill?"),
        ({"seconds": 0}, "faults[0].seconds: expected more than 0, got 0."),
        ({"at": -1}, "faults: fault.at: expected from 0 to 86400.0, got -1.0."),
        ({"seconds": "soon"}, "faults: fault.seconds: expected a number, got 'soon'."),
        (
            {"when": 5},
            "faults: fault.when: there is no such key; the known keys are action, at, seconds, share, target.",
        ),
        ({"action": "slow"}, "faults[0].share: slow needs a share of CPU time between 0 and 1, such as 0.2; got none."),
        ({"action": "slow", "share": 1.5}, "got 1.5."),
        ({"share": 0.5}, "faults[0].share: only slow takes one, not kill."),
        ({"action": "outage"}, "faults[0].action: outage is for the registry, not for gatekeeper"),
        ({"action": "clock-skew", "target": "etcd"}, "faults[0].action: clock-skew is for Ratify and Gatekeeper"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(changes, told):
    assert told in problem({**KILL, **changes})


def test_a_fault_has_to_say_what_and_when():
    for key in KILL:
        assert key in problem({name: value for name, value in KILL.items() if name != key})


def test_faults_of_one_target_may_not_overlap_and_those_of_two_may():
    later = {**KILL, "action": "stop", "at": 2.5}
    assert "kill gatekeeper at 2 s lasts until 3 s and overlaps stop gatekeeper at 2.5 s" in problem(later, KILL)
    assert settings(KILL, {**later, "at": 3}).faults
    assert settings(KILL, {**later, "target": "etcd"}).faults


def test_every_replica_is_a_target():
    for number in range(3):
        assert settings({**KILL, "target": f"ratify-{number}"}, replicas=3)


def test_a_registry_without_outages_is_told_when_the_stacks_are_read():
    outage = "faults=[{target: registry, action: outage, at: 1, seconds: 1}]"
    assert read(ROOT, "local-smoke", parse_changes([outage])).settings.faults
    with pytest.raises(
        SettingsError, match="outage registry at 1 s needs the emulator; registry.kind distribution has no"
    ):
        read(ROOT, "local-smoke", parse_changes([outage, "registry.kind=distribution"]))


def test_a_registry_that_keeps_images_in_memory_is_not_killed():
    kill = "faults=[{target: registry, action: kill, at: 1, seconds: 1}]"
    assert read(ROOT, "local-smoke", parse_changes([kill, "registry.storage=disk"])).settings.faults
    for words in ([kill], [kill, "registry.kind=distribution"]):
        with pytest.raises(SettingsError, match="kill registry at 1 s would lose the images"):
            read(ROOT, "local-smoke", parse_changes(words))

"""What is told of an operation that takes long."""

from __future__ import annotations

import threading
import time

import pytest

from csscgen.awaiting import Awaiting
from infra.engine import StepEvent

AKS, GROUP = "azure-native:containerservice:ManagedCluster", "azure-native:resources:ResourceGroup"


def event(name: str, status: str, at: float, type_: str = AKS, op: str = "create") -> StepEvent:
    return StepEvent(f"urn::{name}", type_, name, op, status, at)  # type: ignore[arg-type]


def test_the_step_that_is_under_way_longest_is_told_with_how_many_others_are():
    now = 1_000.0
    awaiting = Awaiting(lambda _: None, clock=lambda: now)
    awaiting.follow(event("rg", "started", now, GROUP))
    assert awaiting.text() == "creating ResourceGroup rg for 0 s"
    awaiting.follow(event("rg", "done", now))
    awaiting.follow(event("aks", "started", now))
    awaiting.follow(event("acr", "started", now + 5))
    now += 250.4
    assert awaiting.text() == "creating ManagedCluster aks for 4 min 10 s, 1 more; 1 done"
    awaiting.follow(event("aks", "failed", now))
    assert awaiting.text() == "creating ManagedCluster acr for 4 min 05 s; 1 done"


@pytest.mark.parametrize(("op", "verb"), [("delete", "deleting"), ("update", "updating"), ("replace", "replacing")])
def test_what_is_done_to_it_is_told(op: str, verb: str):
    awaiting = Awaiting(lambda _: None, clock=lambda: 1.0)
    awaiting.follow(event("aks", "started", 1.0, op=op))
    assert awaiting.text() == f"{verb} ManagedCluster aks for 0 s"


def test_with_nothing_under_way_the_program_is_waited_for():
    now = 5.0
    awaiting = Awaiting(lambda _: None, clock=lambda: now)
    now = 67.0
    assert awaiting.text() == "running the program for 62 s"


def test_what_was_never_under_way_was_not_done():
    awaiting = Awaiting(lambda _: None, clock=lambda: 0.0)
    awaiting.follow(event("aks", "done", 0.0, op="same"))
    awaiting.follow(event("a-component", "done", 0.0))
    assert awaiting.text() == "running the program for 0 s"


def test_it_is_told_again_and_again_without_an_event_until_the_operation_ends_however():
    lines: list[str] = []
    with pytest.raises(ZeroDivisionError), Awaiting(lines.append, every=0.01) as awaiting:
        awaiting.follow(event("aks", "started", time.time()))
        end = time.monotonic() + 10
        while len(lines) < 3:
            assert time.monotonic() < end
            time.sleep(0.01)
        raise ZeroDivisionError
    assert not [thread for thread in threading.enumerate() if thread.name == "awaiting"]
    count = len(lines)
    time.sleep(0.05)
    assert len(lines) == count
    assert all(line.startswith("creating ManagedCluster aks for") for line in lines[1:])

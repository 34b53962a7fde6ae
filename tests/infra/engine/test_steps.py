"""The step logic: single decisions, and whole sequences of programs as properties."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.engine.providers import Diff
from infra.engine.resources import Resource
from infra.engine.steps import Goal, Step, decide, deletion_blockers, keep_ignored, replaced_along
from infra.engine.values import UNKNOWN

from .worlds import THING, Driver, Spec, World

OLD = Resource("urn:x", THING, "x", True, id="1", inputs={"a": {"b": 1}, "c": 2})


def goal(**changes) -> Goal:
    return Goal(**{"urn": "urn:x", "type": THING, "name": "x", "custom": True, "inputs": OLD.inputs, **changes})


@pytest.mark.parametrize(
    ("diff", "wanted", "step"),
    [
        (Diff(), goal(), Step("same")),
        (Diff(changed=True), goal(), Step("update")),
        (Diff(True, replace=True), goal(), Step("replace")),
        (Diff(True, True, delete_first=True), goal(), Step("replace", delete_first=True)),
        (Diff(True, True, True), goal(delete_before_replace=False), Step("replace")),
        (Diff(True, True), goal(delete_before_replace=True), Step("replace", delete_first=True)),
        (Diff(), goal(provider="urn:p::2"), Step("replace")),
        (Diff(), goal(deleted_with="urn:host"), Step("replace")),
        (Diff(), goal(replace_with=("urn:host",)), Step("replace")),
        (Diff(True), goal(inputs={"a": {"b": 3}, "c": 2}, replace_on_changes=("a.b",)), Step("replace")),
        (Diff(True), goal(inputs={"a": {"b": 1}, "c": 3}, replace_on_changes=("a.b",)), Step("update")),
        (Diff(True), goal(inputs={"a": {"b": 1}, "c": 3}, replace_on_changes=("*",)), Step("replace")),
    ],
)
def test_decide(diff: Diff, wanted: Goal, step: Step):
    assert decide(OLD, wanted, wanted.inputs, diff, replaced={"urn:host"}) == step


def test_decide_without_an_old_resource_creates():
    assert decide(None, goal(), {}, Diff()) == Step("create")


def test_decide_updates_what_was_cut_off_or_never_became_ready():
    assert decide(OLD, goal(), OLD.inputs, Diff(), unfinished=True) == Step("update")
    tainted = Resource("urn:x", THING, "x", True, id="1", init_error="not ready")
    assert decide(tainted, goal(), {}, Diff()) == Step("update")


def test_ignored_changes_stay_as_they_were():
    wanted = goal(inputs={"a": {"b": 5, "d": 6}, "c": 7}, ignore_changes=("a.b", "c"))
    assert keep_ignored(wanted, OLD) == {"a": {"b": 1, "d": 6}, "c": 2}
    assert keep_ignored(wanted, None) == wanted.inputs
    assert keep_ignored(goal(inputs={}, ignore_changes=("*",)), OLD) == OLD.inputs


def test_a_replacement_takes_along_what_its_unknown_properties_replace():
    root = Resource("urn:root", THING, "root", True, id="1")
    direct = Resource("urn:a", THING, "a", True, property_dependencies={"host": ["urn:root"]}, inputs={"host": "h"})
    further = Resource("urn:b", THING, "b", True, provider="urn:a::1")
    updated = Resource("urn:c", THING, "c", True, property_dependencies={"note": ["urn:root"]}, inputs={"note": "n"})
    after = Resource("urn:d", THING, "d", True, dependencies=("urn:root",))
    found = replaced_along(root, [root, after, further, direct, updated], lambda r, new: new.get("host") is UNKNOWN)
    assert {r.name for r in found} == {"a", "b"}


def test_dependents_of_every_kind_are_deleted_first():
    host = Resource("urn:h", THING, "h", True, id="1", made=1, kept=1)
    users = [
        Resource("urn:1", THING, "1", True, dependencies=("urn:h",), made=2, kept=2),
        Resource("urn:2", THING, "2", True, parent="urn:h", made=2, kept=2),
        Resource("urn:3", THING, "3", True, provider="urn:h::1", made=2, kept=2),
        Resource("urn:4", THING, "4", True, deleted_with="urn:h", made=2, kept=2),
    ]
    assert deletion_blockers([host, *users]) == [{1, 2, 3, 4}, set(), set(), set(), set()]


def test_a_resource_needs_the_generation_that_was_there_when_it_was_declared():
    old = Resource("urn:h", THING, "h", True, id="1", made=1, kept=1, ended=5)
    new = Resource("urn:h", THING, "h", True, id="2", made=6, kept=6)
    before = Resource("urn:1", THING, "1", True, dependencies=("urn:h",), made=2, kept=2)
    after = Resource("urn:2", THING, "2", True, dependencies=("urn:h",), made=2, kept=7)
    half_made = Resource("urn:1", THING, "1", True, dependencies=("urn:h",), kept=7)
    needs_it = Resource("urn:3", THING, "3", True, dependencies=("urn:1",), made=3, kept=3)
    blockers = deletion_blockers([old, new, before, after, half_made, needs_it])
    assert blockers == [{2}, {3, 4}, {5}, set(), set(), set()]


@st.composite
def programs(draw) -> list[Spec]:
    names = draw(st.permutations("abcde"))[: draw(st.integers(0, 5))]
    small = st.integers(0, 2)
    return [
        Spec(
            name,
            draw(small),
            draw(small),
            tuple(draw(st.sets(st.sampled_from(names[:index]), max_size=2))) if index else (),
            draw(st.booleans()),
        )
        for index, name in enumerate(names)
    ]


def summary(program: list[Spec]) -> list[tuple]:
    return sorted((s.name, s.value, s.key, s.needs) for s in program)


class Folder:
    def __enter__(self) -> Path:
        self.path = Path(tempfile.mkdtemp())
        return self.path

    def __exit__(self, *_exc) -> None:
        shutil.rmtree(self.path)


@settings(deadline=None, max_examples=200)
@given(st.lists(programs(), min_size=1, max_size=4))
def test_every_sequence_of_programs_converges(sequence: list[list[Spec]]):
    with Folder() as folder:
        driver = Driver(World(), folder)
        for program in sequence:
            assert not driver.up(program).failures
            assert driver.world.summary() == summary(program)
            again = driver.up(program)
            assert set(again.changes) <= {"same"} and not again.failures
            assert driver.world.summary() == summary(program)
        assert not driver.destroy().failures
        assert not driver.world.things and driver.state().empty()


@settings(deadline=None, max_examples=200)
@given(programs(), programs(), st.sets(st.sampled_from("abcde")), st.booleans())
def test_after_failures_it_still_converges_or_is_destroyed(first, second, failing, destroy: bool):
    with Folder() as folder:
        driver = Driver(World(), folder)
        driver.up(first)
        driver.world.failing = failing
        driver.up(second)
        driver.destroy() if destroy else None
        driver.world.failing = set()
        assert not driver.up(second).failures
        assert driver.world.summary() == summary(second)
        assert not driver.destroy().failures
        assert not driver.world.things and driver.state().empty()


@settings(deadline=None, max_examples=300)
@given(programs(), programs(), st.integers(1, 12), st.booleans(), st.booleans())
def test_after_a_kill_at_any_call_it_still_converges_or_is_destroyed(first, second, at, after_effect, again):
    with Folder() as folder:
        driver, saved = Driver(World(), folder / "state"), folder / "saved"

        def snapshot() -> None:
            shutil.copytree(folder / "state", saved)

        driver.up(first)
        world = driver.world
        world.kill_at, world.kill_after_effect, world.on_kill = world.calls + at, after_effect, snapshot
        try:
            driver.up(second)
        except BaseException:
            assert world.dead
        if world.dead:
            shutil.rmtree(folder / "state")
            shutil.move(saved, folder / "state")
        world.dead, world.kill_at = False, -1
        if again:
            assert not driver.up(second).failures
            assert world.summary() == summary(second)
        assert not driver.destroy().failures
        assert not world.things and driver.state().empty()

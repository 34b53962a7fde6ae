"""A provider whose things live in memory, and a driver that registers goals as the SDK would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.engine.deletions import Deleter
from infra.engine.deployment import Deployment
from infra.engine.progress import Progress
from infra.engine.providers import Diff, Made, Registry
from infra.engine.state import StackState
from infra.engine.steps import Goal
from infra.engine.types import ignore_step
from infra.engine.values import Properties

THING = "fake:index:Thing"


class Killed(BaseException):
    """The process died here."""


@dataclass(frozen=True)
class Spec:
    """A thing in a program: ``value`` can be updated, ``key`` cannot, ``needs`` are things before it."""

    name: str
    value: int = 0
    key: int = 0
    needs: tuple[str, ...] = ()
    delete_first: bool = False


@dataclass
class World:
    """What exists. Every deletion is checked: nothing that is there may refer to what goes."""

    things: dict[str, Properties] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    kill_at: int = -1
    kill_after_effect: bool = False
    on_kill: Callable[[], None] = lambda: None
    calls: int = 0
    made: int = 0
    dead: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def do(self, name: object, effect: Callable[[], None]) -> None:
        with self.lock:
            if self.dead:
                raise Killed
            if name in self.failing:
                raise RuntimeError(f"{name} does not work")
            self.calls += 1
            killed = self.calls == self.kill_at
            if not killed or self.kill_after_effect:
                effect()
            if killed:
                self.dead = True
                self.on_kill()
                raise Killed

    def summary(self) -> list[tuple]:
        names = {identifier: thing["name"] for identifier, thing in self.things.items()}
        return sorted(
            (t["name"], t["value"], t["key"], tuple(names[i] for i in t["refs"]))  # type: ignore[attr-defined]
            for t in self.things.values()
        )


class Things:
    """The provider."""

    def __init__(self, world: World) -> None:
        self.world = world

    def check(self, name, old, new, dry):
        return new

    def diff(self, identifier, old, outputs, new) -> Diff:
        replace = (old["key"], old["refs"]) != (new["key"], new["refs"])
        return Diff(changed=replace or old["value"] != new["value"], replace=replace)

    def create(self, inputs, timeout) -> Made:
        made: list[str] = []

        def effect() -> None:
            self.world.made += 1
            made.append(f"id{self.world.made}")
            self.world.things[made[0]] = inputs

        self.world.do(inputs["name"], effect)
        return Made(made[0], {**inputs, "id": made[0]})

    def update(self, identifier, old, outputs, new, timeout):
        def effect() -> None:
            assert identifier in self.world.things
            self.world.things[identifier] = new

        self.world.do(new["name"], effect)
        return {**new, "id": identifier}

    def delete(self, identifier, inputs, outputs, timeout) -> None:
        def effect() -> None:
            users = [t["name"] for t in self.world.things.values() if identifier in t["refs"]]  # type: ignore[operator]
            assert not users, f"{inputs['name']} was deleted before {users}"
            self.world.things.pop(identifier, None)

        self.world.do(inputs["name"], effect)

    def read(self, identifier):
        return self.world.things[identifier]

    def recover(self, inputs) -> None:
        orphans = [i for i, t in self.world.things.items() if t == inputs]
        for orphan in orphans:
            self.delete(orphan, inputs, {}, None)

    def secret_outputs(self, inputs):
        return frozenset()


class Driver:
    """Runs programs (lists of specs, needs first) and destroys against a world, with a state file."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.runs = 0

    def up(self, program: Sequence[Spec]) -> Progress:
        self.runs += 1
        state, progress = StackState.load(self.folder, self.folder), Progress(ignore_step)
        deployment = Deployment(state, self._registry(), progress, dry=False)
        identifiers: dict[str, str] = {}
        for spec in program:
            registered = deployment.register(self._goal(spec, identifiers))
            identifiers[spec.name] = registered.id
        if not progress.failures:
            deployment.delete_gone()
        state.close()
        return progress

    def destroy(self) -> Progress:
        state, progress = StackState.load(self.folder, self.folder), Progress(ignore_step)
        Deleter(state, self._registry(), progress, threading.Event()).destroy()
        state.close()
        return progress

    def state(self) -> StackState:
        return StackState.load(self.folder, self.folder)

    def _registry(self) -> Registry:
        return Registry({"fake:": lambda _type, _config: Things(self.world)})

    def _goal(self, spec: Spec, identifiers: dict[str, str]) -> Goal:
        urns = [f"urn:pulumi:dev::test::{THING}::{need}" for need in spec.needs]
        return Goal(
            urn=f"urn:pulumi:dev::test::{THING}::{spec.name}",
            type=THING,
            name=spec.name,
            custom=True,
            inputs={
                "name": spec.name,
                "value": spec.value,
                "key": spec.key,
                "refs": [identifiers[need] for need in spec.needs],
            },
            dependencies=tuple(urns),
            property_dependencies={"refs": urns},
            delete_before_replace=spec.delete_first,
        )

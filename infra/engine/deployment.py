"""Takes the steps of an ``up`` or a preview, one registration of the program at a time.

The SDK sends a resource when everything that it needs is done, and each call here returns when its resource is: so the
order of creation is right by itself, and independent resources run in parallel. A resource that fails makes those that
need it fail silently, the others go on; nothing that the program no longer declares is deleted after a failure.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from infra.engine.cancellation import cancellable
from infra.engine.deletions import PARALLEL, Deleter, provider_of
from infra.engine.progress import Progress
from infra.engine.providers import (
    Diff,
    NotMadeError,
    PartlyMadeError,
    Provider,
    Registry,
    unsupported,
)
from infra.engine.resources import Resource
from infra.engine.state import StackState
from infra.engine.steps import Goal, Step, decide, keep_ignored, replaced_along
from infra.engine.types import Op
from infra.engine.values import (
    UNKNOWN,
    Properties,
    Secret,
    has_secret,
    has_unknown,
    plain,
    plain_properties,
)
from workloads.errors import EngineError

PATIENCE = 10.0
"""Seconds that an interrupted operation gives to the steps that are running."""


@dataclass(frozen=True)
class Registered:
    """The answer to a registration. ``id`` is empty for components and for what is not known yet."""

    urn: str
    id: str = ""
    outputs: Properties | None = None
    """None when there is nothing to add to the inputs."""
    failed: bool = False


class Deployment:
    """One run of the program against the state of its stack. Safe for threads."""

    def __init__(self, state: StackState, registry: Registry, progress: Progress, *, dry: bool) -> None:
        self.stop = threading.Event()
        self._state = state
        self._registry = registry
        self._progress = progress
        self._dry = dry
        self._slots = threading.BoundedSemaphore(PARALLEL)
        self._idle = threading.Condition()
        self._active = 0
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._failed: set[str] = set()
        self._replaced: set[str] = set()
        self._deleter = Deleter(state, registry, progress, self.stop)

    def delete_gone(self) -> None:
        """Deletes what the program does not declare any more, and what was replaced. Failures are in the progress."""
        gone = [r for r in self._state.live() if r.urn not in self._seen]
        if self._dry:
            for resource in gone:
                self._progress.plan(resource, "delete")
            return
        unfinished = [r for r in self._state.unfinished() if r.urn not in self._seen]
        self._deleter.delete([*gone, *self._state.condemned(), *unfinished], gone=frozenset(self._replaced))

    def register(self, goal: Goal) -> Registered:
        """Brings one resource to its goal."""
        self._enter(goal.urn)
        if self._blocked(goal):
            return self._fail(goal.urn)
        self._progress.guard(goal.inputs)
        if not goal.custom:
            return self._component(goal)
        if not self._registry.supports(goal.type):
            if not self._dry:
                raise EngineError(unsupported(goal.type))
            self._progress.plan(goal, "create")
            return Registered(goal.urn, "", _foreseen(goal.inputs))
        with self._slots, self._running():
            return self._plan(goal) if self._dry else self._apply(goal)

    def record_read(self, resource: Resource) -> None:
        """Notes a resource that was read and not made."""
        self._enter(resource.urn)
        self._progress.guard(resource.outputs)
        self._progress.done(resource, "read")
        if not self._dry:
            self._state.put(replace(resource, external=True), save=False)

    def set_outputs(self, urn: str, outputs: Properties) -> None:
        """Keeps the outputs of a component."""
        component = self._state.get(urn)
        if component is not None and not self._dry and not has_unknown(outputs):
            self._state.put(replace(component, outputs=outputs), save=False)

    def provider(self, type_: str, reference: str) -> Provider:
        """The provider of a type, configured by the provider resource of this stack."""
        return provider_of(self._registry, self._state, type_, reference)

    def settle(self, in_a_hurry: bool) -> None:
        """Starts no more steps and waits for the running ones. In a hurry it gives them a few seconds; what is cut off
        stays pending on disk, and the state takes no more writes."""
        self.stop.set()
        with self._idle:
            self._idle.wait_for(lambda: not self._active, PATIENCE if in_a_hurry else None)
        self._state.close()

    @contextmanager
    def _running(self) -> Iterator[None]:
        with self._idle:
            self._check_running()
            self._active += 1
        try:
            with cancellable(self.stop):
                yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def _enter(self, urn: str) -> None:
        self._check_running()
        with self._lock:
            if urn in self._seen:
                raise EngineError(
                    f"The program declares {urn} twice. Give one of the two another name or another parent."
                )
            self._seen.add(urn)

    def _check_running(self) -> None:
        if self.stop.is_set():
            raise EngineError("The operation was interrupted.")

    def _blocked(self, goal: Goal) -> bool:
        with self._lock:
            return bool(goal.resource({}, "", {}).needs() & self._failed)

    def _fail(self, urn: str) -> Registered:
        with self._lock:
            self._failed.add(urn)
        return Registered(urn, failed=True)

    def _component(self, goal: Goal) -> Registered:
        old = self._old(goal)
        self._progress.done(goal, "same" if old else "create")
        if not self._dry:
            self._state.put(goal.resource(goal.inputs, "", old.outputs if old else {}), save=False)
        return Registered(goal.urn)

    def _old(self, goal: Goal) -> Resource | None:
        old = self._state.get(goal.urn)
        if old is not None:
            return old
        for alias in goal.aliases:
            old = self._state.get(alias)
            if old is not None and alias not in self._seen:
                with self._lock:
                    self._seen.add(alias)
                renamed = replace(old, urn=goal.urn)
                return renamed if self._dry else self._state.rename(old, goal.urn)
        return None

    def _decide(self, goal: Goal, provider: Provider, old: Resource | None) -> tuple[Step, Properties]:
        """The step, and the inputs after the provider's check, secrets marked as the program marked them."""
        declared = keep_ignored(goal, old)
        before = plain_properties(old.inputs) if old else None
        checked = provider.check(goal.name, before, plain_properties(declared), self._dry)
        diff = Diff()
        if old is not None and before is not None:
            outputs = plain_properties(old.outputs)
            diff = provider.diff(old.id, before, outputs, checked)
        pending = self._state.pending().get(goal.urn)
        unfinished = pending is not None and pending.op == "update"
        with self._lock:
            replaced = frozenset(self._replaced)
        step = decide(old, goal, checked, diff, unfinished=unfinished, replaced=replaced)
        if step.op == "replace":
            checked = provider.check(goal.name, None, plain_properties(declared), self._dry)
            with self._lock:
                self._replaced.add(goal.urn)
        return step, _marked(checked, declared)

    def _plan(self, goal: Goal) -> Registered:
        old = self._old(goal)
        provider = self.provider(goal.type, goal.provider)
        step, inputs = self._decide(goal, provider, old)
        self._progress.done(goal, step.op)
        if step.op == "same" and old is not None:
            return Registered(goal.urn, old.id, {**inputs, **old.outputs})
        return Registered(goal.urn, old.id if old and step.op == "update" else "", inputs)

    def _apply(self, goal: Goal) -> Registered:
        provider = self.provider(goal.type, goal.provider)
        op: Op = "create"
        try:
            pending = self._state.pending().get(goal.urn)
            if pending is not None and pending.op == "create":
                self._deleter.recover(pending.resource, gone=self._replaced)
            old = self._old(goal)
            step, inputs = self._decide(goal, provider, old)
            op = step.op
            self._progress.started(goal, step.op)
            made = self._take(step, goal, provider, old, inputs)
        except Exception as error:
            self._progress.failed(goal, op, error)
            return self._fail(goal.urn)
        self._progress.done(goal, step.op)
        added = {k: v for k, v in made.outputs.items() if k not in inputs or inputs[k] != v}
        return Registered(goal.urn, made.id, added)

    def _take(self, step: Step, goal: Goal, provider: Provider, old: Resource | None, inputs: Properties) -> Resource:
        if old is None or step.op == "create":
            left = [r for r in self._state.condemned() if r.urn == goal.urn]
            if left:  # a deletion that an earlier operation did not end
                self._delete_first(left)
            return self._create(goal, provider, inputs, None)
        if step.op == "replace":
            if old.protect:
                raise EngineError(
                    f"{old.urn} is protected and would have to be replaced. Take its protect option away first."
                )
            if step.delete_first:
                self._delete_first([old])
                return self._create(goal, provider, inputs, None)
            return self._create(goal, provider, inputs, old)
        if step.op == "same":
            kept = goal.resource(inputs, old.id, old.outputs)
            self._state.put(kept, save=False)
            return kept
        self._state.begin("update", goal.resource(inputs, old.id, old.outputs))
        outputs = provider.update(
            old.id,
            plain_properties(old.inputs),
            plain_properties(old.outputs),
            plain_properties(inputs),
            goal.timeouts.get("update"),
        )
        updated = goal.resource(inputs, old.id, _with_secrets(outputs, goal, provider, inputs))
        self._state.put(updated)
        return updated

    def _create(self, goal: Goal, provider: Provider, inputs: Properties, old: Resource | None) -> Resource:
        """Creates; ``old`` is what the new resource replaces, to be deleted when everything else is done."""
        self._state.begin("create", goal.resource(inputs, "", {}))
        error: PartlyMadeError | None = None
        try:
            made = provider.create(plain_properties(inputs), goal.timeouts.get("create"))
        except NotMadeError:
            self._state.abandon(goal.urn)
            raise
        except PartlyMadeError as partly:
            error, made = partly, partly.made
        outputs = _with_secrets(made.outputs, goal, provider, inputs)
        resource = goal.resource(inputs, made.id, outputs)
        if error is not None:
            resource = replace(resource, init_error=self._progress.clean(str(error)))
        if old is not None:
            self._state.condemn(old)
        self._state.put(resource)
        if error is not None:
            raise error
        return resource

    def _delete_first(self, old: list[Resource]) -> None:
        """Deletes a resource (and what is left of those before it) that must be gone before it is made anew."""
        urn = old[0].urn
        with self._lock:
            seen, replaced = frozenset(self._seen), self._replaced - {urn}
        others = [r for r in self._state.resources() if r.delete or r.urn not in seen]
        victims = [*old, *replaced_along(old[0], others, self._would_replace)]
        if not self._deleter.delete(victims, counted=False, gone=replaced):
            raise EngineError(f"{urn} must be made anew, but the old one could not be deleted.")
        with self._lock:
            self._replaced |= {victim.urn for victim in victims}

    def _would_replace(self, resource: Resource, inputs: Properties) -> bool:
        provider = self.provider(resource.type, resource.provider)
        before, outputs = plain_properties(resource.inputs), plain_properties(resource.outputs)
        return provider.diff(resource.id, before, outputs, inputs).replace


def _foreseen(inputs: Properties) -> Properties:
    """What a preview says of a resource whose provider is not here: an object may come back with more in it than was
    given, such as the issuer that a cluster gets, so nobody can know what is in there."""
    return {k: UNKNOWN if isinstance(plain(v), dict | list) else v for k, v in inputs.items()}


def _marked(checked: Properties, declared: Properties) -> Properties:
    """The checked inputs, with those that the program gave as secrets marked again."""
    marked: Properties = {}
    for key, value in checked.items():
        given = declared.get(key)
        if not has_secret(given):
            marked[key] = value
        else:
            marked[key] = given if plain(given) == value else Secret(value)
    return marked


def _with_secrets(outputs: Properties, goal: Goal, provider: Provider, inputs: Properties) -> Properties:
    """The outputs with everything marked that is secret: by option, by its input, or by its provider."""
    secret = {*goal.secret_outputs, *provider.secret_outputs(plain_properties(inputs))}
    secret |= {key for key, value in inputs.items() if has_secret(value)}
    marked: Properties = {}
    for key, value in outputs.items():
        if key in inputs and plain(inputs[key]) == value and key not in goal.secret_outputs:
            marked[key] = inputs[key]
        else:
            marked[key] = Secret(value) if key in secret else value
    return marked

"""Deletes resources, dependents first and independent ones in parallel.

What is deleted with something else that is deleted in the same operation is only forgotten: that is how the destroy of
a whole local cluster takes as long as stopping its processes. A resource that cannot be deleted stays, and so does
everything that it needs.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from infra.engine.progress import Progress
from infra.engine.providers import Provider, Registry
from infra.engine.resources import Resource
from infra.engine.state import StackState
from infra.engine.steps import deletion_blockers
from infra.engine.values import plain_properties
from workloads.errors import EngineError

PARALLEL = 16


def provider_of(registry: Registry, state: StackState, type_: str, reference: str) -> Provider:
    """The provider of a type, configured by the provider resource that ``reference`` names."""
    config = state.provider(reference) if reference else None
    return registry.get(type_, plain_properties(config.inputs) if config else None)


class Deleter:
    """Deletes resources of one state."""

    def __init__(self, state: StackState, registry: Registry, progress: Progress, stop: threading.Event) -> None:
        self._state = state
        self._registry = registry
        self._progress = progress
        self._stop = stop

    def delete(
        self, victims: Sequence[Resource], *, counted: bool = True, gone: AbstractSet[str] = frozenset()
    ) -> bool:
        """Deletes ``victims``, and recovers those of them whose create was cut off; true if every one is gone. Failures
        are in the progress.

        Those that were condemned before are half of another step, or of an earlier operation, and not counted.
        ``gone`` has URNs that were deleted or replaced already: what is deleted with them is gone too.
        """
        going = gone | {victim.urn for victim in victims}
        blockers = deletion_blockers(victims)
        left = set(range(len(victims)))
        running: dict[Future[None], int] = {}
        kept: set[int] = set()
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="delete") as pool:
            try:
                while left or running:
                    for index in self._ready(left, blockers, bool(running), kept):
                        left.discard(index)
                        running[pool.submit(self._one, victims[index], going, counted)] = index
                    if not running:
                        break
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        index = running.pop(future)
                        if future.exception() is not None:
                            kept.add(index)
                        else:
                            for others in blockers:
                                others.discard(index)
            except KeyboardInterrupt:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self._state.save()
        return not left and not kept

    def _ready(self, left: set[int], blockers: list[set[int]], busy: bool, kept: set[int]) -> list[int]:
        if self._stop.is_set():
            return []
        ready = sorted(index for index in left if not blockers[index])
        if not ready and not busy and not kept:
            return sorted(left)  # a cycle, which only a state changed by hand can have: any order will do
        return ready

    def _one(self, victim: Resource, going: AbstractSet[str], counted: bool) -> None:
        counted = counted and not victim.delete
        if not victim.custom or victim.external:
            self._state.remove(victim, save=False)
            if counted:
                self._progress.plan(victim, "delete")
            return
        unfinished = any(victim is resource for resource in self._state.unfinished())
        counted = counted and not unfinished
        self._progress.started(victim, "delete")
        try:
            if unfinished:
                self.recover(victim, gone=going)
            else:
                self._remove(victim, going)
        except Exception as error:
            self._progress.failed(victim, "delete", error)
            raise
        self._progress.done(victim, "delete", counted=counted)

    def _remove(self, victim: Resource, going: AbstractSet[str]) -> None:
        if victim.retain_on_delete or victim.deleted_with in going:
            self._state.remove(victim, save=False)
            return
        if victim.protect:
            raise EngineError(
                f"{victim.urn} is protected and cannot be deleted. Take its protect option away and run up first."
            )
        marked = victim if victim.delete else self._state.condemn(victim, sync=True)
        inputs = plain_properties(marked.inputs)
        outputs = plain_properties(marked.outputs)
        self._progress.guard(marked.inputs)
        provider = provider_of(self._registry, self._state, marked.type, marked.provider)
        provider.delete(marked.id, inputs, outputs, marked.delete_timeout)
        self._state.remove(marked)

    def recover(self, unfinished: Resource, *, gone: AbstractSet[str] = frozenset()) -> None:
        """Cleans up after a create that was cut off. Raises what the provider raises."""
        if unfinished.deleted_with not in gone:
            self._progress.guard(unfinished.inputs)
            provider = provider_of(self._registry, self._state, unfinished.type, unfinished.provider)
            provider.recover(plain_properties(unfinished.inputs))
        self._state.abandon(unfinished.urn)

    def destroy(self) -> None:
        """Deletes everything that the stack has. Failures are in the progress."""
        if self.delete([*self._state.resources(), *self._state.unfinished()]):
            self._state.set_outputs({})

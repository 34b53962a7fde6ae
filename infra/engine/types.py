"""What the callers of an engine see: the events, the outcome, and the interface that both engines keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Op = Literal["create", "same", "update", "replace", "delete", "read"]


@dataclass(frozen=True)
class StepEvent:
    """A step on one resource started or ended. Steps run in parallel, so a callback must be thread-safe."""

    urn: str
    type: str
    name: str
    op: Op
    status: Literal["started", "done", "failed"]
    at: float
    """Epoch seconds."""
    message: str | None = None


@dataclass(frozen=True)
class PlannedStep:
    """What a preview or an ``up`` does to one resource, in a form that can be shown and kept."""

    urn: str
    type: str
    name: str
    op: Op
    inputs: dict[str, object]
    """Plain JSON: a secret is ``"[secret]"``, what only an ``up`` will know is ``"[unknown]"``."""
    dependencies: tuple[str, ...]
    """URNs, sorted."""
    parent: str = ""
    """URN; empty for the stack itself."""
    protect: bool = False
    retain_on_delete: bool = False


@dataclass(frozen=True)
class Outcome:
    """What an operation left behind."""

    outputs: dict[str, object]
    """The stack's outputs as plain JSON; one that holds a secret is a ``Secret`` as a whole."""
    changes: dict[str, int]
    """How many resources each op took, the stack and its components included."""
    steps: tuple[PlannedStep, ...]


@dataclass(frozen=True)
class Known:
    """A resource that a stack has made, by its state: components are nothing by themselves, and what was read is not
    the stack's."""

    urn: str
    type: str
    name: str
    id: str
    inputs: Mapping[str, object]
    """As they are in the state; secrets are not in clear."""
    unfinished: bool = False
    """Whether its making was cut off, so that it may be there or not."""


OnStep = Callable[[StepEvent], None]


def ignore_step(event: StepEvent) -> None:
    """The callback of a caller that shows no progress."""


class Engine(Protocol):
    """Runs the program of a stack. ``config`` is the stack's whole configuration, already merged: a key without a colon
    is the project's, a value is anything that JSON can hold.

    Every operation raises ``EngineError`` when the program or a resource fails, and ``UsageError``, with nothing
    touched, when it cannot be done as asked (the stack is in use by another process, the engine cannot make this
    platform).
    """

    @property
    def name(self) -> Literal["embedded", "cli"]: ...

    @property
    def version(self) -> str: ...

    def up(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        """Makes what the program declares, and removes what it does not declare any more."""

    def preview(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        """What ``up`` would do; touches nothing."""

    def destroy(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        """Removes everything that the stack made; destroying what is not there is fine."""

    def outputs(self, stack: str) -> dict[str, object]:
        """The stack's outputs; empty if it was never made."""

    def exists(self, stack: str) -> bool:
        """Whether the stack has resources, or steps whose outcome is unknown."""

    def resources(self, stack: str) -> tuple[Known, ...]:
        """What the stack's state knows; none of a stack that was never made."""

"""What the Pulumi CLI tells while it works, as this program's own events.

Its order is: a resource is begun, then either its outputs are known, or a diagnostic says why not and it has failed.
"""

from __future__ import annotations

import re
import time
from typing import Any, Literal

from infra.engine.types import OnStep, Op, Outcome, PlannedStep, StepEvent

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_LONGEST_DIAGNOSTIC = 2_000
_REFUSAL = re.compile(r"^workloads\.errors\.\w+: ", re.MULTILINE)
"""Ends the traceback of an error that this project raises on purpose."""
_EMPTY = ("update failed", "preview failed", "destroy failed")
"""What the CLI says about the stack itself when something in it failed; it adds nothing."""
_OPS: dict[str, Op] = {
    "same": "same",
    "create": "create",
    "import": "create",
    "update": "update",
    "create-replacement": "replace",
    "import-replacement": "replace",
    "delete": "delete",
    "delete-replaced": "delete",
    "read": "read",
    "read-replacement": "read",
}
"""What the CLI does, as callers see it; its logical steps (``replace``, ``refresh``, ``discard``) are left out."""


class Record:
    """Turns the CLI's events into ours, and remembers the steps and what went wrong."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step
        self._steps: list[PlannedStep] = []
        self._changes: dict[str, int] = {}
        self._ended = 0
        self._problems: dict[str, list[str]] = {}
        """URN (or nothing) to the error messages about it."""
        self.stack_outputs: dict[str, object] = {}

    def event(self, event: Any) -> None:
        """The callback of the automation API; called in order, from a thread of its own."""
        if event.resource_pre_event is not None:
            self._started(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._done(event.res_outputs_event.metadata)
        elif event.res_op_failed_event is not None:
            self._failed(event.res_op_failed_event.metadata)
        elif event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            message = _plain_text(event.diagnostic_event.message)
            self._problems.setdefault(event.diagnostic_event.urn or "", []).append(message)

    def told(self) -> list[str]:
        """What went wrong, a line for each resource, and how far it had come; nothing if the CLI told of nothing."""
        said = {urn: [text for text in texts if text not in _EMPTY] for urn, texts in self._problems.items()}
        told = {urn: texts for urn, texts in said.items() if texts} or self._problems
        lines = [f"{urn or 'the program'}: {'; '.join(texts) or 'no reason given'}" for urn, texts in told.items()]
        so_far = f"{self._ended} resource{'s' * (self._ended != 1)} had been done by then"
        return [*lines, so_far] if lines and self._ended else lines

    def outcome(self, outputs: dict[str, object]) -> Outcome:
        return Outcome(outputs, self._changes, tuple(self._steps))

    def _started(self, metadata: Any) -> None:
        op = _OPS.get(metadata.op.value)
        if op is None:
            return
        if metadata.op.value != "delete-replaced":
            state = metadata.new or metadata.old
            inputs = {k: _known(v) for k, v in ((state and state.inputs) or {}).items() if k != "__provider"}
            self._steps.append(
                PlannedStep(
                    metadata.urn,
                    metadata.type,
                    name_of(metadata.urn),
                    op,
                    inputs,
                    (),
                    parent=state.parent or "" if state else "",
                    protect=bool(state and state.protect),
                    retain_on_delete=bool(state and state.retain_on_delete),
                )
            )
            self._changes[op] = self._changes.get(op, 0) + 1
        if _is_custom(metadata):  # a component is no work of its own, and is open for as long as the program runs
            self._tell(metadata, op, "started")

    def _done(self, metadata: Any) -> None:
        if metadata.type == "pulumi:pulumi:Stack" and metadata.new is not None:
            outputs = metadata.new.outputs or {}
            self.stack_outputs = {k: _known(v) for k, v in outputs.items()}
        if op := _OPS.get(metadata.op.value):
            self._ended += op != "same" and _is_custom(metadata)
            self._tell(metadata, op, "done")

    def _failed(self, metadata: Any) -> None:
        messages = self._problems.setdefault(metadata.urn, [])
        if op := _OPS.get(metadata.op.value):
            self._tell(metadata, op, "failed", "; ".join(messages) or None)

    def _tell(
        self,
        metadata: Any,
        op: Op,
        status: Literal["started", "done", "failed"],
        message: str | None = None,
    ) -> None:
        name = name_of(metadata.urn)
        self._on_step(StepEvent(metadata.urn, metadata.type, name, op, status, time.time(), message))


def _known(value: Any) -> Any:
    """An input as the CLI shows it (secrets are hidden already), with our marker for what is unknown."""
    if isinstance(value, dict):
        return {k: _known(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_known(v) for v in value]
    return "[unknown]" if value == _UNKNOWN else value


def _is_custom(metadata: Any) -> bool:
    state = metadata.new or metadata.old
    return bool(state and state.custom)


def _plain_text(message: str) -> str:
    """A diagnostic without the CLI's colour tags, and bounded: some are the whole answer of a service.

    Of a program that refused its settings the sentences are kept, and not where it did.
    """
    text = re.sub(r"<\{%[^%]*%\}>", "", message).strip()
    if refusals := list(_REFUSAL.finditer(text)):
        text = text[refusals[-1].end() :]
    return text if len(text) <= _LONGEST_DIAGNOSTIC else f"{text[:_LONGEST_DIAGNOSTIC]}…"


def name_of(urn: str) -> str:
    """The name in a URN."""
    return urn.split("::", 3)[-1]

"""The engine of the Pulumi CLI, driven by the automation API with the project's own program and stack files.

The configuration of a run goes to the program in the environment variable CSSCGEN_CONFIG (JSON), so that settings which
are overridden for one run never end up in a stack file. Backend, credentials and passphrase are the CLI's own business.
Events do not carry dependencies: a step that this engine reports has none.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from infra.engine.types import OnStep, Op, Outcome, PlannedStep, StepEvent, ignore_step
from infra.engine.values import Secret
from workloads.errors import EngineError, UsageError

if TYPE_CHECKING:
    from pulumi.automation import Stack

CONFIG = "CSSCGEN_CONFIG"
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_ENDING_SECONDS = 60.0
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


class CliEngine:
    """``root`` has Pulumi.yaml. The states are wherever the CLI's backend keeps them."""

    name: Literal["cli"] = "cli"

    def __init__(self, root: Path) -> None:
        self._root = str(root.resolve())

    @cached_property
    def version(self) -> str:
        """The CLI's version."""
        from pulumi.automation import PulumiCommand

        with _translated():
            return str(PulumiCommand().version)

    def up(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        from pulumi import automation

        record = _Record(on_step)
        with _translated(record):
            made = automation.create_or_select_stack(stack, work_dir=self._root, opts=self._options(config))
            result = made.up(on_event=record.event, color="never")
        return record.outcome({k: _output(v) for k, v in result.outputs.items()})

    def preview(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        from pulumi import automation

        record = _Record(on_step)
        with _translated(record):
            made = automation.create_or_select_stack(stack, work_dir=self._root, opts=self._options(config))
            made.preview(on_event=record.event, color="never")
        return record.outcome(record.stack_outputs)

    def destroy(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        record = _Record(on_step)
        with _translated(record):
            made = self._selected(stack, config)
            if made is not None:
                made.destroy(on_event=record.event, color="never")
        return record.outcome({})

    def outputs(self, stack: str) -> dict[str, object]:
        with _translated():
            made = self._selected(stack, {})
            found = made.outputs() if made is not None else {}
        return {k: _output(v) for k, v in found.items()}

    def exists(self, stack: str) -> bool:
        from pulumi import automation

        with _translated():
            stacks = automation.LocalWorkspace(work_dir=self._root).list_stacks()
        return any(s.name.rpartition("/")[2] == stack and s.resource_count for s in stacks)

    def _selected(self, stack: str, config: Mapping[str, object]) -> Stack | None:
        from pulumi import automation

        try:
            return automation.select_stack(stack, work_dir=self._root, opts=self._options(config))
        except automation.StackNotFoundError:
            return None

    def _options(self, config: Mapping[str, object]) -> Any:
        from pulumi import automation

        environment = {CONFIG: json.dumps(dict(config)), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        return automation.LocalWorkspaceOptions(env_vars=environment)


class _Record:
    """Turns the CLI's events into ours, and remembers the steps and what went wrong."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step
        self._steps: list[PlannedStep] = []
        self._changes: dict[str, int] = {}
        self.problems: dict[str, list[str]] = {}
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
            self.problems.setdefault(event.diagnostic_event.urn or "", []).append(message)

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
                    _name(metadata.urn),
                    op,
                    inputs,
                    (),
                    parent=state.parent or "" if state else "",
                    protect=bool(state and state.protect),
                    retain_on_delete=bool(state and state.retain_on_delete),
                )
            )
            self._changes[op] = self._changes.get(op, 0) + 1
        self._tell(metadata, op, "started")

    def _done(self, metadata: Any) -> None:
        if metadata.type == "pulumi:pulumi:Stack" and metadata.new is not None:
            outputs = metadata.new.outputs or {}
            self.stack_outputs = {k: _known(v) for k, v in outputs.items()}
        if op := _OPS.get(metadata.op.value):
            self._tell(metadata, op, "done")

    def _failed(self, metadata: Any) -> None:
        messages = self.problems.setdefault(metadata.urn, [])
        if op := _OPS.get(metadata.op.value):
            self._tell(metadata, op, "failed", "; ".join(messages) or None)

    def _tell(
        self,
        metadata: Any,
        op: Op,
        status: Literal["started", "done", "failed"],
        message: str | None = None,
    ) -> None:
        name = _name(metadata.urn)
        self._on_step(StepEvent(metadata.urn, metadata.type, name, op, status, time.time(), message))


@contextmanager
def _translated(record: _Record | None = None) -> Iterator[None]:
    """The automation API's errors as ours, with what the events told about them."""
    from pulumi import automation

    try:
        yield
    except automation.ConcurrentUpdateError as error:
        raise UsageError(
            f"The stack is in use: {_last_line(error)} Wait until the other operation has ended; if there is none, "
            "run pulumi cancel."
        ) from error
    except (automation.InvalidVersionError, FileNotFoundError) as error:
        raise UsageError(f"The Pulumi CLI cannot be used: {error}") from error
    except automation.CommandError as error:
        problems = record.problems if record else {}
        lines = [
            f"  - {urn or 'the program'}: {'; '.join(texts) or 'no reason given'}" for urn, texts in problems.items()
        ]
        raise EngineError("\n".join(["The Pulumi CLI failed:", *(lines or [f"  {_last_line(error)}"])])) from error
    except KeyboardInterrupt:
        _let_it_end()
        raise


def _let_it_end() -> None:
    """Ctrl-C in a terminal goes to the CLI too, which then cancels what it does and keeps its state: let it."""
    import psutil

    children = [p for p in psutil.Process().children() if p.name().startswith("pulumi")]
    psutil.wait_procs(children, _ENDING_SECONDS)


def _output(output: Any) -> object:
    return Secret(output.value) if output.secret else output.value


def _known(value: Any) -> Any:
    """An input as the CLI shows it (secrets are hidden already), with our marker for what is unknown."""
    if isinstance(value, dict):
        return {k: _known(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_known(v) for v in value]
    return "[unknown]" if value == _UNKNOWN else value


def _name(urn: str) -> str:
    return urn.split("::", 3)[-1]


def _plain_text(message: str) -> str:
    """A diagnostic without the CLI's colour tags."""
    return re.sub(r"<\{%[^%]*%\}>", "", message).strip()


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("stderr:").strip() if lines else "it gave no reason."

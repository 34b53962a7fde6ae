"""The engine of the Pulumi CLI, driven by the automation API with the project's own program and stack files.

The configuration of a run goes to the program in the environment variable CSSCGEN_CONFIG (JSON), so that settings which
are overridden for one run never end up in a stack file, nor in a command line. Backend, credentials, passphrase and
organization are the CLI's own business: a stack is selected by its bare name, in the organization that is the default.
Events do not carry dependencies: a step that this engine reports has none.

A destroy does not refresh first. It has to work when the cluster does not answer, what Azure has no more it takes as
deleted anyway, and what a create that was cut off left is in the stack's resource group, which goes as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from infra.engine.events import Record, name_of
from infra.engine.types import Known, OnStep, Outcome, ignore_step
from infra.engine.values import Secret
from workloads.errors import EngineError

if TYPE_CHECKING:
    from pulumi.automation import Stack

    from infra.engine.commands import Command

CONFIG = "CSSCGEN_CONFIG"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_ORGANIZATION = "organization/"
"""Begins the full name of a stack in a backend that has no organizations."""


class CliEngine:
    """``root`` has Pulumi.yaml. The states are wherever the CLI's backend keeps them."""

    name: Literal["cli"] = "cli"

    def __init__(self, root: Path) -> None:
        self._root = str(root.resolve())

    @property
    def version(self) -> str:
        """The CLI's version."""
        return str(self._command.version)

    @cached_property
    def _command(self) -> Command:
        from infra.engine.commands import Command

        return Command()

    def up(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        from pulumi import automation

        from infra.engine.commands import translated

        record = Record(on_step)
        with translated(f"bring up stack {stack}", record.told):
            made = automation.create_or_select_stack(stack, work_dir=self._root, opts=self._options(config))
            result = made.up(on_event=record.event, color="never", show_secrets=False)
        return record.outcome({k: _output(v) for k, v in result.outputs.items()})

    def preview(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        from pulumi import automation

        from infra.engine.commands import translated

        record = Record(on_step)
        with translated(f"preview stack {stack}", record.told):
            made = automation.create_or_select_stack(stack, work_dir=self._root, opts=self._options(config))
            made.preview(on_event=record.event, color="never")
        return record.outcome(record.stack_outputs)

    def destroy(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        from infra.engine.commands import translated

        record = Record(on_step)
        with translated(f"destroy stack {stack}", record.told):
            made = self._selected(stack, config)
            if made is not None:
                made.destroy(on_event=record.event, color="never", show_secrets=False)
        return record.outcome({})

    def outputs(self, stack: str) -> dict[str, object]:
        from pulumi import automation

        from infra.engine.commands import translated

        with translated(f"read the outputs of stack {stack}"):
            try:
                found = self._workspace().stack_outputs(stack)
            except automation.StackNotFoundError:
                return {}
        return {k: _output(v) for k, v in found.items()}

    def exists(self, stack: str) -> bool:
        from infra.engine.commands import translated

        with translated("list the stacks"):
            stacks = self._workspace().list_stacks()
        return any(_is_called(s.name, stack) and s.resource_count for s in stacks)

    def resources(self, stack: str) -> tuple[Known, ...]:
        from pulumi import automation

        from infra.engine.commands import translated

        with translated(f"export the state of stack {stack}"):
            try:
                # Not by the automation API's own export_stack, which asks for the secrets in clear.
                text = self._command.run(["stack", "export", "--stack", stack], self._root, {}).stdout
            except automation.StackNotFoundError:
                return ()
        try:
            return _known_resources(json.loads(text).get("deployment") or {})
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise EngineError(
                f"What the Pulumi CLI exported of stack {stack} is no state: {type(error).__name__}. Look at it with "
                f"`pulumi stack export --stack {stack}`."
            ) from error

    def _workspace(self) -> Any:
        """For what only reads: it selects no stack, which a user would find selected afterwards."""
        from pulumi import automation

        return automation.LocalWorkspace(work_dir=self._root, pulumi_command=self._command)

    def _selected(self, stack: str, config: Mapping[str, object]) -> Stack | None:
        from pulumi import automation

        try:
            return automation.select_stack(stack, work_dir=self._root, opts=self._options(config))
        except automation.StackNotFoundError:
            return None

    def _options(self, config: Mapping[str, object]) -> Any:
        from pulumi import automation

        environment = {CONFIG: json.dumps(dict(config))}
        return automation.LocalWorkspaceOptions(env_vars=environment, pulumi_command=self._command)


def _output(output: Any) -> object:
    return Secret(output.value) if output.secret else output.value


def _is_called(listed: str, stack: str) -> bool:
    """Whether the name in a list of stacks is that of ``stack`` here; of another organization it is another's."""
    return listed == stack or (listed.startswith(_ORGANIZATION) and listed.rpartition("/")[2] == stack)


def _known_resources(deployment: Mapping[str, Any]) -> tuple[Known, ...]:
    """The resources of an exported state, and those whose making was cut off."""
    pending = [each["resource"] for each in deployment.get("pending_operations") or () if each["type"] == "creating"]
    both = [(each, False) for each in deployment.get("resources") or ()] + [(each, True) for each in pending]
    return tuple(
        Known(
            each["urn"],
            each["type"],
            name_of(each["urn"]),
            each.get("id", ""),
            {key: _hidden(value) for key, value in (each.get("inputs") or {}).items()},
            unfinished,
        )
        for each, unfinished in both
        if each.get("custom") and not each.get("external") and not each["type"].startswith("pulumi:")
    )


def _hidden(value: Any) -> Any:
    """An input in an exported state, where a secret is an object with its cipher text."""
    if isinstance(value, dict):
        return "[secret]" if _SECRET in value.values() else {k: _hidden(v) for k, v in value.items()}
    return [_hidden(v) for v in value] if isinstance(value, list) else value

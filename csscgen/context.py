"""What every command on a stack starts from: the project, the stack, read and checked, the engine, the state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.shapes import entries, items, maybe, number, text, values
from csscgen.progress import Progress
from csscgen.stackfiles import Stack, chosen_folder, merged, parse_changes, project_root, read
from infra.engine import Engine, Secret, select
from infra.engine.places import INSTANCE_VARIABLE, STATE_VARIABLE, instance_of, state_base, state_folder
from infra.local import tools
from infra.settings import Settings
from workloads.errors import UsageError


@dataclass(frozen=True)
class Context:
    """A stack that is about to be worked on."""

    root: Path
    state: Path
    stack: Stack
    engine: Engine
    progress: Progress
    changes: tuple[str, ...] = ()
    """The ``--set`` words that are in the stack's settings."""

    @property
    def settings(self) -> Settings:
        return self.stack.settings

    @property
    def instance(self) -> str | None:
        """The instance that the stack belongs to; None without one."""
        return instance_of(self.state)

    @property
    def stacks(self) -> list[Stack]:
        """The shared stack, if it refers to one, and the stack."""
        return [*filter(None, [self.stack.shared]), self.stack]

    def files(self, stack: Stack) -> Path:
        """The folder of a local stack's files: its processes carry it in their mark."""
        return self.state / stack.name / "files"

    def named(self, command: str) -> str:
        """A command on this stack as a user would type it."""
        instance = f" --instance {self.instance}" if self.instance else ""
        return f"csscgen {command} --stack {self.stack.name}{instance}"

    def changed(self, **subjects: Any) -> Context:
        """The same with some of the stack's keys changed: ``changed(load={"start": True})``."""
        config = merged(self.stack.config, subjects)
        settings = Settings.read({k: v for k, v in config.items() if ":" not in k}, f"stack {self.stack.name}")
        return replace(self, stack=replace(self.stack, config=config, settings=settings))

    def asked(self, files: Sequence[str]) -> Context:
        """The same with metric profiles besides those of the stack."""
        if not files:
            return self
        return self.changed(monitoring={"profiles": [*self.settings.monitoring.profiles, *files]})

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear. Raises UsageError if it is not up."""
        return self._outputs(self.stack)

    def shared_outputs(self) -> dict[str, Any]:
        """The outputs of the shared stack."""
        return self._outputs(self.stack.shared or self.stack)

    def _outputs(self, stack: Stack) -> dict[str, Any]:
        known = self.engine.outputs(stack.name)
        if not known:
            raise UsageError(f"Stack {stack.name} is not up. `{self.named('up')}` brings it up.")
        found = _Outputs((key, value.value if isinstance(value, Secret) else value) for key, value in known.items())
        found.stack = stack.name
        if problem := OUTPUTS(found):
            raise UsageError(
                f"Stack {stack.name} is up with outputs that are none of this program's: {problem}. Destroy it and "
                "bring it up again."
            )
        return found


_FILES = entries({"keyFile": text, "certificate": text})
_TARGET = entries({}, {**dict.fromkeys(("metrics", "log", "folder"), maybe(text)), "pid": maybe(number)})
OUTPUTS = entries(
    {},
    {
        **dict.fromkeys(("kubeconfig", "registry", "signingKeyFile", "signingCertificate", "trustStore"), text),
        "prometheus": maybe(text),
        "prometheusService": maybe(entries({"namespace": text, "name": text, "port": number})),
        "components": maybe(
            values(entries({**dict.fromkeys(("namespace", "selector", "container"), text), "port": number}))
        ),
        "targets": maybe(values(_TARGET)),
        "metricsClient": maybe(entries({"ca": text, "certificate": items(text)})),
        "refusedSigners": values(_FILES),
        "credentials": maybe(values(text)),
        "registries": items(entries({"size": text, "host": text})),
        "vault": entries({"uri": text}),
        **dict.fromkeys(("certificateName", "trustedIdentity", "tenantId"), text),
        "audit": maybe(entries({"log": text, "old_files": number})),
    },
)
"""The form of a stack's outputs, so far as the harness relies on it."""


class _Outputs(dict[str, Any]):
    """Outputs of a stack; whoever asks for one that it does not have is told why."""

    stack = ""

    def __missing__(self, key: str) -> Any:
        raise UsageError(
            f"Stack {self.stack} is up and has no output {key}: its `up` did not come to its end, or was of another "
            "version. `csscgen up` completes it; else destroy it and bring it up again."
        )


def open_context(
    name: str,
    words: Sequence[str] = (),
    engine: str = "auto",
    *,
    quiet: bool = False,
    scenario: bool = False,
    instance: str | None = None,
) -> Context:
    """Reads and checks a stack, with ``--set`` words; ``scenario`` says that it has to be one with a load.

    ``instance`` names a set of stacks of its own.

    Raises UsageError or SettingsError; touches nothing.
    """
    root = project_root()
    chosen_folder(STATE_VARIABLE, root / ".state")
    state = state_folder(root, instance or "")
    # The program finds them there, in this process or under the CLI.
    os.environ[STATE_VARIABLE] = str(state_base(root))
    os.environ[INSTANCE_VARIABLE] = instance_of(state) or ""
    stack = read(root, name, parse_changes(words))
    if scenario and stack.shared is None:
        raise UsageError(
            f"Stack {name} has no scenario: its sharedStack is not set, so it is what others share. Name a stack that "
            "refers to it, such as local-S."
        )
    chosen = select(engine, root=root, state=state)  # type: ignore[arg-type]  # click has checked the choice
    if chosen.name == "cli" and instance_of(state):
        raise UsageError(
            "Instances are of the embedded engine: the Pulumi CLI knows a stack by its name alone. Use --engine "
            "embedded, or a stack file of its own for each."
        )
    return Context(root, state, stack, chosen, Progress(quiet=quiet), tuple(words))


def needed_tools(settings: Settings, shared: Settings) -> list[tools.Tool]:
    """The tools that a local stack and its shared stack start."""
    chosen = tools.select([])
    if shared.registry_kind == "distribution":
        chosen.append(tools.TOOLS["distribution"])
    if settings.monitoring.prometheus == "on" and not settings.monitoring.prometheusUrl:
        chosen.append(tools.TOOLS["prometheus"])
    return chosen

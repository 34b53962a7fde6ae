"""The engine that needs no Pulumi CLI: it runs the program here, makes what the program declares with providers in this
process, and remembers it in a file per stack.

It exists so that the program can be run and tested anywhere. What it cannot do it refuses before anything is touched;
Azure's resources can be previewed with it, and need the CLI to be made.
"""

from __future__ import annotations

import os
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from infra.engine.deletions import Deleter
from infra.engine.deployment import Deployment
from infra.engine.locks import private_folder, stack_lock
from infra.engine.progress import Progress
from infra.engine.providers import Factory, Registry, builtin
from infra.engine.state import FILE, StackState, UnreadableStateError, set_aside
from infra.engine.types import Known, OnStep, Outcome, ignore_step
from infra.engine.values import Properties, Secret, has_secret, has_unknown, plain, redacted
from workloads.errors import EngineError, ProjectError, UsageError

ERRORS = "error.log"


class EmbeddedEngine:
    """``root`` has Pulumi.yaml and ``__main__.py``; ``state`` is the folder of the stacks' states.

    ``providers`` are those of ``infra.engine.providers.builtin``, and there are no ``functions`` that a program could
    call, unless a test brings others.
    """

    name: Literal["embedded"] = "embedded"
    version = "1"

    def __init__(
        self,
        root: Path,
        state: Path,
        providers: Mapping[str, Factory] | None = None,
        functions: Mapping[str, Callable[[Properties], Properties]] | None = None,
    ) -> None:
        self._root = root.resolve()
        self._state = state.resolve()
        self._providers = providers
        self._functions = functions

    def up(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        if config.get("platform") == "azure" and self._providers is None:
            raise UsageError(
                f"Stack {stack} is on Azure, and making it needs the Pulumi CLI. Install it and use --engine cli."
            )
        with self._opened(stack) as state:
            return self._run(stack, config, state, on_step, dry=False)

    def preview(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        return self._run(stack, config, self._load(stack), on_step, dry=True)

    def destroy(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        from infra.engine.runner import importable

        if not self._folder(stack).exists():
            return Outcome({}, {}, ())
        progress = Progress(on_step)
        if config.get("platform", "local") == "local":
            self._set_aside_unreadable(stack)
        with self._opened(stack) as state, importable(self._root):
            Deleter(state, self._registry(stack), progress, threading.Event()).destroy()
            self._raise_failures(stack, progress, None)
        return Outcome({}, progress.changes, tuple(progress.steps))

    def outputs(self, stack: str) -> dict[str, object]:
        return _shown(self._load(stack).outputs)

    def exists(self, stack: str) -> bool:
        return not self._load(stack).empty()

    def resources(self, stack: str) -> tuple[Known, ...]:
        state = self._load(stack)
        both = [(each, False) for each in state.resources()] + [(each, True) for each in state.unfinished()]
        return tuple(
            Known(
                each.urn,
                each.type,
                each.name,
                each.id,
                {key: redacted(value) for key, value in each.inputs.items()},
                unfinished,
            )
            for each, unfinished in both
            if each.custom and not each.external and not each.type.startswith("pulumi:")
        )

    def _set_aside_unreadable(self, stack: str) -> None:
        """What a file says that cannot be read is lost to this engine. All that a local stack has made can be found
        without it: processes by their marks, files and ports by their folder."""
        with stack_lock(self._folder(stack), stack):
            try:
                self._load(stack)
            except UnreadableStateError:
                set_aside(self._folder(stack))

    def _folder(self, stack: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", stack):
            raise UsageError(
                f"{stack!r} cannot be the name of a stack: use letters, digits, dots, hyphens and underscores."
            )
        return self._state / stack

    def _registry(self, stack: str) -> Registry:
        if self._providers is not None:
            return Registry(self._providers)
        return Registry(builtin(f"{project_name(self._root)}-{stack}"))

    def _load(self, stack: str) -> StackState:
        return StackState.load(self._folder(stack), self._state)

    @contextmanager
    def _opened(self, stack: str) -> Iterator[StackState]:
        """The state of a stack under its lock; written on the way out, and removed if nothing is left in it."""
        with stack_lock(self._folder(stack), stack):
            state = self._load(stack)
            try:
                yield state
            finally:
                state.close()
                if state.empty():
                    state.delete_file()

    def _run(
        self,
        stack: str,
        config: Mapping[str, object],
        state: StackState,
        on_step: OnStep,
        *,
        dry: bool,
    ) -> Outcome:
        from infra.engine.monitor import EngineLog, Monitor
        from infra.engine.runner import importable, run_program

        project = project_name(self._root)
        progress = Progress(on_step)
        deployment = Deployment(state, self._registry(stack), progress, dry=dry)
        monitor = Monitor(project, stack, deployment, self._outputs_of, dry=dry, functions=self._functions)
        log = EngineLog()
        error: Exception | None = None
        (self._folder(stack) / ERRORS).unlink(missing_ok=True)
        try:
            with importable(self._root):
                run_program(
                    self._root,
                    monitor,
                    log,
                    project=project,
                    stack=stack,
                    config=config,
                    dry=dry,
                    settle=deployment.settle,
                )
        except SystemExit as left:
            error = EngineError(f"The program ended itself with exit code {left.code}.")
        except Exception as raised:
            error = raised
        if error is None and log.errors:
            error = EngineError(progress.clean("\n".join(log.errors)))
        known = {k: v for k, v in monitor.outputs.items() if not has_unknown(v)}
        if not dry:
            state.set_outputs(known)
        self._raise_failures(stack, progress, error)
        deployment.delete_gone()
        self._raise_failures(stack, progress, None)
        return Outcome(_shown(monitor.outputs), progress.changes, tuple(progress.steps))

    def _outputs_of(self, stack: str) -> Properties | None:
        """What a StackReference sees."""
        if not (self._folder(stack) / FILE).exists():
            return None
        return self._load(stack).outputs

    def _raise_failures(self, stack: str, progress: Progress, error: Exception | None) -> None:
        """Raises what went wrong: the program's own error if that is all, else every resource that failed."""
        if error is None and not progress.failures:
            return
        if isinstance(error, ProjectError) and not progress.failures:
            raise error
        log = self._log_tracebacks(stack, progress, error)
        lines = [f"  - {urn}: {message}" for urn, message in progress.failures.items()]
        if lines:
            lines.insert(0, f"{len(lines)} resource{'s'[: len(lines) > 1]} of stack {stack} failed:")
        if error is not None:
            last = traceback.format_exception_only(error)[-1].strip()
            lines.append(f"The program of stack {stack} failed: {progress.clean(last)}")
        if log is not None:
            lines.append(f"The traceback is in {log}.")
        raise EngineError("\n".join(lines)) from error

    def _log_tracebacks(self, stack: str, progress: Progress, error: Exception | None) -> Path | None:
        texts = list(progress.tracebacks)
        if error is not None and not isinstance(error, ProjectError):
            texts.append("".join(traceback.format_exception(error)))
        if not texts:
            return None
        log = self._folder(stack) / ERRORS
        private_folder(log.parent)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(progress.clean("\n".join(texts)))
        return log


def project_name(root: Path) -> str:
    """The name in Pulumi.yaml; raises ``UsageError`` if there is none."""
    import yaml

    file = root / "Pulumi.yaml"
    try:
        project = yaml.safe_load(file.read_text(encoding="utf-8"))
        return str(project["name"])
    except (OSError, yaml.YAMLError, ValueError, RecursionError, TypeError, KeyError) as error:
        raise UsageError(
            f"{file} cannot be read as a Pulumi project ({type(error).__name__}). Run from the folder of the project."
        ) from None


def _shown(outputs: Properties) -> dict[str, object]:
    return {k: Secret(plain(v)) if has_secret(v) else redacted(v) for k, v in outputs.items()}

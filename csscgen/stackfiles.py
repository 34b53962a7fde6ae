"""Stack files: which there are, what is in them, and what ``--set`` changes for one run.

A stack is checked here before anything is touched: its name, its keys, the stack that it refers to.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Settings
from workloads.errors import SettingsError, UsageError

PROJECT = "ratify-perf"
SHARED_SUBJECTS = ("registry", "signing")
"""Subjects of a run's ``--set`` that its shared stack is given too: they are made there."""


@dataclass(frozen=True)
class Stack:
    """A stack that was read and checked."""

    name: str
    config: dict[str, object]
    """Its configuration as an engine takes it: the project's keys without namespace, changed keys and all."""
    settings: Settings
    shared: Stack | None = None


def project_root() -> Path:
    """The folder with Pulumi.yaml: the current one or the nearest above it, else this checkout's."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").exists() and (folder / "stacks").is_dir():
            return folder
    return Path(__file__).resolve().parents[1]


def stack_names(root: Path) -> list[str]:
    """The stacks that have a file, in order of their names."""
    return sorted(file.name[len("Pulumi.") : -len(".yaml")] for file in (root / "stacks").glob("Pulumi.*.yaml"))


def read(root: Path, name: str, changes: Mapping[str, object] | None = None) -> Stack:
    """The stack ``name`` with ``changes`` (subject → value or {key: value}) and the shared stack that it refers to.

    Raises UsageError for an unknown stack, SettingsError that names every bad key.
    """
    config = merged(_file(root, name), changes or {})
    where = f"stack {name}"
    settings = Settings.read({key: value for key, value in config.items() if ":" not in key}, where)
    shared = None
    if settings.sharedStack:
        for_shared = {key: value for key, value in (changes or {}).items() if key in SHARED_SUBJECTS}
        shared = read(root, settings.sharedStack, for_shared) if settings.sharedStack != name else None
        if shared is None or shared.shared:
            problem = f"sharedStack: {settings.sharedStack} refers to a shared stack itself, so it cannot be one."
            raise SettingsError(where, [problem])
        sizes = [region.size for region in shared.settings.registry.regions]
        if settings.registry.size not in sizes:
            problem = f"registry.size: {shared.name} has no registry of size {settings.registry.size}, only {sizes}."
            raise SettingsError(where, [problem])
    return Stack(name, config, settings, shared)


def parse_changes(words: Sequence[str]) -> dict[str, object]:
    """``--set subject.key=value`` words as changes. Raises UsageError for one that has no such form."""
    import yaml

    changes: dict[str, object] = {}
    for word in words:
        path, equals, text = word.partition("=")
        subject, dot, key = path.strip().partition(".")
        if not equals or not subject or (dot and not key):
            raise UsageError(f"--set takes subject.key=value, such as registry.size=XS; got {word!r}.")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):  # a ValueError for what looks like a date and is none
            value = text
        if dot:
            inner = changes.setdefault(subject, {})
            if not isinstance(inner, dict):
                raise UsageError(f"--set sets {subject} twice, once as a whole; set either it or its keys.")
            inner[key] = value
        elif isinstance(changes.get(subject), dict):
            raise UsageError(f"--set sets {subject} twice, once as a whole; set either it or its keys.")
        else:
            changes[subject] = value
    return changes


def merged(config: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """``config`` with single keys changed. A subject may be there as JSON text, as the Pulumi CLI writes it."""
    result = dict(config)
    for subject, value in changes.items():
        before = _object(result.get(subject))
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        result[subject] = {**before, **value} if both else value  # type: ignore[dict-item]  # both are mappings
    return result


def _object(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _file(root: Path, name: str) -> dict[str, object]:
    import yaml

    file = root / "stacks" / f"Pulumi.{name}.yaml"
    if not file.exists():
        names = stack_names(root)
        near = difflib.get_close_matches(name, names, n=1)
        advice = f"Did you mean {near[0]}?" if near else f"The stacks are {', '.join(names)}."
        raise UsageError(f"There is no stack {name}: stacks/Pulumi.{name}.yaml does not exist. {advice}")
    try:
        content = yaml.safe_load(file.read_text()) or {}
        config = content.get("config") or {}
        return {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}
    except (yaml.YAMLError, AttributeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise SettingsError(f"stack {name}", [f"{file.name} is not a stack file{place}: mend its YAML."]) from None

"""Stack files: which there are, what is in them, and what ``--set`` changes for one run.

A stack is checked here before anything is touched: its name, its keys, the stack that it refers to.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.faults import registry_problems
from infra.settings import Settings
from workloads.errors import LONGEST_NAME, SettingsError, UsageError, named, quoted

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


def chosen_folder(variable: str, default: Path) -> Path:
    """The folder that an environment variable names, else ``default``; it need not be there yet.

    Raises UsageError if something that is no folder is in its place, or in the place of one that it is in.
    """
    value = os.environ.get(variable)
    folder = Path(value or default).resolve()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        why = f"{variable} says so" if value else f"{variable} can name another"
        raise UsageError(f"{folder} is to be a folder ({why}), and {there} is not a folder. Name another, or move it.")
    return folder


def stack_names(root: Path) -> list[str]:
    """The stacks that have a file, in order of their names."""
    return sorted(file.name[len("Pulumi.") : -len(".yaml")] for file in (root / "stacks").glob("Pulumi.*.yaml"))


def read(root: Path, name: str, changes: Mapping[str, object] | None = None) -> Stack:
    """The stack ``name`` with ``changes`` (subject → value or {key: value}) and the shared stack that it refers to.

    Raises UsageError for an unknown stack, SettingsError that names every bad key.
    """
    return _read(root, name, changes or {}, None)


def _read(root: Path, name: str, changes: Mapping[str, object], user: str | None) -> Stack:
    """``user`` is the stack that refers to this one as its shared stack, which therefore may not refer to another."""
    config = merged(_file(root, name), changes)
    where = f"stack {name}"
    settings = Settings.read({key: value for key, value in config.items() if ":" not in key}, where)
    shared = None
    if settings.sharedStack and (user or settings.sharedStack == name):
        problem = f"sharedStack: {name} refers to a shared stack itself, so it cannot be one."
        raise SettingsError(f"stack {user or name}", [problem])
    if settings.sharedStack:
        for_shared = {key: value for key, value in changes.items() if key in SHARED_SUBJECTS}
        shared = _read(root, settings.sharedStack, for_shared, name)
        sizes = [region.size for region in shared.settings.registry.regions]
        if settings.registry.size not in sizes:
            problem = f"registry.size: {shared.name} has no registry of size {settings.registry.size}, only {sizes}."
            raise SettingsError(where, [problem])
        registry = shared.settings.registry
        if problems := list(registry_problems(settings.faults, shared.settings.registry_kind, registry.storage)):
            raise SettingsError(where, problems)
    return Stack(name, config, settings, shared)


def parse_changes(words: Sequence[str]) -> dict[str, object]:
    """``--set subject.key=value`` words as changes. Raises UsageError for one that has no such form."""
    import yaml

    changes: dict[str, object] = {}
    for word in words:
        path, equals, text = word.partition("=")
        subject, dot, key = path.strip().partition(".")
        if not equals or not subject or (dot and not key):
            raise UsageError(f"--set takes subject.key=value, such as registry.size=XS; got {quoted(word)}.")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):  # a ValueError for what looks like a date and is none
            value = text
        if dot:
            inner = changes.setdefault(subject, {})
            if not isinstance(inner, dict):
                raise UsageError(f"--set sets {named(subject)} twice, once as a whole; set either it or its keys.")
            inner[key] = value
        elif isinstance(changes.get(subject), dict):
            raise UsageError(f"--set sets {named(subject)} twice, once as a whole; set either it or its keys.")
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
    except (ValueError, RecursionError):
        return value


def _file(root: Path, name: str) -> dict[str, object]:
    import yaml

    from csscgen.yamlfiles import RepeatedKey, load

    names = stack_names(root)
    if name not in names:
        near = difflib.get_close_matches(name[:LONGEST_NAME], names, n=1)
        advice = f"Did you mean {near[0]}?" if near else f"The stacks are {', '.join(names)}."
        if not names:
            advice = f"There are no stack files in {root / 'stacks'}."
        shown = named(name)
        raise UsageError(f"There is no stack {shown}: stacks/Pulumi.{shown}.yaml does not exist. {advice}")
    file = root / "stacks" / f"Pulumi.{name}.yaml"
    try:
        content = load(file.read_text(encoding="utf-8")) or {}
        config = content.get("config") or {}
        return {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}
    except OSError as error:
        raise SettingsError(f"stack {name}", [f"{file.name} cannot be read: {error.strerror}."]) from None
    except (yaml.YAMLError, AttributeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        what = f"is not a stack file{place}"
        if isinstance(error, RepeatedKey):
            what = f"has the key {quoted(error.key)} twice{place}"
        raise SettingsError(f"stack {name}", [f"{file.name} {what}: mend its YAML."]) from None

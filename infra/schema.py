"""The settings as documents: the config section of Pulumi.yaml and the tables of docs/settings.md.

Both are made from the settings' own metadata by ``scripts/docs`` and compared with it by a test, so that a key cannot
be added in one place only.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from infra.settings import SUBJECTS, Settings


def default(field: Field[Any]) -> Any:
    """A field's default as config would hold it."""
    value = field.default if field.default_factory is MISSING else field.default_factory()
    return _plain(value)


def project_config() -> dict[str, Any]:
    """The config section of Pulumi.yaml: every key with its type, description and, where it has one, default."""
    hints = get_type_hints(Settings)
    config: dict[str, Any] = {}
    for field in fields(Settings):
        entry: dict[str, Any] = {"type": _project_type(hints[field.name])}
        if subject := SUBJECTS.get(field.name):
            entry["description"] = f"{_first_line(subject)} Keys: {', '.join(f.name for f in fields(subject))}."
        else:
            entry["description"] = field.metadata["doc"]
        if entry["type"] == "array":
            entry["items"] = {"type": "object"}  # Pulumi refuses an array that does not say of what
        value = default(field)
        # A key without a value is a missing one to Pulumi, so "none" is spelt as empty text.
        entry["default"] = "" if value is None else value
        config[field.name] = entry
    return config


def project_file() -> str:
    """Pulumi.yaml as it is checked in."""
    project = {
        "name": "ratify-perf",
        "description": "Load tests for Ratify and Gatekeeper, on Azure or on one machine",
        "runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}},
        "stackConfigDir": "stacks",
        "requiredPulumiVersion": ">=3.258.0",
        "config": project_config(),
    }
    head = "# Made by scripts/docs from infra/settings, where every key has its documentation: change it there.\n"
    return head + yaml.safe_dump(project, sort_keys=False, width=120)


def settings_tables() -> str:
    """The tables of docs/settings.md: a section per subject, a row per key."""
    parts = [_table("Stack", "What the stack is.", Settings)]
    parts += [_table(f"`{name}`", _first_line(cls), cls, f"{name}.") for name, cls in SUBJECTS.items()]
    return "\n".join(parts)


def _table(title: str, text: str, cls: type, prefix: str = "") -> str:
    hints = get_type_hints(cls)
    rows = [
        f"| `{prefix}{f.name}` | {type_name(hints[f.name])} | {f.metadata.get('unit', '')} | "
        f"{_shown(default(f))} | {f.metadata['doc']} |"
        for f in fields(cls)
        if f.name not in SUBJECTS or prefix
    ]
    return "\n".join(
        [f"## {title}", "", text, "", "| key | type | unit | default | meaning |", "|---|---|---|---|---|", *rows, ""]
    )


def type_name(hint: Any) -> str:
    """A setting's type in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return f"{type_name(next(a for a in arguments if a is not type(None)))} or null"
    if origin is Literal:
        return ", ".join(f"`{a}`" for a in arguments)
    if origin is tuple:
        return "list"
    if origin is not None or is_dataclass(hint):
        return "object"
    return {"str": "text", "int": "integer", "float": "number", "bool": "on/off"}[hint.__name__]


def _project_type(hint: Any) -> str:
    """The nearest type that Pulumi's config schema has."""
    named = type_name(hint).removesuffix(" or null")
    known = {"integer": "integer", "number": "string", "on/off": "boolean", "list": "array", "object": "object"}
    return known.get(named, "string")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(inner) for key, inner in asdict(value).items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return "; ".join(", ".join(map(str, v.values())) if isinstance(v, dict) else str(v) for v in value)
    return f"`{value}`" if value not in ("", {}) else ""


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]

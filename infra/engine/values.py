"""Property values as the engine handles them: plain JSON, plus two kinds of leaf that JSON has not.

``Secret`` wraps a value that must not be shown; ``UNKNOWN`` stands for one that only an ``up`` will know. Everything
that needs to walk such values (strip, redact, search, compare paths) is here, and nothing here knows Pulumi's wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Value = object
Properties = dict[str, object]


@dataclass(frozen=True, repr=False)
class Secret:
    """A value that must not be shown: ``str`` and ``repr`` are ``[secret]``, ``.value`` has it."""

    value: object

    def __repr__(self) -> str:
        return "[secret]"


class _Unknown:
    def __repr__(self) -> str:
        return "[unknown]"


UNKNOWN: Final = _Unknown()


def plain(value: Value) -> Value:
    """The value with every ``Secret`` opened, at any depth."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def plain_properties(properties: Properties) -> Properties:
    """``plain`` for a mapping of properties."""
    return {k: plain(v) for k, v in properties.items()}


def redacted(value: Value) -> Value:
    """The value as JSON that can be shown: secrets as ``"[secret]"``, unknowns as ``"[unknown]"``."""
    if isinstance(value, Secret) or value is UNKNOWN:
        return repr(value)
    if isinstance(value, dict):
        return {k: redacted(v) for k, v in value.items()}
    if isinstance(value, list):
        return [redacted(v) for v in value]
    return value


def leaves(value: Value) -> Iterator[Value]:
    """Every leaf of a value; a ``Secret`` is one leaf, and its content is not walked."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def has_unknown(value: Value) -> bool:
    """Whether anything in the value, secrets included, is not known yet."""
    return any(leaf is UNKNOWN or (isinstance(leaf, Secret) and has_unknown(leaf.value)) for leaf in leaves(value))


def has_secret(value: Value) -> bool:
    """Whether anything in the value is a secret."""
    return any(isinstance(leaf, Secret) for leaf in leaves(value))


def secret_texts(value: Value) -> Iterator[str]:
    """The texts inside the secrets of a value, for taking them out of messages."""
    for leaf in leaves(value):
        if isinstance(leaf, Secret):
            yield from (text for text in leaves(plain(leaf.value)) if isinstance(text, str))


def parse_path(path: str) -> list[str | int]:
    """A property path of Pulumi (``spec.ports[0]["a.b"]``) as a list of keys and indices.

    Raises ``ValueError`` on a path with a wildcard or one that cannot be read.
    """
    parts: list[str | int] = []
    rest = path
    while rest:
        match = re.match(r'\.?([^.\[\]"*]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]', rest)
        if match is None:
            raise ValueError(path)
        key, index, quoted = match.groups()
        parts.append(int(index) if index is not None else key if key is not None else quoted)
        rest = rest[match.end() :]
    return parts


def get_path(value: Value, path: list[str | int]) -> Value:
    """What is at a path, or None."""
    for part in path:
        value = plain(value) if isinstance(value, Secret) else value
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if part < len(value) else None
        else:
            return None
    return value


def set_path(value: Value, path: list[str | int], new: Value) -> Value:
    """A copy of ``value`` with ``new`` at the path; None takes the key out. Missing parents are made for keys."""
    if not path:
        return new
    head, *tail = path
    if isinstance(value, Secret):
        return Secret(set_path(value.value, path, new))
    if isinstance(value, list) and isinstance(head, int):
        return [set_path(v, tail, new) if i == head else v for i, v in enumerate(value)]
    if not isinstance(value, dict) and value is not None:
        return value
    copy = dict(value or {})
    child = set_path(copy.get(str(head)), tail, new)
    if child is None:
        copy.pop(str(head), None)
    else:
        copy[str(head)] = child
    return copy

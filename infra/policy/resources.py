"""What the rules judge: resources and outputs as plain JSON, and how to walk through them.

Two texts have a meaning here, as in a preview: ``[secret]`` stands for a value that is kept secret, ``[unknown]`` for
one that only an ``up`` will know. Nothing here imports pulumi, so that the command line can judge a preview.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Platform = Literal["azure", "local", "kubeconfig"]

SECRET = "[secret]"
UNKNOWN = "[unknown]"
HIDDEN = (SECRET, UNKNOWN)
RELEASE = "kubernetes:helm.sh/v3:Release"
Path = tuple[str, ...]


@dataclass(frozen=True)
class Resource:
    """A resource as the program declares it."""

    type: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    urn: str = ""
    protect: bool = False
    retain_on_delete: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.type})"

    def get(self, *path: str) -> Any:
        """What is at a path of the inputs; None if nothing is, ``[unknown]`` if something on the way is unknown."""
        return get(self.inputs, *path)


@dataclass(frozen=True)
class Rule:
    """One rule about resources. ``check`` yields a sentence for each thing that breaks it: what, and what to do."""

    name: str
    description: str
    check: Callable[[Resource, Platform], Iterator[str]]
    pack: bool = True
    """Whether a policy pack can judge by it; if not, only ``csscgen preview`` does."""


@dataclass(frozen=True)
class Violation:
    """What breaks a rule: ``urn`` is empty for an output of the stack."""

    rule: str
    urn: str
    message: str


def get(value: Any, *path: str) -> Any:
    """What is at a path; None if nothing is, ``[unknown]`` or ``[secret]`` if that is on the way."""
    for key in path:
        if value in HIDDEN:
            return value
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf with its path, whose parts are keys and indices."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, str(index)))
    else:
        yield path, value


def mappings(value: Any, path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every mapping with its path, the outermost first."""
    if isinstance(value, Mapping):
        yield path, value
        for key, item in value.items():
            yield from mappings(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from mappings(item, (*path, str(index)))


def shown(path: Path) -> str:
    """A path as a message has it."""
    return ".".join(path)

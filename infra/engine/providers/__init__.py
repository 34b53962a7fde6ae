"""The seam between the engine and what makes things: a provider per kind of resource, looked up by type.

Providers get and give plain JSON: secrets are opened before the call and marked again after it. A provider never sees
the state; what it may assume is that ``create`` is called once per intent, and that ``recover`` is called for an intent
whose outcome nobody knows.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from infra.engine.values import Properties
from workloads.errors import EngineError


@dataclass(frozen=True)
class Diff:
    """What separates a resource from what is wanted."""

    changed: bool = False
    replace: bool = False
    """It cannot be updated in place."""
    delete_first: bool = False
    """When it is replaced, old and new cannot be there at once."""


@dataclass(frozen=True)
class Made:
    """A resource that now exists."""

    id: str
    outputs: Properties = field(default_factory=dict)


class NotMadeError(EngineError):
    """A create was refused for certain: nothing exists, and nothing is to be cleaned up."""


class PartlyMadeError(EngineError):
    """A create made the resource, but it did not become ready."""

    def __init__(self, message: str, made: Made) -> None:
        super().__init__(message)
        self.made = made


class Provider(Protocol):
    """Makes resources of one type. Timeouts are seconds; None means the provider's own. ``dry`` is a
    preview: inputs may hold ``UNKNOWN``, and nothing may be contacted."""

    def check(self, name: str, old: Properties | None, new: Properties, dry: bool) -> Properties:
        """The inputs completed (defaults, automatic names); ``old`` is None for a resource that will be made anew."""

    def diff(self, identifier: str, old: Properties, outputs: Properties, new: Properties) -> Diff:
        """Compares; ``new`` may hold ``UNKNOWN``, which must count as a change."""

    def create(self, inputs: Properties, timeout: float | None) -> Made: ...

    def update(
        self,
        identifier: str,
        old: Properties,
        outputs: Properties,
        new: Properties,
        timeout: float | None,
    ) -> Properties:
        """Returns the new outputs."""

    def delete(self, identifier: str, inputs: Properties, outputs: Properties, timeout: float | None) -> None:
        """Returns when it is gone; what is gone already is fine."""

    def read(self, identifier: str) -> Properties:
        """The outputs of something that exists; raises ``EngineError`` otherwise."""

    def recover(self, inputs: Properties) -> None:
        """Removes what a create with these inputs may have left; what it would have replaced may still be there."""

    def secret_outputs(self, inputs: Properties) -> frozenset[str]:
        """Top-level outputs that are secret whatever the inputs are."""


Factory = Callable[[str, Properties | None], Provider]
"""Makes the provider of a type, given the inputs of its provider resource if there is one."""
_NOT_OBJECTS = re.compile(r"kubernetes:((helm\.sh|yaml|kustomize)\b.*|.*(List|Patch))")
"""Types of pulumi-kubernetes that are more, or less, than an object: only the real provider makes them."""


def builtin(owner: str) -> dict[str, Factory]:
    """The providers that the embedded engine has, by the beginning of the types that they serve.

    ``owner`` names the stack towards what keeps track of who made something.
    """
    from infra.engine.providers import dynamic, kubernetes, kubernetes_config, random

    return {
        "pulumi:providers:kubernetes": lambda _type, _config: kubernetes_config.KubernetesConfig(),
        "pulumi-python:dynamic": lambda _type, _config: dynamic.Dynamic(),
        "kubernetes:": lambda type_, config: kubernetes.make(type_, config, owner),
        "random:": lambda type_, _config: random.make(type_),
    }


class Registry:
    """Finds the provider of a type; keeps those that were made, because a Kubernetes client is dear."""

    def __init__(self, factories: Mapping[str, Factory]) -> None:
        self._factories = factories
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Provider] = {}

    def supports(self, type_: str) -> bool:
        """Whether there is a provider for the type."""
        return self._factory(type_) is not None

    def get(self, type_: str, config: Properties | None) -> Provider:
        """The provider of a type; raises ``EngineError`` if there is none."""
        factory = self._factory(type_)
        if factory is None:
            raise EngineError(unsupported(type_))
        with self._lock:
            key = (type_, repr(config))
            if key not in self._made:
                self._made[key] = factory(type_, config)
            return self._made[key]

    def _factory(self, type_: str) -> Factory | None:
        fitting = [prefix for prefix in self._factories if type_.startswith(prefix)]
        nearest = max(fitting, key=len, default=None)
        if nearest is None or (nearest == "kubernetes:" and _NOT_OBJECTS.fullmatch(type_)):
            return None
        return self._factories[nearest]


def unsupported(type_: str) -> str:
    """The sentence for a type that only the CLI can make."""
    return (
        f"Resources of type {type_} can be previewed here, but making them needs the Pulumi CLI. "
        "Install it and use --engine cli."
    )

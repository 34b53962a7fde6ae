"""A resource as the state remembers it. The names are those of Pulumi's deployment files where the meaning is, too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from infra.engine.values import Properties


@dataclass(frozen=True)
class Resource:
    """A resource that was made, or is being made."""

    urn: str
    type: str
    name: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    """``<urn>::<id>`` of the provider resource; empty where the type needs none."""
    dependencies: tuple[str, ...] = ()
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    deleted_with: str = ""
    protect: bool = False
    retain_on_delete: bool = False
    external: bool = False
    """Read, not made: never deleted."""
    delete_timeout: float | None = None
    """Seconds; None for the provider's own."""
    init_error: str | None = None
    """Made, but not ready in time; the next ``up`` updates it."""
    delete: bool = False
    """Replaced, or its delete was begun: the next operation ends it."""
    made: int = 0
    """When it was made, in changes of the state; 0 while it is not."""
    kept: int = 0
    """When the program last declared it."""
    ended: int = 0
    """When it was condemned; 0 while it is live."""

    def needs(self) -> set[str]:
        """URNs of what must outlive this resource."""
        provider_urn = self.provider.rpartition("::")[0]
        found = {*self.dependencies, self.parent, provider_urn, self.deleted_with}
        for urns in self.property_dependencies.values():
            found.update(urns)
        return found - {"", self.urn}


@dataclass(frozen=True)
class Pending:
    """A step whose outcome is unknown."""

    op: Literal["create", "update"]
    resource: Resource

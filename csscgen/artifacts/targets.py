"""What is seeded: a registry, who logs in to it, what it admits, and where it is written down what it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from csscgen.artifacts.client import CONCURRENCY, PATIENCE, RegistryClient
from csscgen.artifacts.logins import LoginSource
from workloads.registries import Category, Limit


@dataclass(frozen=True)
class Target:
    """A registry that images are pushed to and read from."""

    registry: str
    """``host`` or ``host:port``: on loopback, or one of ``allowed``."""
    allowed: Collection[str] = ()
    """The hosts of the stack's own registries, or those that the user named."""
    logins: Sequence[LoginSource] = ()
    """Who pushes, in turn; none where nobody has to log in."""
    limits: Mapping[Category, Limit] | None = None
    """What it admits in a minute, which is never asked for more; None where nothing is known of it."""
    journal: Path | None = None
    """The file where it is written down what was pushed; None for nowhere."""

    def client(self, *, concurrency: int = CONCURRENCY, patience: float = PATIENCE) -> RegistryClient:
        """A client of it. Raises UsageError if no load may go there."""
        return RegistryClient(
            self.registry,
            allowed=self.allowed,
            concurrency=concurrency,
            patience=patience,
            logins=self.logins,
            limits=self.limits,
        )

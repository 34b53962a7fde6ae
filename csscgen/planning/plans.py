"""A plan as data: what `csscgen plan` prints, as text or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from csscgen.planning import azure, scalability
from csscgen.planning.memory import Memory
from csscgen.planning.objects import Nodes, Objects
from csscgen.planning.pulls import Pulls
from csscgen.planning.requests import Login, Requests, Verifications
from csscgen.planning.seeding import Seeding
from csscgen.planning.serving import Demand, Serving

Verdict = Literal["works", "warnings", "cannot work"]

PUBLISHED = "published"
"""The limits that the vendor publishes for the registry's SKU."""
MODELLED = "size"
"""The model of registry.size (workloads/registries.yaml): what the emulator does, and a guess for ACR."""


@dataclass(frozen=True)
class Asked:
    """What a run asks of the registry, and how."""

    login: Login
    verifications: Verifications
    run: Requests
    """Ratify's."""
    pulls: Pulls | None
    demand: Demand


@dataclass(frozen=True)
class Finding:
    """Something that does not work, or may not: a sentence that begins with the setting to change."""

    key: str
    sentence: str


@dataclass(frozen=True)
class Planned:
    """The plan of a stack. Of a shared stack there are its registries only."""

    stack: str
    platform: str
    registries: tuple[tuple[str, str], ...]
    """Region and size of each registry of the shared stack."""
    shared_usd_per_day: float | None
    objects: Objects | None = None
    nodes: Nodes | None = None
    asked: Asked | None = None
    served: tuple[Serving, ...] = ()
    """The run, under each set of limits that there is; the verdict goes by the first."""
    seeding: Seeding | None = None
    seeded: tuple[Serving, ...] = ()
    seeding_seconds: float = 0.0
    """Where no registry throttles it."""
    signing_seconds: float = 0.0
    """That the key vault alone takes."""
    thresholds: tuple[scalability.Threshold, ...] = ()
    api: scalability.ApiLoad | None = None
    etcd_bytes: int | None = None
    memory: Memory | None = None
    """Of this machine, for a local stack."""
    quotas: tuple[azure.Quota, ...] = ()
    throttles: azure.Throttles | None = None
    cost: azure.Cost | None = None
    problems: tuple[Finding, ...] = ()
    """Why it cannot work."""
    warnings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return "cannot work" if self.problems else "warnings" if self.warnings else "works"

    @property
    def expected_seconds(self) -> float:
        """Seeding and the run together, by the limits that the verdict goes by."""
        if self.seeding is None:
            return 0.0
        seeding = self.seeded[0].expected_seconds if self.seeded else self.seeding_seconds
        return self.run_seconds + seeding

    @property
    def run_seconds(self) -> float:
        """The run alone."""
        if self.asked is None:
            return 0.0
        return self.served[0].expected_seconds if self.served else self.asked.demand.unhindered_seconds

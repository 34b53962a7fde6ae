"""How long a seeding takes: by the limits of a registry, by who signs, and by how fast requests come and go.

The images are pushed, then checked. While they are pushed hardly anything is read, so the buckets for reading are full
when the check begins. The seeder paces itself by the limits and waits for what it is told, so that little is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from csscgen.planning.data import model
from csscgen.planning.requests import Requests
from csscgen.planning.seeding import Seeding
from csscgen.planning.serving import Demand, Serving, Stage, Who, in_turn, serve
from infra.settings import Settings
from workloads import registries
from workloads.algorithms import ALGORITHMS
from workloads.registries import Category, Limit


@dataclass(frozen=True)
class Pace:
    """How fast a seeding goes where no registry throttles it."""

    requests_per_second: float
    signatures_per_second: float | None = None
    """That a key vault makes; None where the key is here, and signing takes next to no time."""

    def signing_seconds(self, seeding: Seeding) -> float:
        """What signing takes at least."""
        return seeding.signatures / self.signatures_per_second if self.signatures_per_second else 0.0


def pace_of(shared: Settings) -> Pace:
    """The pace of a seeding to the registries of a shared stack."""
    if shared.registry_kind == "acr":
        return Pace(model().requests_per_second, ALGORITHMS[shared.signing.algorithm].vault_limit / 10)
    return Pace(model().local_requests_per_second if shared.platform == "local" else model().requests_per_second)


def seeded(
    name: str,
    row: Mapping[Category, Limit],
    seeding: Seeding,
    pace: Pace,
    *,
    identities: int = 1,
    challenges: bool = False,
) -> Serving:
    """A seeding under a set of limits, ``row``; ``identities`` and ``challenges`` as of ``serve``."""

    def served(requests: Requests, seconds: float, stage: Stage) -> Serving:
        asked: Mapping[Who, Requests] = {"seeding": requests}
        return serve(name, row, asked, Demand(seconds), challenges=challenges, identities=identities, stage=stage)

    return in_turn(
        served(seeding.pushing, _pushing_seconds(seeding, pace), "push"),
        served(seeding.checking, _checking_seconds(seeding, pace), "check"),
    )


def unhindered_seconds(seeding: Seeding, pace: Pace) -> float:
    """How long it takes where no registry throttles it."""
    return _pushing_seconds(seeding, pace) + _checking_seconds(seeding, pace)


def _pushing_seconds(seeding: Seeding, pace: Pace) -> float:
    return max(seeding.pushing.total / pace.requests_per_second, pace.signing_seconds(seeding))


def _checking_seconds(seeding: Seeding, pace: Pace) -> float:
    return seeding.checking.total / pace.requests_per_second


def profiles() -> dict[str, Mapping[Category, Limit]]:
    """The sets of limits that there are, by name: the rows of the SKUs, and the sizes modelled on them."""
    skus = {name: registries.published(name.capitalize()) for name in ("standard", "premium")}
    return {**skus, **{name: size.limits for name, size in registries.sizes().items()}}

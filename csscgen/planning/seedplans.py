"""The plan of a seeding by itself: what is pushed, with how many requests, and in how many minutes by each profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from csscgen.planning.abilities import Abilities, abilities
from csscgen.planning.bodies import Bodies
from csscgen.planning.data import model
from csscgen.planning.seeded import Pace, pace_of, profiles, seeded, unhindered_seconds
from csscgen.planning.seeding import Seeding, seeding
from csscgen.planning.serving import Serving
from csscgen.planning.words import CATEGORIES, amount, duration, size
from infra.settings import Settings
from workloads.errors import UsageError, named
from workloads.naming import ImageSet
from workloads.registries import is_loopback, public_host

IDENTITIES = (1, 2)
"""How many push, in turn: the limits of each identity are apart, those of the registry are not."""
NO_LIMITS = "none"


@dataclass(frozen=True)
class Minutes:
    """How long a seeding of an empty registry takes under one profile."""

    profile: str
    identities: int
    seconds: float
    binds: str | None
    """The category whose bucket holds it up most, ``key vault``, or None if nothing does."""
    whose: str | None
    """Whether it is each identity's bucket or the registry's."""


@dataclass(frozen=True)
class SeedPlan:
    """A seeding of one registry."""

    new: Seeding
    """Of a registry that has none of it."""
    half: Seeding
    """Of one that has half of the images, as the journal knows."""
    again: Seeding
    """Of one that has them all, as the journal knows."""
    minutes: tuple[Minutes, ...]
    signing_seconds: float
    """That the key vault alone takes; 0 where the key is here."""


def seed_plan(
    sets: Sequence[ImageSet], can: Abilities, bodies: Bodies, pace: Pace, only: str | None = None
) -> SeedPlan:
    """The plan for a registry that can so much, signed and sent at this pace; ``only`` may name one profile."""
    new = seeding(sets, can, bodies)
    rows = []
    for identities in IDENTITIES if can.login else IDENTITIES[:1]:
        prepared = seeding(sets, can, bodies, identities=identities)
        for name, limits in profiles().items():
            if only in (None, name):
                serving = seeded(name, limits, prepared, pace, identities=identities if can.login else 0)
                rows.append(_minutes(serving, identities, prepared, pace))
    if only in (None, NO_LIMITS):
        rows.append(_unlimited(new, pace))
    return SeedPlan(
        new=new,
        half=seeding(sets, can, bodies, complete=new.images // 2),
        again=seeding(sets, can, bodies, complete=new.images),
        minutes=tuple(rows),
        signing_seconds=pace.signing_seconds(new),
    )


def of_stack(settings: Settings, shared: Settings, only: str | None = None) -> SeedPlan:
    """The plan of a stack's seeding; ``shared`` has the settings of its shared stack."""
    sets = settings.plan.image_sets
    return seed_plan(sets, abilities(shared), Bodies(shared.signing), pace_of(shared), only)


def of_options(hosts: Sequence[str], sets: Sequence[ImageSet], only: str | None = None) -> SeedPlan:
    """The plan for registries that the caller names, signed with a key that is here.

    One on this machine is taken for the emulator, without logins; any other, or none, for one of Azure. Raises
    UsageError for a registry that everybody shares.
    """
    for host in hosts:
        if public_host(host):
            raise UsageError(f"{named(host)} is a registry that everybody shares: no place for load, name your own.")
    if hosts and all(map(is_loopback, hosts)):
        return seed_plan(sets, Abilities(whole_blobs=True), Bodies(), Pace(model().local_requests_per_second), only)
    return seed_plan(sets, Abilities(login=True), Bodies(), Pace(model().requests_per_second), only)


def _minutes(serving: Serving, identities: int, new: Seeding, pace: Pace) -> Minutes:
    bucket, vault = serving.bottleneck, _vault(new, pace)
    if bucket is None or (vault and pace.signing_seconds(new) >= bucket.expected_seconds):
        return Minutes(serving.limits, identities, serving.expected_seconds, vault, None)
    whose = "registry" if bucket.who == "all" else "identity"
    return Minutes(serving.limits, identities, serving.expected_seconds, bucket.category, whose)


def _unlimited(new: Seeding, pace: Pace) -> Minutes:
    return Minutes(NO_LIMITS, 1, unhindered_seconds(new, pace), _vault(new, pace), None)


def _vault(new: Seeding, pace: Pace) -> str | None:
    sending = new.pushing.total / pace.requests_per_second
    return "key vault" if pace.signing_seconds(new) > sending else None


def as_document(plan: SeedPlan) -> dict[str, Any]:
    """The plan as plain data."""
    new = plan.new
    return {
        "repositories": new.repositories,
        "images": new.images,
        "attachments": new.attachments,
        "signatures": new.signatures,
        "manifests": new.manifests,
        "bytes": new.bytes,
        "requests": {
            name: {**asdict(each.requests), "total": each.requests.total}
            for name, each in (("empty", plan.new), ("half_done", plan.half), ("complete", plan.again))
        },
        "signing_seconds": round(plan.signing_seconds, 1),
        "profiles": [{**asdict(row), "seconds": round(row.seconds, 1)} for row in plan.minutes],
    }


def render(plan: SeedPlan) -> str:
    """The plan for the terminal; ends without a line feed."""
    new = plan.new
    counts = {name: getattr(new, name) for name in ("repositories", "images", "attachments", "signatures", "manifests")}
    lines = [
        " \N{MIDDLE DOT} ".join([*(f"{name} {amount(count)}" for name, count in counts.items()), size(new.bytes)]),
        "",
        *_table(["requests", "reads", "lists", "writes", "deletions", "tokens", "401s", "in all"], _requests(plan)),
        "",
        *_table(["limits", "identities", "time", "held up by"], _times(plan)),
    ]
    if plan.signing_seconds:
        lines += ["", f"Signing by Key Vault takes {duration(plan.signing_seconds)} at least."]
    return "\n".join(lines)


def _requests(plan: SeedPlan) -> Iterator[list[str]]:
    for name, each in (("empty registry", plan.new), ("half of it there", plan.half), ("all of it there", plan.again)):
        asked = each.requests
        counts = (asked.read, asked.list_referrers, asked.write, asked.delete, asked.oauth, asked.read_challenges)
        yield [name, *map(amount, counts), amount(asked.total)]


def _times(plan: SeedPlan) -> Iterator[list[str]]:
    """A row per profile, those that come to the same in one."""
    order = sorted(plan.minutes, key=lambda row: (row.identities, -row.seconds))
    for _, rows in groupby(order, key=lambda row: (row.identities, round(row.seconds, 3), row.binds, row.whose)):
        same = list(rows)
        first = same[0]
        names = ", ".join(row.profile for row in same)
        yield [names, str(first.identities), duration(first.seconds), _held_up(first)]


def _held_up(row: Minutes) -> str:
    if row.binds is None:
        return "nothing"
    if row.whose is None:
        return row.binds
    return f"{CATEGORIES[row.binds]} of {'the registry' if row.whose == 'registry' else 'each identity'}"


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> list[str]:
    """The first and last columns to the left, what is between to the right."""
    texts = [list(head), *rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(head))]
    return ["  ".join(_cell(row, i, widths[i]) for i in range(len(head))).rstrip() for row in texts]


def _cell(row: Sequence[str], column: int, width: int) -> str:
    return row[column].ljust(width) if column == 0 or not row[column][:1].isdigit() else row[column].rjust(width)

"""Whether a registry serves a load: its token buckets against what is asked, how long that takes, and the 429s.

A bucket holds a minute's requests and is full at first. As long as it has a token nothing is felt; then requests come
through as it refills. That gives the least time, which no client can beat. Clients waste some of it: Ratify asks again
at once and gives up before the bucket has served it, and what a failed verification had got is lost. How much, and how
many 429s there are, was measured (model.yaml): both grow with the pressure, which is what Gatekeeper's threads ask for
at once against what the bucket gives within Ratify's deadline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from csscgen.planning.data import model
from csscgen.planning.requests import Requests
from workloads.registries import Category, Limit

Who = Literal["Ratify", "kubelets", "seeding", "all"]
Stage = Literal["run", "push", "check"]


@dataclass(frozen=True)
class Demand:
    """How a load asks."""

    unhindered_seconds: float
    """How long it takes where nothing throttles."""
    concurrency: int = 0
    """Verifications at once; 0 for one who waits as long as he is told (seeding), and is refused little."""
    deadline_seconds: float = 0
    """After which a verification is given up."""
    verifications: int = 0
    workloads: int = 1
    """Each has a controller of its own that creates its pods."""


@dataclass(frozen=True)
class Bucket:
    """A token bucket and what is asked of it."""

    category: Category
    who: Who
    """Whose bucket it is; ``all`` is the registry's own."""
    requests: int
    per_minute: int
    least_seconds: float
    expected_seconds: float
    expected_429s: int
    stage: Stage = "run"
    """When it is asked: seeding begins to check when all is pushed."""

    @property
    def share(self) -> float:
        """What is asked, in minutes of the bucket."""
        return self.requests / self.per_minute


@dataclass(frozen=True)
class Serving:
    """What a set of limits makes of a load."""

    limits: str
    """Which limits they are."""
    buckets: tuple[Bucket, ...]
    bottleneck: Bucket | None
    """The bucket that holds the load up; None if none does."""
    least_seconds: float
    expected_seconds: float
    expected_429s: int


def serve(
    name: str,
    limits: Mapping[Category, Limit],
    asked: Mapping[Who, Requests],
    demand: Demand,
    *,
    challenges: bool = False,
    identities: int = 1,
    stage: Stage = "run",
) -> Serving:
    """What the limits make of what everybody asks.

    ``challenges`` says whether a 401 is charged, ``identities`` how many each of those who ask has, and uses in turn;
    0 where they are not told apart: without logins.
    """
    buckets = tuple(_buckets(limits, asked, demand, challenges, identities, stage))
    slowest = max(buckets, key=lambda one: (one.least_seconds, one.share), default=None)
    held_up = slowest is not None and slowest.expected_seconds > demand.unhindered_seconds
    return Serving(
        limits=name,
        buckets=buckets,
        bottleneck=slowest if held_up else None,
        least_seconds=max((bucket.least_seconds for bucket in buckets), default=0.0),
        expected_seconds=max([demand.unhindered_seconds, *(bucket.expected_seconds for bucket in buckets)]),
        expected_429s=slowest.expected_429s if slowest else 0,
    )


def in_turn(first: Serving, second: Serving) -> Serving:
    """Two loads, of which the second begins when the first is served; by then its buckets are full."""
    held_up = [each.bottleneck for each in (first, second) if each.bottleneck]
    return Serving(
        limits=first.limits,
        buckets=(*first.buckets, *second.buckets),
        bottleneck=max(held_up, key=lambda bucket: bucket.expected_seconds, default=None),
        least_seconds=first.least_seconds + second.least_seconds,
        expected_seconds=first.expected_seconds + second.expected_seconds,
        expected_429s=first.expected_429s + second.expected_429s,
    )


def _buckets(
    limits: Mapping[Category, Limit],
    asked: Mapping[Who, Requests],
    demand: Demand,
    challenges: bool,
    identities: int,
    stage: Stage,
) -> Iterator[Bucket]:
    together = Requests()
    for requests in asked.values():
        together += requests
    for category, limit in limits.items():
        rows: list[tuple[Who, Requests, int | None]] = [("all", together, limit.registry)]
        if identities and limit.identity:
            rows += [(who, requests, limit.identity * identities) for who, requests in asked.items()]
        for who, requests, per_minute in rows:
            count = requests.charged(category, challenges=challenges)
            if count and per_minute:
                yield replace(_bucket(category, who, count, per_minute, demand), stage=stage)


def _bucket(category: Category, who: Who, count: int, per_minute: int, demand: Demand) -> Bucket:
    refill = per_minute / 60
    least = max(0.0, (count - per_minute) / refill)
    asking = count / max(demand.unhindered_seconds, 1e-9)
    if asking <= refill or per_minute / (asking - refill) >= demand.unhindered_seconds:
        return Bucket(category, who, count, per_minute, least, demand.unhindered_seconds, 0)
    empty_at = per_minute / (asking - refill)
    throttled = count - asking * empty_at
    known = model()
    pressure = _pressure(count, refill, demand)
    wasted = known.wasted_by_pressure * min(1.0, pressure)
    refusals = known.refusals_per_throttled * min(1.0, pressure / known.full_pressure) ** 3
    expected = empty_at + throttled / ((1 - wasted) * refill)
    return Bucket(category, who, count, per_minute, least, expected, round(throttled * refusals))


def _pressure(count: int, refill: float, demand: Demand) -> float:
    """Requests that are waiting at once, in what the bucket gives within a verification's deadline."""
    under_way = min(demand.concurrency, model().pods_under_way * demand.workloads)
    return under_way * of_one(count, refill * 60, demand)


def of_one(count: int, per_minute: float, demand: Demand) -> float:
    """What one verification asks of a bucket, in what the bucket gives within its deadline.

    With more than 1 no verification succeeds on an empty bucket.
    """
    if not (demand.verifications and demand.deadline_seconds):
        return 0.0
    return count / demand.verifications / (per_minute / 60 * demand.deadline_seconds)

"""When a request may be sent: what a registry admits in a minute is never asked for more, and its 429 are obeyed.

A registry of Azure has token buckets by category of request, for itself and for each identity
(workloads/registries.py). Here are the same buckets, full at the start and refilled continuously. A request takes a
token of all that it is charged to, or waits in the queue of its category: those who wait leave in their order, each
when its tokens are there, by the identity that has them first. Every attempt is charged, whatever is answered.

A 429 says that somebody else asks too, or that the limits are other ones. It closes the category, for the identity that
got it, until the time of Retry-After is over, and empties the buckets of that identity, which refill from then on.
Those who waited for that leave one after another, not all at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workloads.registries import CATEGORIES, Category, Limit

SPARE = 0.01
"""The part of a bucket that is left alone. Requests arrive later than they were charged here, and what would have been
refilled in a full bucket meanwhile is lost to the registry's: this is as much as 0.6 seconds of refilling."""
APART = 0.005
"""Seconds, on average, between the requests that leave after a 429."""
ALSO: Mapping[Category, tuple[Category, ...]] = {"list_referrers": ("read",)}
"""What a category is charged to beside itself."""
PER_REGISTRY: frozenset[Category] = frozenset({"oauth"})
"""Categories where identities are not told apart."""

Clock = Callable[[], float]


class Bucket:
    """``per_minute`` tokens but for the spare ones, full at the start. Times are seconds of one clock."""

    __slots__ = ("_at", "_full", "_level", "_per_s")

    def __init__(self, per_minute: int, now: float) -> None:
        self._per_s = per_minute / 60
        self._full = self._level = max(1.0, per_minute * (1 - SPARE))
        self._at = now

    def ready(self, now: float) -> float:
        """When there is a token."""
        level = self._level
        if now > self._at:
            level = min(self._full, level + (now - self._at) * self._per_s)
            self._level, self._at = level, now
        return now if level >= 1 else now + (1 - level) / self._per_s

    def take(self) -> None:
        """Charge a token, which has to be there."""
        self._level -= 1

    def empty(self, now: float) -> None:
        self.ready(now)
        self._level = min(self._level, 0.0)


@dataclass
class _Lane:
    """One category for one identity."""

    who: int
    own: Sequence[Bucket]
    """Those that are emptied by a 429."""
    charged: Sequence[Bucket]
    closed_until: float = 0.0

    def ready(self, now: float) -> float:
        when = max(now, self.closed_until)
        for bucket in self.charged:
            when = max(when, bucket.ready(now))
        return when


@dataclass
class _Queue:
    """Those who wait in one category."""

    lanes: list[_Lane]
    """Beginning with the one whose turn it is, should several be ready."""
    waiting: deque[asyncio.Future[int]] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None
    free: bool = False
    """Whether nobody has to wait: there are no limits, one alone asks, and no 429 has come yet."""
    spread: int = 0
    """How many of those who wait are to leave one after another, for they have waited for the end of a 429."""


class Pacer:
    """The buckets of one registry and ``identities`` who ask it, told apart by numbers from 0.

    Without limits nobody waits but for a 429. Belongs to one event loop, whose clock is ``clock``'s.
    """

    def __init__(self, limits: Mapping[Category, Limit] | None, identities: int, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        limits = limits or {}
        now = clock()
        whole = {category: Bucket(limit.registry, now) for category, limit in limits.items()}
        each: list[dict[Category, Bucket]] = [
            {category: Bucket(limit.identity, now) for category, limit in limits.items() if limit.identity}
            for _ in range(identities)
        ]
        self._queues = {category: _Queue(_lanes(category, whole, each)) for category in CATEGORIES}
        for queue in self._queues.values():
            queue.free = not any(lane.charged for lane in queue.lanes) and len(queue.lanes) == 1

    def take(self, category: Category) -> int | None:
        """The identity that may send a request now, which is charged; None if it has to wait its turn."""
        queue = self._queues[category]
        if queue.free:
            return 0
        return None if queue.waiting else self._admit(queue, self._clock())[0]

    async def turn(self, category: Category) -> int:
        """Wait; the identity that may send a request then, which is charged."""
        queue = self._queues[category]
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        queue.waiting.append(waiter)
        queue.spread += self.opens(category) > 0
        if queue.timer is None:
            self._serve(queue)
        return await waiter

    def refused(self, category: Category, who: int, seconds: float) -> None:
        """Take note of an answer 429 to a request of an identity, which is to wait for so many seconds."""
        queue = self._queues[category]
        queue.free = False
        now = self._clock()
        # An oauth request is of no identity here, whoever it is for.
        lane = next((each for each in queue.lanes if each.who == who), queue.lanes[0])
        lane.closed_until = max(lane.closed_until, now + seconds + random.uniform(0, APART))
        for bucket in lane.own:
            bucket.empty(now)
        queue.spread = max(queue.spread, len(queue.waiting))

    def opens(self, category: Category) -> float:
        """Seconds until the 429s of a category are over for one identity at least; 0 if they are."""
        now = self._clock()
        return max(0.0, min(lane.closed_until for lane in self._queues[category].lanes) - now)

    def _serve(self, queue: _Queue) -> None:
        """Let those go whose turn it is, and come again for the next."""
        queue.timer = None
        while queue.waiting:
            if queue.waiting[0].done():  # it was cancelled
                queue.waiting.popleft()
                continue
            who, delay = self._admit(queue, self._clock())
            if who is not None:
                queue.waiting.popleft().set_result(who)
                delay = random.uniform(0, 2 * APART) if queue.spread else 0
                queue.spread = max(0, queue.spread - 1)
            if delay:
                queue.timer = asyncio.get_running_loop().call_later(delay, self._serve, queue)
                return

    def _admit(self, queue: _Queue, now: float) -> tuple[int | None, float]:
        """The identity that is charged now; or none, and the seconds until one will be."""
        soonest = float("inf")
        for place, lane in enumerate(queue.lanes):
            when = lane.ready(now)
            if when <= now:
                for bucket in lane.charged:
                    bucket.take()
                if len(queue.lanes) > 1:
                    queue.lanes.append(queue.lanes.pop(place))
                return lane.who, 0.0
            soonest = min(soonest, when)
        return None, soonest - now


def _lanes(
    category: Category, whole: Mapping[Category, Bucket], each: Sequence[Mapping[Category, Bucket]]
) -> list[_Lane]:
    """One for each identity; one alone where they are not told apart."""
    categories = (category, *ALSO.get(category, ()))
    shared = [whole[name] for name in categories if name in whole]
    if category in PER_REGISTRY or not each:
        return [_Lane(0, shared[:1], shared)]
    lanes = []
    for who, buckets in enumerate(each):
        own = [buckets[name] for name in categories if name in buckets]
        lanes.append(_Lane(who, own[:1] or shared[:1], [*shared, *own]))
    return lanes

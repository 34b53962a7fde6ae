"""The client's token buckets: by a clock of their own, and against the emulator's throttle in simulated time."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest

from csscgen.artifacts import pacing
from csscgen.artifacts.pacing import Pacer
from infra.local.registry.throttle import Throttle
from workloads.registries import CATEGORIES, Category, Limit, RegistrySize, published

LATENCY = 0.2
"""Seconds at most until a request is at the registry."""


class Jumping(selectors.SelectSelector):
    """Waits for nothing: the time of its loop jumps to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everybody waits for ever"
        self.now += timeout
        return super().select(0)


def simulated(main: Coroutine[Any, Any, None]) -> None:
    """Run in an event loop whose seconds take no time."""
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    loop.slow_callback_duration = 1e9
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


def now() -> float:
    return asyncio.get_running_loop().time()


class World:
    """A registry of some limits, those who ask it, and how each request was answered."""

    def __init__(self, limits: Any, identities: int, *, known: bool = True) -> None:
        names = [str(number) for number in range(identities)]
        self.throttle = Throttle(RegistrySize("S", limits), names, int(now() * 1e9))
        self.pacer = Pacer(limits if known else None, identities, now)
        self.answers: Counter[tuple[Category, bool]] = Counter()
        self.sent: list[float] = []
        self.refused: list[float] = []

    async def request(self, category: Category) -> None:
        """One that is sent again until it is taken."""
        while True:
            who = self.pacer.take(category)
            if who is None:
                who = await self.pacer.turn(category)
            self.sent.append(now())
            await asyncio.sleep(random.uniform(0, LATENCY))
            identity = str(who) if self.throttle.identities else None
            wait = self.throttle.debit(category, identity, int(now() * 1e9))
            self.answers[category, not wait] += 1
            if not wait:
                return
            self.refused.append(now())
            self.pacer.refused(category, who, -(-wait // 10**9))

    async def ask(self, category: Category, seconds: float, workers: int = 64) -> None:
        """As much as can be had in that time."""

        async def work() -> None:
            while now() < seconds:
                await self.request(category)

        await asyncio.gather(*(work() for _ in range(workers)))


@pytest.mark.parametrize(("sku", "identities"), [("Premium", 0), ("Premium", 1), ("Premium", 2), ("Standard", 3)])
def test_all_that_is_admitted_is_had_and_nothing_is_refused(sku, identities):
    limits = published(sku)

    async def main() -> None:
        world = World(limits, identities)
        await world.ask("write", 90)
        own = limits["write"].identity
        assert own is not None
        ceiling = min(limits["write"].registry, own * identities) if identities else limits["write"].registry
        assert world.answers["write", False] == 0
        assert world.answers["write", True] >= 0.98 * ceiling * (1 + 90 / 60)

    simulated(main())


def test_categories_that_share_a_bucket_do_so_here_too():
    limits = {
        category: Limit(limit.registry // 10, limit.identity and limit.identity // 10)
        for category, limit in published("Standard").items()
    }

    async def main() -> None:
        world = World(limits, 2)
        await asyncio.gather(*(world.ask(category, 120, 32) for category in CATEGORIES))
        assert not any(count for (_, taken), count in world.answers.items() if not taken)
        reads = world.answers["read", True] + world.answers["list_referrers", True]
        assert reads >= 0.98 * limits["read"].registry * 3

    simulated(main())


def test_requests_leave_in_their_order_each_when_its_token_is_there():
    limits: dict[Category, Limit] = {"write": Limit(60)}

    async def main() -> None:
        pacer = Pacer(limits, 1, now)
        while pacer.take("write") is not None:
            pass
        left: list[tuple[int, float]] = []

        async def one(number: int) -> None:
            await pacer.turn("write")
            left.append((number, now()))

        waiting = [asyncio.create_task(one(number)) for number in range(6)]
        await asyncio.sleep(0.1)
        waiting[2].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert [number for number, _ in left] == [0, 1, 3, 4, 5]
        times = [at for _, at in left]
        assert all(
            later - sooner == pytest.approx(1, abs=0.02) for sooner, later in zip(times, times[1:], strict=False)
        )
        assert pacer.take("write") is None
        assert pacer.take("read") == 0

    simulated(main())


def test_a_request_goes_by_the_identity_that_can_send_soonest():
    limits: dict[Category, Limit] = {"write": Limit(1000, identity=10)}

    async def main() -> None:
        pacer = Pacer(limits, 3, now)
        assert Counter(pacer.take("write") for _ in range(9)) == {0: 3, 1: 3, 2: 3}
        pacer.refused("write", 0, 60)
        pacer.refused("write", 1, 30)
        assert {pacer.take("write") for _ in range(6)} == {2}
        assert pacer.take("write") == 2 or pacer.take("write") is None
        pacer.refused("write", 2, 60)
        assert pacer.opens("write") == pytest.approx(30, abs=0.1)
        assert await pacer.turn("write") == 1
        assert now() == pytest.approx(30, abs=0.1)
        assert pacer.take("read") in (0, 1, 2)

    simulated(main())


@pytest.mark.parametrize("identities", [1, 2])
def test_limits_that_are_not_known_are_found_by_429s(identities):
    """The registry refuses, and after the time that it names those who waited come one after another."""
    limits = published("Premium")

    async def main() -> None:
        world = World(limits, identities, known=False)
        await world.ask("write", 200, 64)
        for at in world.refused:
            alone = [sent for sent in world.sent if LATENCY < sent - at < 10]
            assert identities > 1 or not alone
        # At each period's end the bucket is full again: there is what the buckets hold, 4 times.
        assert world.answers["write", True] > 2000 * 3 * identities * 0.98

    simulated(main())


@pytest.mark.parametrize("limits", [None, {"write": Limit(60_000)}])
def test_those_who_waited_for_the_end_of_a_429_do_not_leave_all_at_once(limits):
    async def main() -> None:
        pacer = Pacer(limits, 1, now)
        assert pacer.take("write") == 0
        pacer.refused("write", 0, 10)
        assert pacer.take("write") is None
        left: list[float] = []

        async def one() -> None:
            await pacer.turn("write")
            left.append(now())

        await asyncio.gather(*(one() for _ in range(40)))
        assert 10 <= left[0] < 10.1
        assert left[-1] - left[0] > 40 * pacing.APART / 3
        assert max(Counter(left).values()) == 1
        assert pacer.take("write") == 0

    simulated(main())


def test_somebody_else_at_the_registry_is_given_way():
    limits = published("Standard")

    async def main() -> None:
        world = World(limits, 1)
        other = World(limits, 1)
        other.throttle = world.throttle
        await asyncio.gather(world.ask("write", 200, 32), other.ask("write", 200, 32))
        taken = world.answers["write", True] + other.answers["write", True]
        assert taken > 0.6 * 1000 * (1 + 200 / 60)
        refused = world.answers["write", False] + other.answers["write", False]
        assert refused < 0.1 * taken

    simulated(main())

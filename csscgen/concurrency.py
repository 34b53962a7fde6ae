"""Many coroutines at a time: a bounded number of them, and none left behind an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def for_each(items: Iterable[Item], action: Callable[[Item], Awaitable[None]], workers: int) -> None:
    """Run ``action`` on each item, ``workers`` at a time; the first error ends them all.

    Items are taken as they are needed, so that an iterator of many is never in memory as a whole.
    """
    queue = iter(items)

    async def work() -> None:
        for item in queue:
            await action(item)

    await together(work() for _ in range(workers))


async def in_lanes(
    items: Sequence[Item], action: Callable[[Item], Coroutine[Any, Any, Result]], lanes: int
) -> list[Result]:
    """The results of ``action`` on a few items, in their order, ``lanes`` at a time.

    One lane takes no task, whose making costs as much as a part of a request.
    """
    results: list[Any] = [None] * len(items)

    async def work(lane: int) -> None:
        for index in range(lane, len(items), lanes):
            results[index] = await action(items[index])

    if lanes == 1:
        await work(0)
    else:
        await together(work(lane) for lane in range(min(lanes, len(items))))
    return results


async def together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Gather, but leave nothing running behind an error (whose type a TaskGroup would wrap)."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

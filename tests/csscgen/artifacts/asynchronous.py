"""Tests that are coroutines, each in an event loop of its own."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable


def asynchronous(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Let pytest call a coroutine function; its fixtures stay what they are."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        asyncio.run(main())

    return run

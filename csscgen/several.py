"""The same work on several registries at once, in one event loop; one that fails holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from csscgen.assignments import Assignment
from csscgen.interruptions import run
from csscgen.meters import Meter, Step
from csscgen.progress import Progress
from workloads.errors import ProjectError

if TYPE_CHECKING:
    from csscgen.artifacts.targets import Target

Result = TypeVar("Result")
Tell = Callable[[Step], None]


def at_once(
    assignment: Assignment, progress: Progress, work: Callable[[Target, Tell], Awaitable[Result]]
) -> list[Result]:
    """What ``work`` makes of each registry of an assignment; it tells its progress.

    When all have ended, raises the error of the one that failed, or one that tells those of several.
    """
    import uvloop

    hosts = [target.registry for target in assignment.targets]
    meter = Meter(progress.update, hosts)

    async def gathered() -> list[Result | BaseException]:
        return await asyncio.gather(
            *(work(target, meter.of(target.registry)) for target in assignment.targets), return_exceptions=True
        )

    return _sound(hosts, run(gathered(), uvloop.new_event_loop))


def rows(assignment: Assignment, results: Sequence[Any]) -> list[dict[str, Any]]:
    """The results, which are dataclasses, as data, each with its ``registry``."""
    hosts = [target.registry for target in assignment.targets]
    return [{"registry": host, **asdict(result)} for host, result in zip(hosts, results, strict=True)]


def _sound(hosts: Sequence[str], results: Sequence[Any]) -> list[Any]:
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        if len(results) == 1 or not isinstance(error, ProjectError):
            raise error
    if not errors:
        return list(results)
    done = [host for host, result in zip(hosts, results, strict=True) if not isinstance(result, BaseException)]
    rest = f"Nothing failed in {', '.join(done)}." if done else "All of them failed."
    raise type(errors[0])("\n".join([*(str(error) for error in errors), rest]))

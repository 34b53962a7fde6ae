"""When the objects of a load are sent: phases, each with a pattern, as absolute offsets in seconds.

Pure data. An open pattern says when each object is due whatever becomes of the others, so that a slow API server shows
as latency and not as a lower load; the n-th offset is computed and not added up, so that nothing drifts. A closed loop
has workers instead, each of which sends its next object when the last one is answered. docs/load.md has the patterns.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from math import ceil, sqrt
from typing import Any, Literal

Pattern = Literal["constant", "poisson", "ramp", "steps", "burst", "closed", "churn"]

MOST_RATE = 10_000.0
MOST_WORKERS = 400
"""Requests that are under way at once: twice what an API server takes by default (--max-mutating-requests-inflight)."""
LONGEST = 86_400.0
_ROUNDING = 1e-6
"""Of a count of objects: what computing with floats may have added or lost."""
_NEEDS: dict[str, tuple[str, ...]] = {
    "constant": ("rate",),
    "poisson": ("rate",),
    "ramp": ("rate", "to"),
    "steps": ("rate", "to", "steps"),
    "burst": ("size", "every"),
    "closed": ("workers",),
    "churn": ("rate", "share"),
}
_TAKES: dict[str, tuple[str, ...]] = {"poisson": ("seed",), "churn": ("seed",)}
_LENGTHS: dict[str, tuple[str, ...]] = {"closed": ("objects",), "churn": ()}
"""How long a pattern lasts may be said by these; by ``objects`` or ``seconds`` where it is not listed."""


def _number(default: Any, minimum: float, maximum: float) -> Any:
    return field(default=default, metadata={"minimum": minimum, "maximum": maximum})


@dataclass(frozen=True)
class Phase:
    """One phase: what its pattern needs, and for how long; see docs/load.md."""

    pattern: Pattern
    objects: int | None = _number(None, 1, 10_000_000)
    """How many are created."""
    seconds: float | None = _number(None, 0.001, LONGEST)
    """Or for how long."""
    pause: float = _number(0.0, 0, LONGEST)
    """Seconds between the end of the phase before and this one."""
    rate: float | None = _number(None, 0, MOST_RATE)
    """Objects per second; of a ramp and of steps the first rate."""
    to: float | None = _number(None, 0, MOST_RATE)
    """The last rate of a ramp and of steps."""
    steps: int | None = _number(None, 2, 1_000)
    """How many steps, of equal length."""
    size: int | None = _number(None, 1, 1_000_000)
    """Objects of a burst, which are due together."""
    every: float | None = _number(None, 0.001, LONGEST)
    """Seconds from burst to burst."""
    workers: int | None = _number(None, 1, MOST_WORKERS)
    """How many objects of a closed loop are under way at once."""
    share: float | None = _number(None, 0, 1)
    """Share of the objects created before that is deleted and created anew."""
    seed: int = _number(0, 0, 2**31 - 1)
    """Of what is drawn: the gaps of poisson, the objects of churn."""


@dataclass(frozen=True)
class Part:
    """A phase that is worked out: the objects ``indices[i]``, each due ``offsets[i]`` seconds after the phase began."""

    number: int
    phase: Phase
    indices: tuple[int, ...]
    offsets: tuple[float, ...]
    """Of a closed loop all 0: they are sent in this order as soon as a worker is free."""
    seconds: float
    """From the begin of the phase to its end; of a closed loop 0, as only running it tells."""

    @property
    def pause(self) -> float:
        return self.phase.pause

    @property
    def is_closed(self) -> bool:
        return self.phase.pattern == "closed"

    @property
    def is_churn(self) -> bool:
        return self.phase.pattern == "churn"


def constant(rate: float) -> tuple[Phase, ...]:
    """The schedule of a load that has a rate and no phases."""
    return (Phase("constant", rate=rate),)


def problems(phases: Sequence[Phase], total: int) -> Iterator[str]:
    """What is wrong with phases that are to create ``total`` objects: sentences, each begins with the key."""
    found = [f"phases[{number}].{told}" for number, phase in enumerate(phases) for told in _problems(phase)]
    yield from found
    if found or not phases:
        return
    creating = [(number, phase) for number, phase in enumerate(phases) if phase.pattern != "churn"]
    if phases[0].pattern == "churn":
        yield "phases[0].pattern: churn deletes what was created before, and nothing was; begin with another pattern."
        return
    open_ended = [number for number, phase in creating if phase.objects is None and phase.seconds is None]
    if len(open_ended) > 1:
        yield (
            f"phases[{open_ended[1]}]: only one phase can take the objects that the others leave; set objects or "
            f"seconds here or in phases[{open_ended[0]}]."
        )
        return
    counted = sum(_count(phase, total + 1) for _, phase in creating if phase.objects or phase.seconds)
    if open_ended and counted >= total:
        yield f"phases[{open_ended[0]}]: the other phases leave it none of the {total} objects; change theirs."
    elif not open_ended and counted != total:
        told = f"more than {total}" if counted > total else str(counted)
        yield (
            f"phases: together they create {told} objects, and scenario.shards is {total}; change objects or seconds "
            "of a phase, or leave both out of one, which then takes the rest."
        )


def work_out(phases: Sequence[Phase], total: int) -> list[Part]:
    """When each of ``total`` objects is due in each phase. The phases have no :func:`problems`."""
    counts = [_count(phase, total + 1) if phase.objects or phase.seconds else None for phase in phases]
    rest = total - sum(count for count in counts if count is not None)
    parts, created = [], 0
    for number, (phase, count) in enumerate(zip(phases, counts, strict=True)):
        if phase.pattern == "churn":
            chosen = random.Random(phase.seed).sample(range(created), round((phase.share or 0) * created))
            indices = tuple(sorted(chosen))
        else:
            indices = tuple(range(created, created + (rest if count is None else count)))
            created += len(indices)
        offsets, seconds = _PATTERNS[phase.pattern](phase, len(indices))
        parts.append(Part(number, phase, indices, tuple(offsets), phase.seconds or seconds))
    return parts


def remaining(parts: Sequence[Part], done: set[tuple[int, int]]) -> list[Part]:
    """What is left when the (phase, object) in ``done`` were sent: a phase that was begun goes on at once."""
    left = []
    for part in parts:
        kept = [i for i, index in enumerate(part.indices) if (part.number, index) not in done]
        if not kept:
            continue
        first = part.offsets[kept[0]] if len(kept) < len(part.indices) else 0.0
        indices = tuple(part.indices[i] for i in kept)
        offsets = tuple(part.offsets[i] - first for i in kept)
        left.append(Part(part.number, part.phase, indices, offsets, max(0.0, part.seconds - first)))
    return left


def _problems(phase: Phase) -> Iterator[str]:
    needs = _NEEDS[phase.pattern]
    lengths = _LENGTHS.get(phase.pattern, ("objects", "seconds"))
    known = {"pattern", "pause", *needs, *lengths, *_TAKES.get(phase.pattern, ())}
    for each in fields(Phase):
        value = getattr(phase, each.name)
        if each.name in needs and value is None:
            yield f"{each.name}: {phase.pattern} needs it."
        elif each.name not in known and value != each.default:
            yield f"{each.name}: {phase.pattern} does not take it; it takes {', '.join((*needs, *lengths))}."
    if phase.objects is not None and phase.seconds is not None:
        yield "seconds: objects says how long the phase lasts as well; leave one of them out."
    if phase.rate == 0 and not (phase.pattern in ("ramp", "steps") and phase.to):
        yield "rate: expected more than 0, got 0."
    if phase.share == 0:
        yield "share: expected more than 0, got 0."


def _count(phase: Phase, most: int) -> int:
    """How many objects a phase creates, and ``most`` if it is that many or more; 0 of churn."""
    if phase.objects is not None:
        return min(phase.objects, most)
    seconds = phase.seconds
    if seconds is None or phase.pattern in ("closed", "churn"):
        return 0
    if phase.pattern == "poisson":
        return sum(1 for offset in _arrivals(phase, most) if offset < seconds)
    if phase.pattern == "burst":
        return min(most, ceil(seconds / (phase.every or 1) - _ROUNDING) * (phase.size or 1))
    return min(most, ceil(_mean_rate(phase) * seconds - _ROUNDING))


def _mean_rate(phase: Phase) -> float:
    first = phase.rate or 0.0
    return first if phase.to is None else (first + phase.to) / 2


def _evenly(phase: Phase, count: int) -> tuple[list[float], float]:
    rate = phase.rate or 1.0
    return [index / rate for index in range(count)], count / rate


def _arrivals(phase: Phase, count: int) -> Iterator[float]:
    """A Poisson process: independent gaps, exponentially distributed."""
    gaps, at = random.Random(phase.seed), 0.0
    for _ in range(count):
        at += gaps.expovariate(phase.rate or 1.0)
        yield at


def _poisson(phase: Phase, count: int) -> tuple[list[float], float]:
    offsets = list(_arrivals(phase, count))
    return offsets, offsets[-1] if offsets else 0.0


def _ramp(phase: Phase, count: int) -> tuple[list[float], float]:
    """The rate changes evenly: n objects are due by t with n = a t + (b - a) t² / 2T, which is solved for t."""
    first, last = phase.rate or 0.0, phase.to or 0.0
    seconds = phase.seconds or count / _mean_rate(phase)
    growth = (last - first) / seconds
    roots = [sqrt(max(0.0, first * first + 2 * growth * index)) for index in range(count)]
    return [2 * index / (first + root) if index else 0.0 for index, root in enumerate(roots)], seconds


def _steps(phase: Phase, count: int) -> tuple[list[float], float]:
    first, last, steps = phase.rate or 0.0, phase.to or 0.0, phase.steps or 2
    each = (phase.seconds or count / _mean_rate(phase)) / steps
    offsets: list[float] = []
    begun = 0.0  # objects due before the step
    for step in range(steps):
        rate = first + (last - first) * step / (steps - 1)
        ended = begun + rate * each
        for index in range(len(offsets), min(count, ceil(ended - _ROUNDING))):
            offsets.append(step * each + (index - begun) / rate)
        begun = ended
    return offsets, each * steps


def _burst(phase: Phase, count: int) -> tuple[list[float], float]:
    size, every = phase.size or 1, phase.every or 1.0
    return [index // size * every for index in range(count)], ceil(count / size) * every


def _closed(_phase: Phase, count: int) -> tuple[list[float], float]:
    return [0.0] * count, 0.0


_PATTERNS: dict[str, Callable[[Phase, int], tuple[list[float], float]]] = {
    "constant": _evenly,
    "poisson": _poisson,
    "ramp": _ramp,
    "steps": _steps,
    "burst": _burst,
    "closed": _closed,
    "churn": _evenly,
}

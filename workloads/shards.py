"""The shards of a schedule: what each of several drivers sends, so that together they send what one would.

Pure data. Object i belongs to shard i modulo n, in every phase: so each shard is spread evenly over the schedule and
has its shape, and what is done to one object, its deletion and its second creation, is done by one driver in its order.
What is drawn (poisson, churn) is drawn for the whole schedule and then divided. A shard's objects are counted anew from
0, so that it needs the bodies of its own only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from workloads.schedules import Part, Phase

MOST_DRIVERS = 100


def own(shard: int, shards: int, objects: int) -> range:
    """The objects of a shard, 0 ≤ ``shard`` < ``shards``, by their place among all."""
    return range(shard, objects, shards)


def divided(parts: Sequence[Part], shard: int, shards: int) -> list[Part]:
    """What a shard sends of a schedule, and when; indices are places in :func:`own`.

    A part of which it has nothing stays, for its time. The workers of a closed loop are divided too; the schedule has
    no :func:`problems`.
    """
    found = []
    for part in parts:
        kept = [
            (index // shards, at)
            for index, at in zip(part.indices, part.offsets, strict=True)
            if index % shards == shard
        ]
        workers = part.phase.workers
        phase = part.phase if workers is None else replace(part.phase, workers=_part_of(workers, shard, shards))
        indices, offsets = tuple(index for index, _ in kept), tuple(at for _, at in kept)
        found.append(replace(part, phase=phase, indices=indices, offsets=offsets))
    return found


def problems(phases: Sequence[Phase], objects: int, shards: int) -> Iterator[str]:
    """Why so many objects and these phases cannot be divided: sentences, each begins with what it is about."""
    if shards > objects:
        yield f"{shards} drivers cannot share {objects} objects; each needs at least one."
    for number, phase in enumerate(phases):
        if phase.workers is not None and phase.workers < shards:
            yield (
                f"{shards} drivers cannot share the {phase.workers} workers of phases[{number}]; each needs at least "
                "one."
            )


def _part_of(count: int, shard: int, shards: int) -> int:
    """A shard's part of a count; the first shards take what is left over."""
    return count // shards + (shard < count % shards)

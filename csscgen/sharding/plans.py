"""What every shard of a load is told: one JSON document, small enough for a ConfigMap whatever the load is.

It has what the objects are made from, and not their bodies: each shard makes its own, by the same code, and works out
the same schedule. So it is only good for the version that wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import orjson

import csscgen
from workloads.errors import UsageError, brief
from workloads.ratify.objects import Plan, workload_objects
from workloads.referrers import Extra
from workloads.schedules import Part, Phase, remaining, work_out
from workloads.shards import divided, own

LARGEST = 1_000_000
"""Bytes of a plan: a ConfigMap has 1 MiB at most, its name and labels included."""


@dataclass(frozen=True)
class ShardPlan:
    """A load and how many drivers send it."""

    plan: Plan
    host: str
    """The registry of the images."""
    phases: tuple[Phase, ...]
    shards: int
    begin: float
    """When the schedule begins for all of them, epoch seconds."""
    done: tuple[tuple[int, int], ...] = ()
    """The (phase, object) that a run which was cut off had sent."""
    again: bool = False
    """Whether any other of them may have been sent before: its answer was not heard."""

    def parts(self, shard: int) -> list[Part]:
        """What a shard sends, and when; the places are those of its own :meth:`bodies`."""
        return divided(remaining(work_out(self.phases, self.plan.shards), set(self.done)), shard, self.shards)

    def bodies(self, shard: int) -> list[dict[str, Any]]:
        """The objects of a shard."""
        return workload_objects(self.plan, self.host, own(shard, self.shards, self.plan.shards))

    def dump(self) -> bytes:
        """The document. Raises UsageError if it is too large for a ConfigMap."""
        text = orjson.dumps({"csscgen": csscgen.__version__, **asdict(self)}, option=orjson.OPT_SORT_KEYS)
        if len(text) > LARGEST:
            raise UsageError(
                f"The plan of the shards has {len(text):,} bytes, and no more than {LARGEST:,} can be passed on: "
                f"{len(self.done):,} objects are in it that were sent before. Begin the run anew."
            )
        return text

    @classmethod
    def read(cls, text: bytes, source: str) -> Self:
        """The plan of a document that ``source`` names. Raises UsageError if it is none, or another version's."""
        try:
            content = orjson.loads(text)
            version = content.pop("csscgen")
            if version == csscgen.__version__:
                plan = content.pop("plan")
                referrers = tuple(Extra(**each) for each in plan.pop("referrers"))
                phases = tuple(Phase(**each) for each in content.pop("phases"))
                done: Sequence[Sequence[int]] = content.pop("done")
                return cls(
                    Plan(**plan, referrers=referrers),
                    phases=phases,
                    done=tuple((phase, place) for phase, place in done),
                    **content,
                )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"{source} is not the plan of a load's shards: {brief(error)}.") from error
        raise UsageError(
            f"{source} is a plan of csscgen {brief(version)}, and this is {csscgen.__version__}: the drivers have to "
            "be of the version that made the plan."
        )

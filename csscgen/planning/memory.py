"""The memory that a run takes of this machine, by process, against what the machine has.

What a process takes grows with the pods that it holds, by their number and their containers. Each is on straight lines
between what was measured (memory.yaml); beyond the last point it grows in proportion, which errs on the large side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import psutil

from csscgen.planning.data import model, read
from infra.settings import Settings

Points = Sequence[tuple[int, int]]
"""Bytes of the pods as etcd has them, and bytes of resident memory at their peak; by the first."""

RATIFY = "ratify"


@dataclass(frozen=True)
class Memory:
    """Bytes, of this machine."""

    needed: int
    by_process: Mapping[str, int]
    guessed: tuple[str, ...]
    """Processes of which nothing was measured at such a size."""
    total: int
    """What the machine has."""
    available: int
    """What of it was free for a new process when the plan was made."""

    @property
    def sentence(self) -> str | None:
        """What is wrong with it; None if it is enough."""
        there, what = (self.total, "has") if self.needed > self.total else (self.available, "has free now")
        if self.needed <= there:
            return None
        return (
            f"the run takes about {self.needed / 1e9:.1f} GB of memory, and this machine {what} {there / 1e9:.1f} GB; "
            "lower it or scenario.containers, or end what else runs here."
        )


@dataclass(frozen=True)
class _Process:
    measured: Points
    guessed: Points

    def bytes_at(self, pods: int) -> tuple[int, bool]:
        """Resident memory with so many bytes of pods, and whether it is a guess."""
        points = [*self.measured, *self.guessed]
        for (low, below), (high, above) in pairwise(points):
            if pods <= high:
                share = max(0.0, (pods - low) / (high - low))
                return round(below + (above - below) * share), (high, above) in self.guessed
        last, most = points[-1]
        return round(most * pods / last), bool(self.guessed)


def memory(settings: Settings, total: int | None = None, available: int | None = None) -> Memory | None:
    """What a local stack's run takes; None for a stack whose cluster is elsewhere.

    ``total`` and ``available`` are those of this machine unless they are given.
    """
    if settings.platform != "local":
        return None
    known = model()
    pods = settings.replicas * (known.bytes_per_pod + settings.scenario.containers * known.bytes_per_container)
    found = {name: process.bytes_at(pods) for name, process in _processes().items()}
    each, guess = found[RATIFY]
    found[RATIFY] = each * settings.ratify.replicas, guess
    if settings.monitoring.prometheus == "off" or settings.monitoring.prometheusUrl:
        del found["prometheus"]
    machine = psutil.virtual_memory()
    return Memory(
        needed=sum(count for count, _ in found.values()),
        by_process={name: count for name, (count, _) in found.items()},
        guessed=tuple(name for name, (_, guess) in found.items() if guess),
        total=machine.total if total is None else total,
        available=machine.available if available is None else available,
    )


@cache
def _processes() -> Mapping[str, _Process]:
    content = read("memory.yaml")
    of = {kind: {name: [(a, b) for a, b in rows] for name, rows in content[kind].items()} for kind in content}
    return {name: _Process(rows, of["guessed"].get(name, [])) for name, rows in of["measured"].items()}

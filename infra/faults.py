"""The schedule of faults of a stack: what can be done to which process, and which schedules make no sense.

Checked with the rest of the settings, so that a bad schedule is refused before anything is touched. Carrying it out is
the harness's work (csscgen/faults.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from workloads.errors import named

REGISTRY = "registry"
"""The target that stands for the registry of the run, whatever its region."""
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kwok")
ACTIONS = {
    "kill": "SIGKILL; started again after `seconds`",
    "stop": "SIGSTOP; SIGCONT after `seconds`",
    "slow": "gets only `share` of its CPU time",
    "disk-full": "no write to a file succeeds",
    "outage": "registry only: answers 503 to everything",
    "clock-skew": "Ratify and Gatekeeper only: its serving certificate is not valid yet",
}
LONGEST = 86_400.0


@dataclass(frozen=True)
class Fault:
    """One fault: ``action`` on ``target``, ``at`` seconds after the first object was sent, for ``seconds``."""

    target: str
    action: str
    at: float = field(metadata={"minimum": 0, "maximum": LONGEST})
    seconds: float = field(metadata={"minimum": 0, "maximum": LONGEST})
    share: float | None = None
    """For ``slow``: which share of its time the process may run."""

    @property
    def name(self) -> str:
        """The fault in words."""
        return f"{named(self.action)} {named(self.target)} at {self.at:g} s"

    @property
    def is_of_ratify(self) -> bool:
        return self.target.startswith("ratify-")


def targets(replicas: int) -> list[str]:
    """The targets that a stack with so many Ratify replicas has."""
    return [*(f"ratify-{number}" for number in range(replicas)), "gatekeeper", *CONTROL_PLANE, REGISTRY]


def schedule_problems(faults: Sequence[Fault], replicas: int) -> Iterator[str]:
    """A sentence per fault that cannot be, and per pair that overlap."""
    for number, fault in enumerate(faults):
        yield from (f"faults[{number}].{problem}" for problem in _problems(fault, replicas))
    for target in sorted({fault.target for fault in faults}):
        of_one = sorted((fault for fault in faults if fault.target == target), key=lambda fault: fault.at)
        for earlier, later in pairwise(of_one):
            if later.at < earlier.at + earlier.seconds:
                yield (
                    f"faults: {earlier.name} lasts until {earlier.at + earlier.seconds:g} s and overlaps {later.name}; "
                    "a process takes one fault at a time."
                )


def registry_problems(faults: Sequence[Fault], kind: str, storage: str) -> Iterator[str]:
    """What the registries of the shared stack, being of this kind and with this storage, cannot do."""
    for fault in (fault for fault in faults if fault.target == REGISTRY):
        if fault.action == "outage" and kind != "emulator":
            yield f"faults: {fault.name} needs the emulator; registry.kind {kind} has no outage, use stop."
        if fault.action in ("kill", "disk-full") and (kind != "emulator" or storage == "memory"):
            yield (
                f"faults: {fault.name} would lose the images, which the registry keeps in memory; set registry.storage "
                "to disk (the emulator's), or take outage or stop."
            )


def _problems(fault: Fault, replicas: int) -> Iterator[str]:
    known = targets(replicas)
    if fault.target not in known or fault.action not in ACTIONS:
        yield from _unknown(fault, known, replicas)
        return
    if fault.seconds <= 0:
        yield f"seconds: expected more than 0, got {fault.seconds:g}."
    if fault.action == "slow" and (fault.share is None or not 0 < fault.share < 1):
        got = "none" if fault.share is None else f"{fault.share:g}"
        yield f"share: slow needs a share of CPU time between 0 and 1, such as 0.2; got {got}."
    if fault.action != "slow" and fault.share is not None:
        yield f"share: only slow takes one, not {fault.action}."
    if fault.action == "outage" and fault.target != REGISTRY:
        yield f"action: outage is for the registry, not for {fault.target}; stop and kill are for every process."
    if fault.action == "clock-skew" and not (fault.is_of_ratify or fault.target == "gatekeeper"):
        yield f"action: clock-skew is for Ratify and Gatekeeper, which read certificates anew, not {fault.target}."


def _unknown(fault: Fault, known: Sequence[str], replicas: int) -> Iterator[str]:
    if fault.target not in known:
        yield f"target: there is no {named(fault.target)}{_advice(fault.target, known, replicas)}"
    if fault.action not in ACTIONS:
        yield f"action: there is no {named(fault.action)}{_advice(fault.action, list(ACTIONS))}"


def _advice(name: str, known: Sequence[str], replicas: int | None = None) -> str:
    if replicas is not None and name.startswith("ratify-") and name.removeprefix("ratify-").isdigit():
        return f" with ratify.replicas {replicas}; the last one is ratify-{replicas - 1}."
    near = difflib.get_close_matches(named(name), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}."

"""What is done with registries after seeding: read back, listed, pruned; in several of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from csscgen.assignments import Assignment
from csscgen.meters import Step
from csscgen.progress import Progress
from csscgen.seeding import build_waiter
from csscgen.several import Tell, at_once, rows

if TYPE_CHECKING:
    from csscgen.artifacts.keys import Trust
    from csscgen.artifacts.targets import Target
    from csscgen.artifacts.verifying import VerifyProgress

RATIFY = "ratify"


def verify_all(assignment: Assignment, progress: Progress) -> list[dict[str, Any]]:
    """Reads back what every registry has of an assignment: a verification for each, with its ``registry``."""
    from csscgen.artifacts.verifying import Verification, verify

    waiter = build_waiter(progress)

    async def one(target: Target, tell: Tell) -> Verification:
        def told(at: VerifyProgress) -> None:
            problems = f", {at.problems} problems," if at.problems else ""
            tell(Step(f"verify{problems}", at.done, at.images))

        return await verify(assignment.sets, target, waiter=waiter, on_progress=told)

    return rows(assignment, at_once(assignment, progress, one))


def judge_all(
    assignment: Assignment, trust: Trust, progress: Progress, *, sample: int | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Lets the real Ratify judge the images in every registry: a judgement for each, with its ``registry``."""
    from csscgen.artifacts.deep import Judgement, judge
    from infra.local import tools
    from infra.local.tools import builds

    builds.install([tools.TOOLS[RATIFY]], lambda _tool, what, *_: progress.update(f"building {RATIFY}: {what}"))
    ratify = tools.path(RATIFY)

    async def one(target: Target, tell: Tell) -> Judgement:
        return await judge(
            assignment.sets,
            target,
            ratify=ratify,
            trust=trust,
            sample=sample,
            seed=seed,
            on_progress=lambda done, of: tell(Step("Ratify judges", done, of)),
        )

    return rows(assignment, at_once(assignment, progress, one))


def list_all(assignment: Assignment, progress: Progress) -> list[dict[str, Any]]:
    """What the registries have of csscgen's naming, a row for each repository."""
    from csscgen.artifacts.listing import Holding, holdings

    async def one(target: Target, tell: Tell) -> list[Holding]:
        return await holdings(target, lambda done, of: tell(Step("list", done, of, unit="repositories")))

    return [asdict(holding) for found in at_once(assignment, progress, one) for holding in found]


def prune_all(assignment: Assignment, progress: Progress, *, everything: bool, dry_run: bool) -> list[dict[str, Any]]:
    """Deletes in every registry what an assignment does not have: a report for each, with its ``registry``."""
    from csscgen.artifacts.pruning import PruneReport, prune

    waiter = build_waiter(progress)

    async def one(target: Target, tell: Tell) -> PruneReport:
        return await prune(
            assignment.sets,
            target,
            waiter=waiter,
            everything=everything,
            dry_run=dry_run,
            on_progress=lambda done, of: tell(Step("prune", done, of, unit="repositories")),
        )

    return rows(assignment, at_once(assignment, progress, one))


def told(verifications: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong in each registry, as a message; empty if nothing is."""
    from csscgen.artifacts.verifying import listed

    return "\n".join(
        f"The registry {row['registry']} does not hold what it should:\n{listed(row['problems'])}\n"
        "`csscgen artifacts seed` adds what is missing, with --prune it deletes what is too much."
        for row in verifications
        if row["problems"]
    )

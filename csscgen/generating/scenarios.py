"""What a stack's scenario says, for a command that has options for the same."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource


class FromScenario(click.Command):
    """A command whose defaults are those of a stack's scenario, if it is given one."""

    def invoke(self, ctx: click.Context) -> Any:
        given = ctx.params
        stack, changes = given.pop("stack"), given.pop("changes")
        if stack is None and changes:
            raise click.UsageError("--set is of a stack: name it with --stack.", ctx)
        said = _scenario(stack, changes) if stack is not None else {}
        for name, value in said.items():
            if ctx.get_parameter_source(name) in (None, ParameterSource.DEFAULT):
                given[name] = value
        if said and given["resource_type"] == "pod":
            if said["unique_images"]:
                raise click.UsageError(
                    f"In the scenario of {stack} each of {said['shards']} workloads has images of its own, and there "
                    "are none for pods. Add --set scenario.uniqueImages=false, or leave -t pod out.",
                    ctx,
                )
            given["shards"] = 1  # each pod is an object
        if said and given["resource_type"] != "job":
            given["job_seconds"] = None
        return super().invoke(ctx)


def _scenario(stack: str, changes: tuple[str, ...]) -> dict[str, Any]:
    from csscgen.stackfiles import parse_changes, project_root, read
    from workloads.errors import UsageError
    from workloads.ratify.generated import Mix
    from workloads.ratify.objects import NAMESPACES

    found = read(project_root(), stack, parse_changes(changes))
    if found.shared is None:
        raise UsageError(f"{found.name} is a shared stack, which has no workloads: name one that has a scenario.")
    plan = found.settings.plan
    prefix = NAMESPACES.removesuffix("-*")
    return {
        "resource_type": plan.kind,
        "num_containers": plan.containers,
        "num_replicas": plan.replicas,
        "num_referrers": plan.signatures,
        "shards": plan.shards,
        "namespace": prefix if plan.namespaces > 1 else plan.namespace_names[0],
        "namespaces": plan.namespaces,
        "unique_images": plan.unique_images,
        "job_seconds": plan.job_seconds,
        "pull_secret": plan.pull_secret,
        "mix": Mix(plan.negatives, plan.seed, plan.restored, plan.referrers),
    }

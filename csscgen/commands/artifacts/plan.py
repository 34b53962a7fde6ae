"""csscgen artifacts plan"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from csscgen.assignments import PROFILES
from csscgen.commands import options
from csscgen.commands.artifacts.choosing import which_images
from workloads.errors import UsageError

if TYPE_CHECKING:
    from csscgen.planning.seedplans import SeedPlan


@click.command("plan")
@click.option("--stack", "-s", metavar="NAME", help="A file stacks/Pulumi.NAME.yaml; it need not be up.")
@options.changes
@click.option(
    "--registry-host", "hosts", multiple=True, metavar="HOST", help="Without a stack: the registry, if known."
)
@which_images
@click.option(
    "--profile", type=click.Choice(PROFILES, case_sensitive=False), help="The time under these limits only, not all."
)
@options.as_json
def command(
    stack: str | None,
    changes: tuple[str, ...],
    hosts: tuple[str, ...],
    containers: int | None,
    signatures: int | None,
    shards: int,
    unique: bool,
    profile: str | None,
    as_json: bool,
) -> None:
    """Tell what a seeding would push, with how many requests, and how long that takes.

    Counts images, attachments, bytes and requests by category, for a registry that has none of it, half of it, or all
    of it. Says how long that takes an empty one under the limits of each SKU of Azure Container Registry and of each
    modelled size, with one and with two identities that push in turn, and what holds it up; where the registries of a
    stack are in Azure, Key Vault's limit counts too. Of several registries it is for each. Touches nothing and asks
    nobody; docs/planning.md says where each figure comes from.

    \b
    Example:
      csscgen artifacts plan --stack perf-XL
      csscgen artifacts plan --registry-host mine.azurecr.io -c 10 --num-referrers 5 --shards 100 --unique-images
      csscgen artifacts plan -c 1000 --num-referrers 5 --profile premium --json
    """
    from csscgen.planning.seedplans import as_document, render

    if stack is not None:
        if hosts or containers is not None or signatures is not None or shards != 1 or unique:
            raise UsageError(
                "A stack has its own registries and images: change them with --set scenario.containers=N and "
                "scenario.signatures=N."
            )
        planned = _of_stack(stack, changes, profile)
    else:
        if changes:
            raise UsageError("--set is of a stack: name it with --stack.")
        planned = _of_options(hosts, containers, signatures, shards, unique=unique, profile=profile)
    click.echo(json.dumps(as_document(planned), indent=2) if as_json else render(planned))


def _of_stack(stack: str, changes: tuple[str, ...], profile: str | None) -> SeedPlan:
    from csscgen.planning.seedplans import of_stack
    from csscgen.stackfiles import parse_changes, project_root, read

    found = read(project_root(), stack, parse_changes(changes))
    if found.shared is None:
        raise UsageError(f"{found.name} is a shared stack, which has no images: name one that has a scenario.")
    return of_stack(found.settings, found.shared.settings, profile)


def _of_options(
    hosts: tuple[str, ...],
    containers: int | None,
    signatures: int | None,
    shards: int,
    *,
    unique: bool,
    profile: str | None,
) -> SeedPlan:
    from csscgen.assignments import image_sets
    from csscgen.planning.seedplans import of_options

    if containers is None or signatures is None:
        raise UsageError("Say what to plan: either --stack NAME, or --num-containers N and --num-referrers N.")
    return of_options(hosts, image_sets(containers, signatures, shards, unique=unique), profile)

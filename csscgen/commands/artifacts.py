"""csscgen artifacts"""

from __future__ import annotations

import json

import click

from csscgen.commands import options


@click.group()
def command() -> None:
    """Seed signed images.

    \b
    Example:
      csscgen artifacts seed --stack local-S
    """


@command.command()
@options.on_stack
@options.as_json
def seed(stack: str, changes: tuple[str, ...], engine: str, instance: str | None, quiet: bool, as_json: bool) -> None:
    """Bring a stack's images and signatures into its registry, and verify that they are there.

    A second time pushes nothing. The shared stack, which has the registries, has to be up; the stack itself need not.
    Negative images get genuine signatures as well with scenario.restored=on.

    \b
    Example:
      csscgen artifacts seed --stack local-S
      csscgen artifacts seed --stack local-negatives --set scenario.restored=on
    """
    from csscgen import seeding
    from csscgen.context import open_context
    from csscgen.guarding import guarded

    context = open_context(stack, changes, engine, instance=instance, quiet=quiet, scenario=True)
    context.shared_outputs()  # refuses a stack that is not up
    with guarded(context), context.progress.step("seed"):
        report = seeding.seed(context)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo(
            f"{report['images']} images with {report['signatures']} signatures: {report['pushed']} manifests pushed, "
            f"{report['present']} were there; {report['throttled']} answers 429, {report['retries']} retries; "
            f"{report['seconds']:.1f} s"
        )

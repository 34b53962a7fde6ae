"""csscgen destroy"""

from __future__ import annotations

import click

from csscgen.commands import options


@click.command()
@options.on_stack
@click.option("--shared", is_flag=True, help="The shared stack too.")
def command(stack: str, changes: tuple[str, ...], engine: str, quiet: bool, shared: bool) -> None:
    """Remove what a stack made.

    Works from the stack's state alone, so it also cleans up after a run that was killed. Destroying what is not there
    is fine.

    \b
    Example:
      csscgen destroy --stack local-S --shared
    """
    from csscgen import pipeline, steps
    from csscgen.context import open_context

    context = open_context(stack, changes, engine, quiet=quiet)
    with pipeline.exclusive(context), context.progress.step(f"destroy {stack}"):
        steps.destroy(context, shared=shared)

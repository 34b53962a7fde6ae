"""csscgen up"""

from __future__ import annotations

import click

from csscgen.commands import options


@click.command()
@options.on_stack
def command(stack: str, changes: tuple[str, ...], engine: str, instance: str | None, quiet: bool) -> None:
    """Bring up a stack and the shared stack that it needs, without load.

    \b
    Example:
      csscgen up --stack local-S
    """
    from csscgen import pipeline, steps
    from csscgen.checking import check
    from csscgen.context import open_context
    from csscgen.guarding import guarded

    context = open_context(stack, changes, engine, instance=instance, quiet=quiet)
    check(context)
    with pipeline.exclusive(context), guarded(context):
        with context.progress.step("tools"):
            steps.install_tools(context)
        with context.progress.step(f"up {stack}"):
            steps.bring_up(context)

"""csscgen destroy"""

from __future__ import annotations

import click

from csscgen.commands import options


@click.command()
@options.on_stack
@click.option("--shared", is_flag=True, help="The shared stack too.")
def command(stack: str, changes: tuple[str, ...], engine: str, instance: str | None, quiet: bool, shared: bool) -> None:
    """Remove what a stack made.

    Also cleans up after a run that was killed: from the stack's state, and where that is lost from the marks of its
    processes. The run gets its report of what was measured; a shared stack that it had brought up itself goes too.
    Destroying what is not there is fine. Azure's shared stack stays without --shared.

    If something on Azure or on a cluster cannot be removed, it is told what is left and how to remove it.

    \b
    Example:
      csscgen destroy --stack local-S --shared
    """
    from csscgen import pipeline, recovering, steps
    from csscgen.context import open_context
    from csscgen.interruptions import interruptible

    context = open_context(stack, changes, engine, instance=instance, quiet=quiet)
    with pipeline.exclusive(context), interruptible() as interrupts:
        recovering.report_all(context)
        interrupts.for_good()
        with context.progress.step(f"destroy {stack}"):
            steps.destroy(context, shared=shared)

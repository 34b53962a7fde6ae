"""csscgen preview"""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from csscgen.commands import options
from csscgen.commands.printing import table


@click.command()
@options.on_stack
@options.as_json
def command(
    stack: str, changes: tuple[str, ...], engine: str, instance: str | None, quiet: bool, as_json: bool
) -> None:
    """Show what up would do.

    Touches nothing. With --json every resource is printed with its inputs and dependencies; what is not known before
    it is made is "[unknown]".

    \b
    Example:
      csscgen preview --stack local-S
    """
    from csscgen.context import open_context

    context = open_context(stack, changes, engine, instance=instance, quiet=quiet)
    with context.progress.step(f"preview {stack}"):
        outcome = context.engine.preview(stack, context.stack.config)
    if as_json:
        click.echo(json.dumps([asdict(step) for step in outcome.steps], indent=2))
        return
    rows = [{"op": step.op, "type": step.type, "name": step.name} for step in outcome.steps]
    table(rows, ["op", "type", "name"], as_json=False)
    click.echo(", ".join(f"{count} to {op}" for op, count in sorted(outcome.changes.items())) or "nothing to do")

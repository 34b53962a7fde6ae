"""csscgen run"""

from __future__ import annotations

import click

from csscgen.commands import options
from csscgen.commands.printing import conclude


@click.command()
@options.on_stack
@options.as_json
@click.option("--keep", is_flag=True, help="Leave the stack up, to look at it; csscgen destroy removes it.")
def command(stack: str, changes: tuple[str, ...], engine: str, quiet: bool, as_json: bool, keep: bool) -> None:
    """Run a stack's scenario from nothing to a report.

    Finds or builds the real binaries, brings the stack up, seeds and verifies its signed images, sends the load,
    waits until every pod's outcome is known, and leaves runs/<id>/ with the figures, the report and the raw records.
    What was started is stopped again, whatever happens.

    Exit codes: 0 fine, 1 failed, 2 usage, 3 a threshold is broken, 4 the deadline passed.

    \b
    Example:
      csscgen run --stack local-S
      csscgen run --stack local-S --set registry.size=XS --set ratify.cache=on --json
    """
    from csscgen import pipeline
    from csscgen.context import open_context

    conclude(pipeline.run(open_context(stack, changes, engine, quiet=quiet, scenario=True), keep=keep), as_json=as_json)

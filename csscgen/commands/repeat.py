"""csscgen repeat"""

from __future__ import annotations

import json
from pathlib import Path

import click

from csscgen.commands import options


@click.command()
@click.argument("count", metavar="N", type=click.IntRange(1, 1000))
@options.on_stack
@options.judged
@options.in_set
@options.as_json
def command(
    count: int,
    stack: str,
    changes: tuple[str, ...],
    engine: str,
    instance: str | None,
    quiet: bool,
    as_json: bool,
    in_set: str | None,
    thresholds: tuple[str, ...],
    thresholds_file: Path | None,
) -> None:
    """Run a stack's scenario several times, one after another, as a set.

    Each is a csscgen run of its own, with a stack of its own that is removed again. Prints the name of each run as it
    ends. A failed verdict is a result, and the next run follows; a run that ends in an error is the last one. The name
    of the set, which is told in the end, is one side of csscgen compare. With --in-set of a set that is there, the runs
    are added to it.

    Exit codes: 0 fine, 3 a run has the verdict fail, else that of the run that ended in an error.

    \b
    Example:
      csscgen repeat 5 --stack local-S --in-set before
      csscgen repeat 5 --stack local-S --set ratify.cache=on --in-set cached --json
    """
    from csscgen import limits, repeating, sides
    from csscgen.context import open_context
    from workloads.errors import ThresholdError

    context = open_context(stack, changes, engine, instance=instance, quiet=True, scenario=True)
    limits.read(thresholds, thresholds_file)  # what is wrong with either is told before anything is begun
    name = in_set or repeating.new_set(stack)
    sides.check_set(context.root, name)
    words = ["--stack", stack, "--engine", engine, *(["--quiet"] if quiet else [])]
    words += [
        word
        for option, values in (("--set", changes), ("--threshold", thresholds))
        for v in values
        for word in (option, v)
    ]
    words += ["--thresholds", str(thresholds_file)] if thresholds_file else []
    words += ["--instance", instance] if instance else []
    folders: list[Path] = []

    def made(folder: Path) -> None:
        folders.append(folder)
        if not as_json:
            click.echo(folder.name)

    try:
        code = repeating.repeat(context.root, name, count, words, lambda text: click.echo(text, err=True), made)
    finally:
        if as_json:
            click.echo(json.dumps([folder.name for folder in folders]))
        click.echo(f"{len(folders)} of {count} runs are in set {name}.", err=True)
    if code:  # the run itself has told its error
        raise click.exceptions.Exit(code)
    if failed := repeating.failed(folders):
        raise ThresholdError(f"{len(failed)} of {count} runs have the verdict fail: {', '.join(failed)}.")

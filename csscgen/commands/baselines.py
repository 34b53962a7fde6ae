"""csscgen baselines"""

from __future__ import annotations

import json

import click

from csscgen.commands import options
from csscgen.commands.printing import table


@click.group()
def command() -> None:
    """Keep runs by a name, to compare others with.

    \b
    Example:
      csscgen baselines list
    """


@command.command("set")
@click.argument("name")
@click.argument("words", metavar="RUN[,RUN]...")
def set_(name: str, words: str) -> None:
    """Keep runs as the baseline NAME, instead of those that it had.

    A RUN may be a set of runs, by its name. They are kept as they are now: a set that grows does not change a baseline.

    \b
    Example:
      csscgen baselines set v1 local-S-20260102-101500-9f3c,local-S-20260102-102500-77ab
      csscgen compare v1 local-S-20260109-090000-11aa
    """
    from csscgen import sides
    from csscgen.stackfiles import project_root

    root = project_root()
    sides.keep(root, name, sides.find(root, words))


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """List the baselines with their runs, and which of these are gone.

    \b
    Example:
      csscgen baselines list --json
    """
    from csscgen import sides
    from csscgen.stackfiles import project_root

    root = project_root()
    kept = {
        name: {"runs": names, "gone": sides.gone(root, names)} for name, names in sorted(sides.baselines(root).items())
    }
    if as_json:
        click.echo(json.dumps([{"name": name, **each} for name, each in kept.items()], indent=2))
        return
    rows = [{"name": n, **{key: ", ".join(them) or None for key, them in each.items()}} for n, each in kept.items()]
    table(rows, ["name", "runs", "gone"], as_json=False)


@command.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Forget a baseline. Its runs stay.

    \b
    Example:
      csscgen baselines remove v1
    """
    from csscgen import sides
    from csscgen.stackfiles import project_root

    sides.remove(project_root(), name)

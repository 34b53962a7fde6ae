"""csscgen plan"""

from __future__ import annotations

import json

import click

from csscgen.commands import options


@click.command()
@options.stack
@options.changes
@options.as_json
def command(stack: str, changes: tuple[str, ...], as_json: bool) -> None:
    """Tell what a run would do, take and cost.

    Counts objects, nodes, cores against quotas, and requests to the registry against the limits that are published for
    it; says which limit holds the run up, how long it takes at least, how many 429s to expect, and what it costs.
    Touches nothing and asks nobody: limits and prices are files with a date. docs/planning.md says what is published,
    what was measured, what is guessed.

    Exit codes: 0 it works, 2 usage, 3 it cannot work.

    \b
    Example:
      csscgen plan --stack local-S
      csscgen plan --stack local-S --set registry.size=XS --set scenario.replicas=2000 --json
    """
    from csscgen.planning.documents import as_document
    from csscgen.planning.planner import plan
    from csscgen.planning.text import render
    from csscgen.stackfiles import parse_changes, project_root, read
    from workloads.errors import PlanError

    found = read(project_root(), stack, parse_changes(changes))
    planned = plan(found.name, found.settings, found.shared.settings if found.shared else None)
    click.echo(json.dumps(as_document(planned), indent=2) if as_json else render(planned))
    if planned.problems:
        keys = ", ".join(dict.fromkeys(each.key for each in planned.problems))
        raise PlanError(f"The plan of stack {found.name} cannot work as it is; what it says of {keys} has to change.")

"""csscgen doctor"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from csscgen.commands import options
from csscgen.commands.printing import table


@click.command()
@options.as_json
@click.option("--fix", is_flag=True, help="Mend what nobody can need any more, and report runs that were cut off.")
def command(as_json: bool, fix: bool) -> None:
    """Show what runs, and what is left of commands that are gone.

    Names every process of your stacks, whether a command works on it, and what is left over: stacks without a command,
    locks, half-written files, runs without a report, reserved ports, half-built tools; each with the command that
    removes it. Stacks are never removed by --fix: they are yours to destroy, or to resume.

    Exit codes: 0 nothing is left over, 1 something is.

    \b
    Example:
      csscgen doctor
      csscgen doctor --fix
    """
    from csscgen import diagnosis
    from csscgen.stackfiles import project_root
    from infra.engine.places import state_base

    root = project_root()
    base = state_base(root)
    running = diagnosis.processes()
    left = diagnosis.findings(root, base, running)
    if fix:
        for finding in left:
            if finding.fix is not None:
                finding.fix()
        running = diagnosis.processes()
        left = diagnosis.findings(root, base, running)
    if as_json:
        rows = [{"what": finding.what, "remedy": finding.remedy} for finding in left]
        click.echo(json.dumps({"processes": [asdict(one) for one in running], "left": rows}, indent=2))
    else:
        if running:
            columns = ["name", "pid", "since", "stack", "instance", "run", "harness", "state"]
            table([asdict(one) for one in running], columns, as_json=False)
        for finding in left:
            click.echo(f"Left over: {finding.what}.\n  {finding.remedy}")
        if not left:
            click.echo("Nothing is left over.")
    sys.exit(1 if left else 0)

"""csscgen report"""

from __future__ import annotations

import click

from csscgen.commands import options
from csscgen.commands.printing import conclude


@click.command()
@click.argument("run", required=False)
@options.as_json
def command(run: str | None, as_json: bool) -> None:
    """Make a run's summary and report again.

    RUN is a run's id, a unique beginning of one, or its folder; without it the newest run is taken. A run whose harness
    was killed is reported with what it had measured until then.

    \b
    Example:
      csscgen report local-S-20260102-101500-9f3c
    """
    from analysis.results import analyse
    from csscgen import recovering, runs
    from csscgen.stackfiles import project_root

    folder = runs.find(project_root(), run)
    if recovering.is_cut_off(folder):
        recovering.close(folder)
    conclude(analyse(folder), as_json=as_json)

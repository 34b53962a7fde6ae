"""csscgen report"""

from __future__ import annotations

from pathlib import Path

import click

from csscgen.commands import options
from csscgen.commands.printing import conclude


@click.command()
@click.argument("run", required=False)
@options.judged
@options.as_json
def command(run: str | None, thresholds: tuple[str, ...], thresholds_file: Path | None, as_json: bool) -> None:
    """Make a run's summary and report again.

    RUN is a run's id, a unique beginning of one, or its folder; without it the newest run is taken. A run whose harness
    was killed is reported with what it had measured until then. Thresholds that are given here are kept with the run,
    beside those that it has.

    \b
    Example:
      csscgen report local-S-20260102-101500-9f3c
      csscgen report --threshold 'pod_startup_seconds.p99 <= 5'
    """
    from analysis.results import analyse
    from csscgen import limits, recovering, runs
    from csscgen.stackfiles import project_root

    given = limits.read(thresholds, thresholds_file)
    folder = runs.find(project_root(), run)
    if recovering.is_cut_off(folder):
        recovering.close(folder)
    limits.keep(folder, given)
    conclude(analyse(folder), as_json=as_json)

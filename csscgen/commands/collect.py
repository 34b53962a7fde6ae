"""csscgen collect"""

from __future__ import annotations

from pathlib import Path

import click

from csscgen.commands import options
from csscgen.commands.printing import conclude


@click.command()
@options.on_stack
@options.judged
@options.profiles
@options.as_json
@click.option("--run", "name", metavar="ID", help="The run to complete; the stack's newest if it is not given.")
def command(
    stack: str,
    changes: tuple[str, ...],
    engine: str,
    instance: str | None,
    quiet: bool,
    profiles: tuple[str, ...],
    as_json: bool,
    thresholds: tuple[str, ...],
    thresholds_file: Path | None,
    name: str | None,
) -> None:
    """Collect logs and queries into a run's folder, and report.

    A cluster that was loaded without csscgen, by `pulumi up`, gets a run's folder after the fact: with what the cluster
    and its Prometheus still know, and without what somebody would have had to watch. The report says so.

    With a profile, its queries are asked over the run's window, in place of those that the run was begun with.

    \b
    Example:
      csscgen collect --stack local-S
      csscgen collect --stack perf-L --profile profiles/ratify.yaml
    """
    from analysis.results import analyse
    from csscgen import aftermath, limits, pipeline, recovering, runs
    from csscgen import profiles as queries
    from csscgen.collecting import collect
    from csscgen.context import open_context
    from workloads.errors import UsageError

    given = limits.read(thresholds, thresholds_file)
    context = open_context(stack, changes, engine, instance=instance, quiet=quiet, scenario=True).asked(profiles)
    context = context.changed(thresholds=given) if given else context
    context.outputs()  # refuses a stack that is not up before the record is touched
    if name is None and aftermath.is_due(context):
        return conclude(analyse(aftermath.gather(context).folder), as_json=as_json)
    folder = runs.find(context.root, name, None if name else stack)
    record = recovering.close(folder) if recovering.is_cut_off(folder) else runs.load(folder)
    if record.stack != stack:
        raise UsageError(f"Run {record.id} is one of stack {record.stack}, and the logs of {stack} are not its own.")
    if given:
        record.settings["thresholds"] = {**(record.settings.get("thresholds") or {}), **given}
    record.profile = queries.record(queries.of(context)) or record.profile
    with record.phase(context.progress, "collect"):
        collect(context, record)
    record.cut_off = record.error is not None
    conclude(pipeline.report(context, record), as_json=as_json)

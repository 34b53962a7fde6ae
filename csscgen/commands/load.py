"""csscgen load"""

from __future__ import annotations

import click

from csscgen.commands import options


@click.command()
@options.on_stack
@options.profiles
@click.option("--shards", type=int, metavar="N", help="Share the schedule among N drivers: --set load.shards=N.")
@options.template
@options.objects
def command(
    stack: str,
    changes: tuple[str, ...],
    engine: str,
    instance: str | None,
    quiet: bool,
    profiles: tuple[str, ...],
    shards: int | None,
    template: str | None,
    objects: int | None,
) -> None:
    """Send a stack's load and record what becomes of it.

    Arms watches and scrapers, lets the program declare the workloads (load.mode=declared) or creates them at load.rate
    or in load.phases (load.mode=created), from a --template if there is one, waits until every pod's outcome is known,
    and prints the folder of the run. csscgen collect completes it. The stack has to be up and seeded. docs/load.md has
    the phases, and what a template may have.

    \b
    Example:
      csscgen load --stack local-S --set load.mode=created --set load.rate=5
      csscgen load --stack local-S --set load.mode=created --set load.rate=500 --shards 2
      csscgen load --stack local-S --template deployment.yaml --objects 100 --set load.rate=20
    """
    from csscgen import pipeline, runs, steps
    from csscgen.checking import check_template
    from csscgen.context import open_context
    from csscgen.driving import drive
    from csscgen.guarding import guarded

    changes = options.of_load(changes, template, objects)
    if shards is not None:
        changes = (*changes, f"load.shards={shards}")
    context = open_context(stack, changes, engine, instance=instance, quiet=quiet, scenario=True).asked(profiles)
    check_template(context.stack)
    context.outputs()  # refuses a stack that is not up before a folder is made
    with pipeline.exclusive(context), guarded(context) as guard:
        record, context = pipeline.begin(context, guard)
        record.versions = runs.versions(steps.install_tools(context))
        drive(context, record)
        record.journal.write("loaded")
    click.echo(str(record.folder))

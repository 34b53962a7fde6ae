"""csscgen run"""

from __future__ import annotations

from pathlib import Path

import click

from csscgen.commands import options
from csscgen.commands.printing import conclude


@click.command()
@options.on_stack
@options.judged
@options.in_set
@options.profiles
@options.as_json
@options.template
@options.objects
@click.option("--keep", is_flag=True, help="Leave the stack up, to look at it; csscgen destroy removes it.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Go on with a run that was cut off: the one named, or the stack's newest.",
)
def command(
    stack: str,
    changes: tuple[str, ...],
    engine: str,
    instance: str | None,
    quiet: bool,
    profiles: tuple[str, ...],
    as_json: bool,
    in_set: str | None,
    thresholds: tuple[str, ...],
    thresholds_file: Path | None,
    template: str | None,
    objects: int | None,
    keep: bool,
    resume: str | None,
) -> None:
    """Run a stack's scenario from nothing to a report.

    Finds or builds the real binaries, brings the stack up, seeds and verifies its signed images, sends the load,
    waits until every pod's outcome is known, and leaves runs/<id>/ with the figures, the report and the raw records.
    What was started is stopped again, whatever happens. A stack on Azure needs the Pulumi CLI, and its shared stack
    stays.

    A run whose harness was killed is gone on with by --resume: with its own settings, from the step that it was in.
    What happened meanwhile was not watched, and the report says so.

    Exit codes: 0 fine, 1 failed, 2 usage, 3 a threshold is broken, 4 the deadline passed.

    \b
    Example:
      csscgen run --stack local-S
      csscgen run --stack local-S --set registry.size=XS --set ratify.cache=on --json
      csscgen run --stack local-S --threshold 'ratify.verification_seconds.p99 <= 1.5'
      csscgen run --stack local-S --set monitoring.prometheus=on --profile profiles/ratify.yaml
      csscgen run --stack local-S --template deployment.yaml --objects 20
      csscgen run --stack local-S --resume
      csscgen run --stack perf-S
    """
    from csscgen import limits, pipeline, sides
    from csscgen.context import open_context
    from workloads.errors import UsageError

    changes = options.of_load(changes, template, objects)
    if resume is not None and (changes or profiles or thresholds or thresholds_file or in_set):
        raise UsageError(
            "A run is resumed with the settings that it was begun with: leave --set, --template, --objects, --profile, "
            "--threshold, --thresholds and --in-set out. `csscgen report` judges it by other thresholds afterwards."
        )
    context = open_context(stack, changes, engine, instance=instance, quiet=quiet, scenario=True).asked(profiles)
    if in_set:
        sides.check_set(context.root, in_set)
    if given := limits.read(thresholds, thresholds_file):
        context = context.changed(thresholds=given)
    if resume is None:
        summary = pipeline.run(context, keep=keep, in_set=in_set)
    else:
        summary = pipeline.resume(context, resume or None, keep=keep)
    conclude(summary, as_json=as_json)

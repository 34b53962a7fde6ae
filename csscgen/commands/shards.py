"""csscgen shards"""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import click

from csscgen.commands import options


@click.group()
def command() -> None:
    """Send a load from several drivers on a cluster: print their Job, be one of them, merge what they told.

    On one machine `csscgen load --shards N` does all of it. docs/load.md has more.

    \b
    Example:
      csscgen shards job --stack kubeconfig-S --set load.mode=created --set load.shards=4 --image IMAGE
    """


@command.command("job")
@options.stack
@options.changes
@options.engine
@options.instance
@click.option("--image", required=True, metavar="REFERENCE", help="Image with csscgen of this version on its PATH.")
@click.option(
    "--begin-in",
    type=click.FloatRange(1, 86_400),
    default=120,
    show_default=True,
    metavar="SECONDS",
    help="From now to the begin of the schedule: until then the pods have to run.",
)
def job(stack: str, changes: tuple[str, ...], engine: str, instance: str | None, image: str, begin_in: float) -> None:
    """Print the Indexed Job that sends a stack's load from load.shards pods, as YAML for kubectl apply.

    With it come its namespace, service account, permissions and plan. The stack has to be up and seeded.

    \b
    Example:
      csscgen shards job --stack mine --set load.shards=4 --image IMAGE | kubectl apply -f -
    """
    import time
    from fnmatch import fnmatchcase

    from csscgen.context import open_context
    from csscgen.generating.documents import dumped
    from csscgen.sharding.jobs import NAMESPACE, documents
    from csscgen.sharding.plans import ShardPlan
    from workloads.errors import UsageError

    context = open_context(stack, changes, engine, instance=instance, quiet=True, scenario=True)
    settings = context.settings
    if settings.load.mode != "created":
        raise UsageError("Only a load that csscgen creates can be divided: add --set load.mode=created.")
    excluded = settings.gatekeeper.excludedNamespaces
    if settings.gatekeeper.install and not any(fnmatchcase(NAMESPACE, pattern) for pattern in excluded):
        raise UsageError(
            f"Gatekeeper would refuse the drivers in {NAMESPACE}: gatekeeper.excludedNamespaces has to have it, as it "
            "does by default."
        )
    host = context.outputs()["registry"]
    load = ShardPlan(settings.plan, host, settings.load.schedule, settings.load.shards, time.time() + begin_in)
    for document in documents(load, image):
        click.echo(f"---\n{dumped(document)}", nl=False)


@command.command("send")
@click.option("--plan", type=click.Path(path_type=Path), required=True, help="The plan of all shards.")
@click.option(
    "--shard", type=click.IntRange(0), envvar="JOB_COMPLETION_INDEX", required=True, help="Which of them, from 0."
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    envvar="KUBECONFIG",
    help="The API server; without one, the pod's service account.",
)
def send(plan: Path, shard: int, kubeconfig: Path | None) -> None:
    """Send one shard of a load, and print what became of it: what a pod of the Job runs.

    A line of JSON for each request, and a last one with counts and histograms.

    \b
    Example:
      csscgen shards send --plan shards-plan.json --shard 0 --kubeconfig admin.conf > shard-0.jsonl
    """
    import sys

    from csscgen.sharding import logins
    from csscgen.sharding.plans import ShardPlan
    from csscgen.sharding.sending import send_shard
    from workloads.errors import UsageError

    try:
        load = ShardPlan.read(plan.read_bytes(), str(plan))
    except OSError as error:
        raise UsageError(f"The plan {plan} cannot be read: {error.strerror}.") from error
    if shard >= load.shards:
        raise UsageError(f"There is no shard {shard}: the plan has {load.shards}, from 0.")
    send_shard(load, shard, logins.kubeconfig(kubeconfig), sys.stdout.fileno())


@command.command("merge")
@click.argument("logs", metavar="LOG...", type=click.File("rb"), nargs=-1, required=True)
@click.option("--requests", type=click.Path(path_type=Path), help="Write the requests of all shards to this file.")
@options.as_json
def merge(logs: tuple[BinaryIO, ...], requests: Path | None, as_json: bool) -> None:
    """Merge what the shards of a load have told, and print the figures of all.

    LOG is what a shard printed; - reads standard input. The last line of each is enough, and has to be there.

    \b
    Example:
      kubectl logs -n cluster-loader -l job-name=csscgen-load --tail=-1 | csscgen shards merge -
    """
    from itertools import chain

    import orjson

    from analysis.files import write_atomically
    from analysis.shards import merged, table
    from csscgen.sharding.logs import complete, read

    sums, sent = read(chain.from_iterable(logs))
    figures = merged(sums)
    if requests is not None:
        lines = [orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in complete(sums, sent)]
        write_atomically(requests, b"".join(lines))
    click.echo(json.dumps(figures, indent=2) if as_json else table(figures))

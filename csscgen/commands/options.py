"""Options that several commands share, so that they are spelt and explained once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

stack = click.option("--stack", "-s", required=True, metavar="NAME", help="A file stacks/Pulumi.NAME.yaml.")
changes = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one key for this once: registry.size=XS."
)
engine = click.option(
    "--engine",
    type=click.Choice(["auto", "cli", "embedded"]),
    default="auto",
    show_default=True,
    help="The Pulumi CLI, or the embedded engine; auto takes the CLI if it is on PATH.",
)
instance = click.option(
    "--instance",
    metavar="NAME",
    envvar="CSSCGEN_INSTANCE",
    help="Stacks of their own under the same names, so that several runs can go on at once.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout, and nothing else there.")
profiles = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="FILE",
    type=click.Path(resolve_path=True),
    help="A file with metrics and alerts to ask Prometheus for, besides monitoring.profiles; may be repeated.",
)
quiet = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")

in_set = click.option("--in-set", metavar="SET", help="Keep the run in a set of runs, which compare takes by its name.")


template = click.option(
    "--template",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    metavar="FILE",
    help="Create this workload, once for each object: --set load.mode=created --set load.template=FILE.",
)
objects = click.option(
    "--objects", type=click.IntRange(min=1), metavar="N", help="How many workloads: --set scenario.shards=N."
)


def of_load(changes: tuple[str, ...], template: str | None, objects: int | None) -> tuple[str, ...]:
    """``--template`` and ``--objects`` as ``--set`` words, before those that were given."""
    words = ("load.mode=created", f"load.template={json.dumps(template)}") if template else ()
    return (*words, *([f"scenario.shards={objects}"] if objects else []), *changes)


def on_stack(command: F) -> F:
    """The options of every command that works on a stack."""
    for option in (quiet, engine, instance, changes, stack):
        command = option(command)
    return command


def judged(command: F) -> F:
    """The options of a command that judges a run."""
    return _threshold(_thresholds(command))


_threshold = click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="'FIGURE OP VALUE'",
    help="A limit that the run has to keep, beside those of its stack: 'pods.missing <= 0'.",
)
_thresholds = click.option(
    "--thresholds",
    "thresholds_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="More of them, as YAML with a line `FIGURE: OP VALUE` for each.",
)

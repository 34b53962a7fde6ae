"""Options that several commands share, so that they are spelt and explained once."""

from __future__ import annotations

from collections.abc import Callable
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
quiet = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")


def on_stack(command: F) -> F:
    """The options of every command that works on a stack."""
    for option in (quiet, engine, instance, changes, stack):
        command = option(command)
    return command

"""csscgen outputs"""

from __future__ import annotations

import json

import click

from csscgen.commands import options


@click.command()
@options.on_stack
@click.option("--show-secrets", is_flag=True, help="Print secrets in clear.")
def command(
    stack: str, changes: tuple[str, ...], engine: str, instance: str | None, quiet: bool, show_secrets: bool
) -> None:
    """Print the outputs of a stack as JSON.

    \b
    Example:
      csscgen outputs --stack local-S | jq -r .kubeconfig > kubeconfig.json
    """
    from csscgen.context import open_context
    from infra.engine import Secret

    context = open_context(stack, changes, engine, instance=instance, quiet=quiet)
    found = context.engine.outputs(stack)
    shown = {
        key: (value.value if show_secrets else "[secret]") if isinstance(value, Secret) else value
        for key, value in found.items()
    }
    click.echo(json.dumps(shown, indent=2))

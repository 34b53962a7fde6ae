"""csscgen artifacts"""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "plan": "Tell what a seeding would push, and how long it takes.",
    "seed": "Bring images and signatures into registries.",
    "verify": "Read back what was seeded, or let Ratify judge it.",
    "list": "List what registries have.",
    "prune": "Delete what a plan does not have.",
}
"""Name → the line that ``--help`` shows. Each is a module here, ``list`` the module ``listing``."""
MODULES = {"list": "listing"}


class _Artifacts(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"{__name__}.{MODULES.get(cmd_name, cmd_name)}")
        command = module.command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Artifacts)
def command() -> None:
    """Seed signed images, and see to what was seeded.

    They work on the images and the registry of a stack, with --stack, or on images and registries that the options
    name, with --registry-host. Load goes to registries on this machine, and to those that a stack or you name.

    \b
    Example:
      csscgen artifacts seed --stack local-S
      csscgen artifacts seed --registry-host 127.0.0.1:5000 --num-containers 10 --num-referrers 5
    """

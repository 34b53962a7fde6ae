"""csscgen artifacts verify"""

from __future__ import annotations

import json

import click

from csscgen.commands import options
from csscgen.commands.artifacts.choosing import Choice, on_images


@click.command("verify")
@on_images
@options.as_json
def command(choice: Choice, as_json: bool) -> None:
    """Read back all that was seeded: images, attachments and their blobs.

    Nothing is changed. What is missing, another or too much is named, and the exit code is 1.

    \b
    Example:
      csscgen artifacts verify --stack local-S
      csscgen artifacts verify --registry-host 127.0.0.1:5000 -c 10 --num-referrers 5 --json
    """
    from csscgen import keeping
    from workloads.errors import RegistryError

    with choice.open() as chosen, chosen.progress.step("verify"):
        rows = keeping.verify_all(chosen.assignment, chosen.progress)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            click.echo(
                f"{row['registry']}: {row['images']} images with {row['signatures']} signatures, "
                f"{row['attachments']} attachments in all, {len(row['problems'])} problems"
            )
    if problems := keeping.told(rows):
        raise RegistryError(problems)

"""csscgen artifacts prune"""

from __future__ import annotations

import json

import click

from csscgen.commands import options
from csscgen.commands.artifacts.choosing import Choice, on_images


@click.command("prune")
@on_images
@click.option("--all", "everything", is_flag=True, help="All images of csscgen's naming, whatever the plan is.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@options.as_json
def command(choice: Choice, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Delete what the plan does not have: attachments that an image has too many, and tags of its repositories.

    Nothing is asked before. Only what csscgen made is deleted: repositories of its naming, and attachments that are
    signatures or bear a kind.

    \b
    Example:
      csscgen artifacts prune --stack local-S --dry-run
      csscgen artifacts prune --registry-host 127.0.0.1:5000 --all
    """
    from csscgen import keeping

    with choice.open(images=not everything) as chosen, chosen.progress.step("prune"):
        rows = keeping.prune_all(chosen.assignment, chosen.progress, everything=everything, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        deleted = "to be deleted" if dry_run else "deleted"
        click.echo(
            f"{row['registry']}: {row['images']} images and {row['attachments']} attachments {deleted} in "
            f"{len(row['repositories'])} repositories"
        )

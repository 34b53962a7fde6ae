"""csscgen artifacts list"""

from __future__ import annotations

import click

from csscgen.commands import options
from csscgen.commands.artifacts.choosing import Choice, on_registries
from csscgen.commands.printing import table


@click.command("list")
@on_registries
@options.as_json
def command(choice: Choice, as_json: bool) -> None:
    """List what registries have of csscgen's naming: repositories, images, what is attached to them, and bytes.

    Everything is read from the registry. Where it does not tell its repositories, those of the journal of what was
    seeded are listed.

    \b
    Example:
      csscgen artifacts list --stack local-S
      csscgen artifacts list --registry-host 127.0.0.1:5000 --json
    """
    from csscgen import keeping

    with choice.open(images=False) as chosen, chosen.progress.step("list"):
        rows = keeping.list_all(chosen.assignment, chosen.progress)
    if not as_json:
        for row in rows:
            row["attachments"] = ", ".join(f"{count} {kind}" for kind, count in row["attachments"].items()) or None
            row["bytes"] = f"{row['bytes']:,}"
    table(rows, ["registry", "repository", "images", "attachments", "bytes"], as_json=as_json)

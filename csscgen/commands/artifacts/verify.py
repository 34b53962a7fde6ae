"""csscgen artifacts verify"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from csscgen.commands import options
from csscgen.commands.artifacts.choosing import Choice, on_images
from workloads.errors import RegistryError, UsageError


@click.command("verify")
@on_images
@click.option("--deep", is_flag=True, help="Let the real Ratify judge the images as well.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="With --deep: only N images, chosen at random.")
@click.option("--sample-seed", type=int, default=0, show_default=True, help="Says which images those are.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --deep and without a stack: the signer's certificates, leaf to root (PEM).",
)
@options.as_json
def command(
    choice: Choice, deep: bool, sample: int | None, sample_seed: int, certificate: Path | None, as_json: bool
) -> None:
    """Read back all that was seeded: images, attachments and their blobs.

    With --deep the images are put before Ratify as well: those that have to pass must have as many signatures that it
    accepts as they are to have, and those that have to be refused must be. Nothing is changed. What is missing, another
    or too much is named, and the exit code is 1.

    \b
    Example:
      csscgen artifacts verify --stack local-S --deep --sample 100
      csscgen artifacts verify --registry-host 127.0.0.1:5000 -c 10 --num-referrers 5 --json
    """
    from csscgen import keeping, trusting

    if sample is not None and not deep:
        raise UsageError("--sample is for --deep: without it everything is read.")
    with choice.open() as chosen:
        trust = None
        if deep:
            of_stack = chosen.context and trusting.of_stack(chosen.context, chosen.who)
            trust = of_stack or trusting.of_file(certificate)
        with chosen.progress.step("verify"):
            rows = keeping.verify_all(chosen.assignment, chosen.progress)
        if trust is not None:
            with chosen.progress.step("deep"):
                judged = keeping.judge_all(chosen.assignment, trust, chosen.progress, sample=sample, seed=sample_seed)
            for row, judgement in zip(rows, judged, strict=True):
                row["deep"] = {key: value for key, value in judgement.items() if key not in ("registry", "problems")}
                row["problems"] += judgement["problems"]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            click.echo(_line(row))
    if problems := keeping.told(rows):
        raise RegistryError(problems)


def _line(row: Mapping[str, Any]) -> str:
    read = (
        f"{row['registry']}: {row['images']} images with {row['signatures']} signatures, {row['attachments']} "
        f"attachments in all"
    )
    if deep := row.get("deep"):
        read += f"; Ratify judged {deep['judged']}, accepted {deep['accepted']} and refused {deep['refused']}"
    return f"{read}; {len(row['problems'])} problems"

"""csscgen artifacts seed"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click

from csscgen.commands import options
from csscgen.commands.artifacts.choosing import Choice, on_images
from workloads.algorithms import EnvelopeName
from workloads.errors import UsageError


@click.command("seed")
@on_images
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Without a stack: the signing key (PEM).")
@click.option(
    "--certificate", type=click.Path(path_type=Path), metavar="FILE", help="Its certificates, leaf to root (PEM)."
)
@click.option(
    "--envelope",
    type=click.Choice(list(get_args(EnvelopeName))),
    help="Without a stack: of signatures; jws by default.",
)
@click.option("--prune", is_flag=True, help="Delete attachments that an image has too many.")
@options.as_json
def command(
    choice: Choice,
    key: Path | None,
    certificate: Path | None,
    envelope: EnvelopeName | None,
    prune: bool,
    as_json: bool,
) -> None:
    """Bring images and signatures into registries, and check that they are there.

    A second time pushes nothing, and one that was cut off is gone on with. The shared stack, which has the registries,
    has to be up; the stack itself need not. Negative images get genuine signatures as well with scenario.restored=on.

    \b
    Example:
      csscgen artifacts seed --stack local-S
      csscgen artifacts seed --stack local-negatives --set scenario.restored=on
      csscgen artifacts seed --registry-host 127.0.0.1:5000 -c 10 --num-referrers 5 --key key.pem --certificate crt.pem
    """
    from csscgen import seeding

    with choice.open() as chosen, chosen.progress.step("seed"):
        assignment = chosen.assignment
        if chosen.context is None:
            signers = seeding.given_signers(assignment, key, certificate, envelope or "jws")
        elif key or certificate or envelope:
            raise UsageError(
                "A stack says who signs and how: --key, --certificate and --envelope are for --registry-host."
            )
        else:
            signers = seeding.stack_signers(chosen.context, assignment, chosen.who, chosen.held)
        if not any(images.signatures for images in assignment.sets):
            chosen.progress.say("  The images are left unsigned: they have no signatures.")
        reports = seeding.seed_all(assignment, signers, chosen.progress, prune=prune)
    if as_json:
        click.echo(json.dumps(reports, indent=2))
        return
    for report in reports:
        pruned = f", {report['pruned']} too many deleted" if report["pruned"] else ""
        click.echo(
            f"{report['registry']}: {report['images']} images with {report['signatures']} signatures: "
            f"{report['pushed']} manifests pushed, {report['present']} were there{pruned}; "
            f"{report['requests']} requests, {report['throttled']} answers 429, {report['retries']} retries; "
            f"{report['seconds']:.1f} s"
        )

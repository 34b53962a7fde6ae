"""csscgen keys"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from csscgen.commands import options
from workloads.algorithms import ALGORITHMS

PATH = click.Path(path_type=Path)


@click.group()
def command() -> None:
    """Make keys to sign with, look at chains, and export what verifiers are to trust.

    \b
    Example:
      csscgen keys create --directory keys
    """


@command.command()
@click.option("--directory", "-d", required=True, type=PATH, help="Where signing.key and signing.crt are made.")
@click.option("--algorithm", type=click.Choice(list(ALGORITHMS)), default="ES256", show_default=True)
@click.option("--common-name", default="ratify-perf", show_default=True, help="Of the certificate's subject.")
@click.option("--intermediate", is_flag=True, help="A chain of leaf, intermediate and root, not a self-signed one.")
@click.option("--validity-days", type=click.IntRange(1, 3650), default=365, show_default=True)
@options.as_json
def create(
    directory: Path, algorithm: str, common_name: str, intermediate: bool, validity_days: int, as_json: bool
) -> None:
    """Make a private key (mode 0600) and its chain of certificates, to seed with where there is no stack.

    A key is never written over.

    \b
    Example:
      csscgen keys create --directory keys
      csscgen keys create --directory keys --algorithm PS384 --intermediate
    """
    from csscgen.artifacts import keys
    from infra.settings.declaring import COMMON_NAME
    from workloads.errors import UsageError, quoted

    if not _matches(COMMON_NAME[0], common_name):
        raise UsageError(f"The common name has to be {COMMON_NAME[1]}, got {quoted(common_name)}.")
    key, chain = keys.create(
        directory, algorithm=algorithm, common_name=common_name, intermediate=intermediate, days=validity_days
    )
    if as_json:
        click.echo(json.dumps({"key": str(key), "certificate": str(chain)}, indent=2))
    else:
        click.echo(f"{key}\n{chain}")


@command.command()
@click.argument("file", type=PATH)
@options.as_json
def show(file: Path, as_json: bool) -> None:
    """Tell what a chain of certificates is, and what verifiers would refuse it for.

    \b
    Example:
      csscgen keys show keys/signing.crt
      csscgen keys show keys/signing.crt --json | jq '.[].problems'
    """
    from datetime import UTC, datetime

    from csscgen.artifacts import keys

    chain = keys.shown(_text(file), datetime.now(UTC))
    click.echo(json.dumps(chain, indent=2) if as_json else "\n".join(_lines(chain)))


@command.command()
@click.option("--stack", "-s", metavar="NAME", help="A stack that is up: whom its shared stack trusts.")
@click.option("--certificate", "-c", type=PATH, metavar="FILE", help="A chain: whoever signs with it.")
@click.option("--for", "reader", required=True, type=click.Choice(["ratify", "notation"]), help="Whose files.")
@click.option("--directory", "-d", required=True, type=PATH, help="Where they are written.")
@options.instance
@options.as_json
def export(
    stack: str | None, certificate: Path | None, reader: str, directory: Path, instance: str | None, as_json: bool
) -> None:
    """Write trust store and trust policy as the files of a verifier; a file with another content is left and told.

    For notation: its configuration folder, trustpolicy.json and truststore. For Ratify: trust.crt and config.json for
    `ratify verify -c`, and resources.yaml, which `kubectl apply -f` gives to a cluster with Ratify's chart. No private
    key is needed or read.

    \b
    Example:
      csscgen keys export --certificate keys/signing.crt --for notation --directory ~/.config/notation
      csscgen keys export --stack local-S --for ratify --directory trust
    """
    from csscgen.artifacts import keys
    from workloads.errors import UsageError

    if (stack is None) == (certificate is None):
        raise UsageError("Say whom to trust: with --stack, or with --certificate, and not with both.")
    if stack is not None:
        from csscgen.context import open_context

        context = open_context(stack, instance=instance, quiet=True)
        trust = keys.trust_of_stack((context.stack.shared or context.stack).name, context.shared_outputs())
    else:
        assert certificate
        trust = keys.trust_of_chain(_text(certificate))
    files = keys.for_notation(trust) if reader == "notation" else keys.for_ratify(trust, directory)
    written = keys.export(files, directory)
    rows = [{"file": str(directory / name), "written": directory / name in written} for name in files]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo("\n".join(f"{row['file']}{'' if row['written'] else ' (was there)'}" for row in rows))


def _text(file: Path) -> str:
    return file.read_bytes().decode(errors="replace")


def _matches(form: str, text: str) -> bool:
    import re

    return re.fullmatch(form, text) is not None


def _lines(chain: list[dict[str, Any]]) -> list[str]:
    lines = []
    for certificate in chain:
        algorithm = f", {certificate['algorithm']}" if certificate["algorithm"] else ""
        lines += [
            certificate["subject"] or "(no subject)",
            f"  issued by {certificate['issuer'] or '(no subject)'}",
            f"  {certificate['key']}{algorithm}; good from {certificate['from']} until {certificate['until']}",
            *(f"  refused: {problem}" for problem in certificate["problems"]),
        ]
    return lines

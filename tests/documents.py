"""Makes the documents that come from code: Pulumi.yaml, and the marked parts of docs/settings.md, docs/cli.md and
docs/azure.md.

``scripts/docs`` runs it; the tests compare what is checked in with what would be made. Around the marked parts a page
is written by hand, and left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from csscgen.cli import cli
from infra import schema
from infra.policy import secrecy
from infra.policy.rules import RULES

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = "<!-- settings: made by scripts/docs -->"
COMMANDS = "<!-- commands: made by scripts/docs -->"
POLICIES = "<!-- policies: made by scripts/docs -->"
END = "<!-- end -->"
WIDTH = 100


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with the words that call it, groups before what is in them."""
    settings: Any = {**cli.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    yield from _below(cli, click.Context(cli, info_name="csscgen", **settings))


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from _below(inner, click.Context(inner, parent=context, info_name=name))


def commands_text() -> str:
    """A section per command with its help."""
    parts = [
        f"## `{words}`\n\n```text\n{command.get_help(context).rstrip()}\n```" for words, command, context in commands()
    ]
    return "\n\n".join(parts)


def policies_text() -> str:
    """A row per policy."""
    rows = [f"| `{rule.name}` | {rule.description} | {'yes' if rule.pack else 'no'} |" for rule in RULES]
    rows.append(f"| `{secrecy.OUTPUTS}` | {secrecy.OUTPUTS_DESCRIPTION} | no |")
    return "\n".join(["| policy | what it demands | in the pack |", "|---|---|---|", *rows])


def marked(page: str, marker: str) -> str:
    """The part of a page between ``marker`` and the next end. Raises ValueError if the page has no such part."""
    return _split(page, marker)[1].strip("\n")


def replaced(page: str, marker: str, text: str) -> str:
    """The page with ``text`` between ``marker`` and the next end."""
    before, _, after = _split(page, marker)
    body = text.strip("\n")
    return f"{before}{marker}\n\n{body}\n\n{END}{after}"


def _split(page: str, marker: str) -> tuple[str, str, str]:
    before, found, rest = page.partition(marker)
    part, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"The page needs a line {marker} and, after it, a line {END}.")
    return before, part, after


def main() -> None:
    """Writes the files where they are not as they should be."""
    settings, commands_page, azure = ROOT / "docs/settings.md", ROOT / "docs/cli.md", ROOT / "docs/azure.md"
    wanted = {
        ROOT / "Pulumi.yaml": schema.project_file(),
        settings: replaced(settings.read_text(), SETTINGS, schema.settings_tables()),
        commands_page: replaced(commands_page.read_text(), COMMANDS, commands_text()),
        azure: replaced(azure.read_text(), POLICIES, policies_text()),
    }
    for file, text in wanted.items():
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            print(f"made {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

"""csscgen tools"""

from __future__ import annotations

import click

from csscgen.commands import options
from csscgen.commands.printing import table


@click.group()
def command() -> None:
    """Find or build the real binaries of a local stack.

    A binary is taken from CSSCGEN_<NAME>, from PATH at a version that fits, or from the cache; what is in none of them
    is built from its pinned Go module.

    \b
    Example:
      csscgen tools list
    """


@command.command()
@click.argument("names", nargs=-1, metavar="[TOOL]...")
@options.quiet
def install(names: tuple[str, ...], quiet: bool) -> None:
    """Build what is missing of the tools: of those named, or of those that the default stacks need.

    \b
    Example:
      csscgen tools install
      csscgen tools install prometheus
    """
    from csscgen.progress import Progress
    from infra.local import tools
    from infra.local.tools import builds

    progress = Progress(quiet=quiet)
    for tool in tools.missing(tools.select(names)):
        with progress.step(f"build {tool.name}"):
            builds.install([tool], lambda _, what, done, total: progress.count(what, done, total))


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """List every binary, and where it is found.

    \b
    Example:
      csscgen tools list --json
    """
    from infra.local import tools

    rows = []
    for tool in tools.TOOLS.values():
        for binary in tool.packages:
            found = tools.find(binary)
            rows.append(
                {
                    "binary": binary,
                    "pinned": tools.pinned_version(tool),
                    "version": found.version if found else None,
                    "source": found.source if found else "to be built",
                    "path": str(found.path) if found else None,
                }
            )
    table(rows, ["binary", "pinned", "version", "source", "path"], as_json=as_json)


@command.command()
@click.argument("binary")
def path(binary: str) -> None:
    """Print the path of one binary.

    \b
    Example:
      csscgen tools path ratify
    """
    from infra.local import tools
    from workloads.errors import ToolError, UsageError

    known = [name for tool in tools.TOOLS.values() for name in tool.packages]
    if binary not in known:
        raise UsageError(f"There is no binary {binary!r}. The binaries are {', '.join(known)}.")
    found = tools.find(binary)
    if found is None:
        raise ToolError(f"{binary} is not built yet: `csscgen tools install {tools.tool_of(binary).name}` builds it.")
    click.echo(str(found.path))

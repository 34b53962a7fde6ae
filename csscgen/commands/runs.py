"""csscgen runs"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from csscgen.commands import options
from csscgen.commands.printing import table


@click.group()
def command() -> None:
    """List the runs that there are, show them, and trace their figures to records.

    \b
    Example:
      csscgen runs list
    """


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """List the runs in runs/, oldest first.

    \b
    Example:
      csscgen runs list --json
    """
    from csscgen import runs
    from csscgen.stackfiles import project_root

    rows = [_row(folder) for folder in runs.every(project_root())]
    if not as_json:
        for row in rows:
            seconds = row["p99_startup_seconds"]
            row["p99_startup_seconds"] = None if seconds is None else f"{seconds:.3f}"
    table(rows, ["run", "verdict", "ready", "denied", "p99_startup_seconds", "engine"], as_json=as_json)


@command.command("table")
@click.argument("names", metavar="[RUN]...", nargs=-1)
@options.as_json
def table_(names: tuple[str, ...], as_json: bool) -> None:
    """Show runs side by side, as a Markdown table.

    The columns are those of the table that the Ratify project published of its load tests, with peak and mean instead
    of one moment, and with what became of the pods. Without RUN it has the newest run of every stack and scenario.

    \b
    Example:
      csscgen runs table >> comparison.md
    """
    from analysis import tables
    from csscgen import runs
    from csscgen.stackfiles import project_root
    from workloads.errors import UsageError

    root = project_root()
    if names:
        summaries = [_summary(runs.find(root, name)) for name in names]
    else:
        known = [summary for folder in runs.every(root) if (summary := _summary(folder))]
        summaries = list({tables.kind(summary): summary for summary in known}.values())
    for name, summary in zip(names, summaries, strict=False):
        if not summary:
            raise UsageError(f"Run {name} has no summary.json that can be read. `csscgen report {name}` makes it anew.")
    rows = tables.rows(summaries)
    if not as_json and not rows:
        raise UsageError(f"There is no run with a summary in {runs.folder(root)}. `csscgen run` makes one.")
    click.echo(json.dumps(rows, indent=2) if as_json else tables.markdown(rows))


@command.command("show")
@click.argument("run", required=False)
@options.as_json
def show(run: str | None, as_json: bool) -> None:
    """Show every figure of a run, and why those that are missing are.

    RUN is a run's id, a unique beginning of one, or its folder; without it the newest run is taken. The figures are
    named as thresholds and csscgen runs trace take them. With --json it is the run's summary.json.

    \b
    Example:
      csscgen runs show local-S-20260102-101500-9f3c
      csscgen runs show --json | jq .ratify.verification_seconds
    """
    from analysis.listing import listed
    from csscgen import runs
    from csscgen.stackfiles import project_root
    from workloads.errors import UsageError

    folder = runs.find(project_root(), run)
    summary = _summary(folder)
    if not summary:
        raise UsageError(
            f"Run {folder.name} has no summary.json that can be read. `csscgen report {folder.name}` makes it anew."
        )
    if as_json:
        click.echo(json.dumps(summary, indent=2))
        return
    found = listed(summary)
    for line in found.head:
        click.echo(line)
    table(found.rows, ["figure", "value", "reason"], as_json=False)


@command.command("trace")
@click.argument("run")
@click.argument("figure", metavar="METRIC")
@options.as_json
def trace_(run: str, figure: str, as_json: bool) -> None:
    """Print the raw records that a figure of a run is made of.

    METRIC is a figure as csscgen runs show names it. Of a percentile of single pods or objects, the records are those
    at and above it; of what is counted or observed by a component, the samples at both ends of the window and around
    restarts. With --json each record is a line, with the file that it is from. Where records are missing is told.

    \b
    Example:
      csscgen runs trace local-S-20260102-101500-9f3c pods.denied
      csscgen runs trace local-S-20260102-101500-9f3c pod_startup_seconds.p99 --json
    """
    from analysis.records import read
    from analysis.tracing import trace
    from csscgen import runs
    from csscgen.stackfiles import project_root
    from workloads.errors import UsageError

    folder = runs.find(project_root(), run)
    summary = _summary(folder)
    if not summary:
        raise UsageError(
            f"Run {folder.name} has no summary.json that can be read. `csscgen report {folder.name}` makes it anew."
        )
    found = trace(read(folder), summary, figure)
    click.echo(f"{found.figure} is {'null' if found.value is None else f'{found.value:.10g}'}.", err=True)
    for said in [*([found.reason] if found.reason else []), *found.problems]:
        click.echo(said, err=True)
    for file, lines in found.records.items():
        if not as_json:
            click.echo(f"{file}: {len(lines)}")
        for line in lines:
            click.echo(json.dumps({"file": file, **line} if as_json else line))


def _row(folder: Path) -> dict[str, Any]:
    summary = _summary(folder)
    pods, startup = summary.get("pods") or {}, summary.get("pod_startup_seconds") or {}
    return {
        "run": folder.name,
        "verdict": summary.get("verdict", "unfinished"),
        "ready": pods.get("ready"),
        "denied": pods.get("denied"),
        "p99_startup_seconds": startup.get("p99"),
        "engine": (summary.get("engine") or {}).get("name"),
    }


def _summary(folder: Path) -> dict[str, Any]:
    """The summary of a run; empty if there is none that can be read."""
    from analysis.records import read_summary

    return read_summary(folder) or {}

"""csscgen compare"""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from pathlib import Path

import click

from csscgen.commands import options
from csscgen.commands.printing import table


@click.command()
@click.argument("base", metavar="BASE[,BASE]...")
@click.argument("new", metavar="NEW[,NEW]...")
@click.option("--tolerance", "given", multiple=True, metavar="FIGURE=PERCENT", help="What a figure may change by.")
@click.option("--force", is_flag=True, help="Compare runs of different scenarios too.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page that overlays both sides.")
@click.option("--all", "every", is_flag=True, help="A row for every figure that any run has.")
@options.as_json
def command(
    base: str,
    new: str,
    given: tuple[str, ...],
    force: bool,
    html: Path | None,
    every: bool,
    as_json: bool,
) -> None:
    """Tell what got better or worse from the runs BASE to the runs NEW.

    A side is a run, a set of runs that csscgen repeat made, or a baseline that csscgen baselines keeps, by its name, or
    several of these, separated by commas. Counts such as denied or unverified pods are compared exactly, with
    one run on a side too. Times, memory and CPU are judged with 5 runs or more on each side; with fewer they are shown,
    and their verdict is unknown. The exit code is 3 if anything is worse.

    With --html a page shows the same, and the runs of both sides laid over each other.

    \b
    Example:
      csscgen compare local-S-20260102-101500-9f3c local-S-20260109-090000-11aa
      csscgen compare before after --tolerance ratify.memory_bytes.mean=10
    """
    from analysis.comparing import compare
    from csscgen import sides
    from csscgen.stackfiles import project_root
    from workloads.errors import ThresholdError

    if html is not None and html.exists() and not html.is_file():
        raise click.UsageError(f"--html {html} is there and is no file: nothing is put in its place. Name a file.")
    root = project_root()
    one, two = (sides.find(root, words) for words in (base, new))
    found = compare(one, two, dict(_tolerance(entry) for entry in given), force=force, every=every)
    if html is not None:
        from analysis.comparison_page import page
        from analysis.files import write_atomically

        write_atomically(html, page(found, one, two).encode())
        click.echo(f"The page is {html}.", err=True)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        rows = [
            asdict(row)
            | {
                "base": None if row.base is None else f"{row.base:,.6g}",
                "new": None if row.new is None else f"{row.new:,.6g}",
                "change": None if row.change is None else f"{row.change:+.1%}",
                "p": None if row.p_value is None else f"{row.p_value:.3g}",
            }
            for row in found.rows
        ]
        table(rows, ["metric", "unit", "base", "new", "change", "p", "verdict", "reason"], as_json=False)
    for sentence in found.circumstances:
        click.echo(sentence, err=True)
    if found.worse:
        raise ThresholdError(" ".join(found.reasons))
    for reason in found.reasons:
        click.echo(reason, err=True)


def _tolerance(entry: str) -> tuple[str, float]:
    metric, _, percent = entry.partition("=")
    try:
        share = float(percent.removesuffix("%")) / 100
    except ValueError:
        share = -1
    if not isfinite(share) or share < 0:
        raise click.UsageError(f"--tolerance {entry!r} is not a figure, = and a percentage such as 10.")
    return metric, share

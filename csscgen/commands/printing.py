"""How commands print their results, and how a verdict becomes an exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from workloads.errors import ThresholdError


def conclude(summary: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints a run's figures. Raises ThresholdError that says what is wrong, if the verdict is fail."""
    from analysis.text import render

    click.echo(json.dumps(summary, indent=2) if as_json else render(summary))
    if summary["verdict"] != "pass":
        rows = summary["thresholds"]
        broken = [f"{row['metric']} {row['limit']} (it is {row['value']})" for row in rows if not row["ok"]]
        reasons = summary["verdict_reasons"]
        said = reasons[: len(reasons) - len(broken)]  # those of thresholds come last
        if broken:
            said.append(f"The run broke {len(broken)} of {len(rows)} thresholds: {'; '.join(broken)}.")
        raise ThresholdError(" ".join(said))


def table(rows: Sequence[Mapping[str, Any]], columns: list[str], *, as_json: bool) -> None:
    """Rows as aligned text, or as JSON."""
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    texts = [columns, *([str(row[c]) if row[c] is not None else "-" for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in texts) for i in range(len(columns))]
    for line in texts:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())

"""Every figure of a summary, one to a row: what ``csscgen runs show`` prints.

A summary of another version may lack what this one has, or have more: nothing here asks for a certain figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from analysis.comparing.figures import figures, reasons
from analysis.formats import figure_text, printable


class Listing(NamedTuple):
    """``head`` is the verdict with its reasons; a row has ``figure`` (its path), ``value`` and ``reason``, as text."""

    head: list[str]
    rows: list[dict[str, str | None]]


def listed(summary: Mapping[str, Any]) -> Listing:
    """The verdict and the figures of a summary, those that are null with the reason, or None if there is none."""
    head = [f"{str(summary.get('verdict')).upper()}: run {summary.get('run_id')} of stack {summary.get('stack')}"]
    head += [f"- {printable(str(reason))}" for reason in summary.get("verdict_reasons") or ()]
    missing = reasons(summary)
    rows: list[dict[str, str | None]] = [
        {"figure": path, "value": figure_text(path, value), "reason": "" if value is not None else missing.get(path)}
        for path, value in figures(summary).items()
    ]
    return Listing(head, [{key: printable(text) if text else text for key, text in row.items()} for row in rows])

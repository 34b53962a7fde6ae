"""A summary for the terminal: the verdict, the figures that matter, what broke and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from analysis.sentences import causes, headline, meaning
from analysis.views import Group, groups, place

WIDTH = 110
_INDENT = 19
_GLUE = "\N{NO-BREAK SPACE}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
MAX_REASONS = 5


def render(summary: Mapping[str, Any]) -> str:
    """About 30 lines of plain text; ends without a line feed."""
    lines = [
        f"{summary['verdict'].upper()}: {headline(summary)}",
        *_wrapped("", f"{summary['run_id']} of stack {summary['stack']}, {_engine(summary)}", ""),
        *(line for reason in summary["verdict_reasons"] for line in _wrapped("", reason, "- ")),
        "",
    ]
    lines += _figures(groups(summary))
    lines += _reasons(summary)
    lines += _causes(summary)
    lines += ["", *(line for sentence in meaning(summary) for line in _wrapped("", sentence, ""))]
    if summary["missing"]:
        count = len(summary["missing"])
        lines.append(f"{count} figure{'s' if count > 1 else ''} could not be had: summary.json and the report say why.")
    return "\n".join(lines)


def _engine(summary: Mapping[str, Any]) -> str:
    """The engine, and the platform where that is a cluster."""
    engine = f"{(summary['engine'] or {}).get('name')} engine"
    return f"{place(summary)}, {engine}" if summary.get("cluster") else engine


def _figures(found: Sequence[Group]) -> list[str]:
    """A line or two per group; one line in all if there is not a single figure."""
    if all(entry.missing for group in found for entry in group.entries):
        return ["No figure could be had."]
    lines = []
    for group in found:
        known = [f"{entry.name} {entry.text}" for entry in group.entries if entry.missing is None]
        lines += _wrapped(group.title, _joined(known) if known else f"none: {group.entries[0].missing}")
    return lines


def _joined(figures: Sequence[str]) -> str:
    """Figures with dots between them; a line breaks after a dot, never inside a figure."""
    return " \N{MIDDLE DOT} ".join(figures).replace(" ", _GLUE).replace(f"\N{MIDDLE DOT}{_GLUE}", "\N{MIDDLE DOT} ")


def _reasons(summary: Mapping[str, Any]) -> list[str]:
    reasons = summary["pods"]["reasons"] or []
    lines = []
    for title, one in zip(["Reasons", *[""] * MAX_REASONS], reasons[:MAX_REASONS], strict=False):
        told = " ".join(f"{one['count']:,} \N{MULTIPLICATION SIGN} {one['reason']}".split())
        room = WIDTH - _INDENT
        lines.append(f"{title:<{_INDENT}}{told if len(told) <= room else told[: room - 1] + ELLIPSIS}")
    if len(reasons) > MAX_REASONS:
        lines.append(f"{'':<{_INDENT}}and {len(reasons) - MAX_REASONS} more in summary.json")
    return lines


def _causes(summary: Mapping[str, Any]) -> list[str]:
    """What is behind the reasons and the refusals, and what to do."""
    lines = []
    for title, one in zip(["Causes", *[""] * MAX_REASONS], causes(summary)[:MAX_REASONS], strict=False):
        told = f"{one.cause} (pods {one.pods}, refused requests {one.requests}): {one.meaning} {one.advice}"
        lines += _wrapped(title, told)
    return lines


def _wrapped(title: str, text: str, bullet: str | None = None) -> list[str]:
    """Text beside a title, or, with a bullet, from the left edge."""
    if bullet is not None:
        return wrap(text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))
    first = f"{title:<{_INDENT}}"
    lines = wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * _INDENT, break_on_hyphens=False)
    return [line.replace(_GLUE, " ").rstrip() for line in lines]

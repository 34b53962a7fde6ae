"""The page of a comparison: what got worse or better, by how much, and the runs of both sides laid over each other.

It opens without a network, as the report of a run does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from analysis.comparing import Comparison, Row
from analysis.comparing.figures import figures
from analysis.differences import differences
from analysis.formats import NONE, counted, digits, figure_name, figure_text
from analysis.pages import environment, script_data
from analysis.plots.overlays import SIDES, Seen, curves, overlays
from analysis.records import Record, read, read_summary
from analysis.views import place

ORDER = ("worse", "better", "unknown", "same", "shown")
"""In which figures are listed: by verdict, and last those that are shown and not judged."""
MOST = 4
"""Figures that the sentence at the top names of one verdict."""
WIDTH = 96
"""Pixels of the drawing of a change and its interval."""
LEAST_REACH, MOST_REACH = 0.1, 0.5
"""Shares of the base that the drawing reaches to, both ways: what is beyond is at its end."""


class Line(NamedTuple):
    """A figure of the table, as text."""

    kind: str
    metric: str
    name: str
    base: str
    new: str
    change: str
    interval: str
    p: str
    reason: str
    span: tuple[float, float, float] | None
    """Where the interval begins, the change is and the interval ends in its drawing, pixels."""


def page(comparison: Comparison, base: Sequence[Path], new: Sequence[Path]) -> str:
    """The page, as text, for the folders of the runs of each side.

    Raises CollectError if one is not a run's. The runs are read one after the other: two of 20,000 pods need the memory
    of one.
    """
    seen, records, verdicts = [], [], []
    for side, folders in zip(SIDES, (base, new), strict=True):
        for number, folder in enumerate(folders, 1):
            found = read(folder)
            label = side if len(folders) == 1 else f"{side} {number}"
            summary = read_summary(folder) or {}
            seen.append(Seen(label, side, folder.name, figures(summary), curves(found)))
            records.append(found.run)
            verdicts.append(summary.get("verdict"))
    drawn = overlays(seen)
    verdict, said = sentence(comparison)
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            verdict=verdict,
            sentence=said,
            reasons=_besides(comparison),
            facts=[_fact(SIDES[0], records[: len(base)]), _fact(SIDES[1], records[len(base) :])],
            lines=lines(comparison),
            width=WIDTH,
            differences=differences(records[: len(base)], records[len(base) :]),
            plots=drawn,
            plots_json=script_data(drawn),
            runs=[_run(*each) for each in zip(seen, records, verdicts, strict=True)],
        )
    )


def _besides(comparison: Comparison) -> list[str]:
    """What is said of the runs, but for what the table of figures says."""
    elsewhere = {f"{row.metric} is worse: {row.reason}" for row in comparison.worse}
    return [reason for reason in comparison.reasons if reason not in elsewhere]


def kind(row: Row) -> str:
    """The verdict of a row, or that it has none by design."""
    return row.verdict if row.judged else "shown"


def sentence(comparison: Comparison) -> tuple[str, str]:
    """(the verdict in a word, what is worse, what better and what cannot be told and why, in a sentence)."""
    by_kind = {one: [row for row in comparison.rows if kind(row) == one] for one in ORDER}
    parts = []
    for one in ("worse", "better"):
        if rows := by_kind[one]:
            parts.append(f"{_joined([f'{figure_name(row.metric)} ({_by(row)})' for row in rows])} {_be(rows)} {one}")
    if not parts and by_kind["same"]:
        known_to_be = " known to be" if by_kind["unknown"] else ""
        parts.append(f"no figure is{known_to_be} worse or better")
    parts += [f"{_joined(names)} cannot be told ({why})" for why, names in _untold(by_kind["unknown"]).items()]
    word = next((one for one in ORDER[:-1] if by_kind[one]), "unknown")
    text = "; ".join(parts) or "no figure is judged"
    return word, f"{_capital(text)}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _be(rows: Sequence[Row]) -> str:
    return "is" if len(rows) == 1 else "are"


def _joined(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    told = [*names[:MOST], f"{len(names) - MOST} more"] if len(names) > MOST + 1 else list(names)
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _by(row: Row) -> str:
    """By how much a figure changed: as a share, or, of none, from what to what."""
    if row.interval is not None and row.change is not None:
        return f"{row.change:+.1%}"
    before, after = (figure_text(row.metric, one) for one in (row.base, row.new))
    return f"from {before} to {after}"


def _untold(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Figures by the reason why nothing can be told, the reason of most of them first."""
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(_why(row).removesuffix("."), []).append(figure_name(row.metric))
    return dict(sorted(names.items(), key=lambda entry: -len(entry[1])))


def _why(row: Row) -> str:
    """The reason of a row without the change, which is beside it."""
    return row.reason if row.change is None else row.reason.removeprefix(f"{row.change:+.1%}, ").removeprefix("which ")


def lines(comparison: Comparison) -> list[Line]:
    """The table of figures: what is worse, then what is better, then the rest."""
    ends = [abs(end) for row in comparison.rows for end in row.interval or ()]
    reach = min(MOST_REACH, max([LEAST_REACH, *ends]))
    rows = sorted(comparison.rows, key=lambda row: ORDER.index(kind(row)))
    return [_line(row, reach) for row in rows]


def _line(row: Row, reach: float) -> Line:
    span = row.interval if row.interval and row.interval[0] < row.interval[1] else None

    def place_of(share: float) -> float:
        return round(WIDTH / 2 + (WIDTH / 2 - 4) * max(-1.0, min(1.0, share / reach)), 1)

    name, equal = figure_name(row.metric), kind(row) == "same" and row.base == row.new
    return Line(
        kind(row),
        row.metric,
        _capital(name),
        figure_text(row.metric, row.base),
        figure_text(row.metric, row.new),
        NONE if row.change is None else f"{row.change:+.1%}",
        NONE if span is None else f"{span[0]:+.1%} to {span[1]:+.1%}",
        NONE if row.p_value is None else f"{row.p_value:.3g}",
        "" if equal else _capital(_why(row)),
        None if span is None or row.change is None else (place_of(span[0]), place_of(row.change), place_of(span[1])),
    )


def _fact(side: str, runs: Sequence[Record]) -> tuple[str, str]:
    """(a side, what its runs are, in a few words)."""
    stacks = (f"{run.get('stack') or NONE} on the {place({'platform': 'unknown', **run})}" for run in runs)
    return side, f"{counted(len(runs), 'run')} of {', '.join(dict.fromkeys(stacks))}"


def _run(seen: Seen, record: Record, verdict: str | None) -> dict[str, str]:
    """A run in the list of runs."""
    ready, expected = (digits(seen.figures.get(f"pods.{key}")) for key in ("ready", "expected"))
    return {
        "label": seen.label,
        "side": seen.side,
        "id": seen.run,
        "verdict": verdict or NONE,
        "ready": f"{ready} of {expected}",
        "started": (record.get("started_at") or NONE).replace("T", " ").replace("Z", " UTC"),
        "version": (record.get("versions") or {}).get("ratify") or NONE,
    }

"""In what two sides of runs differ besides their figures: versions, machine and settings, from run.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from analysis.records import Record

SUBJECTS = ("family", "stack", "platform", "engine", "cluster", "machine", "versions", "settings")
OWN = ("settings.runId",)
"""What every run has for itself."""
ABSENT = "not recorded"
MAX_TEXT = 200


class Difference(NamedTuple):
    """An entry of run.json by its path, and what the runs of each side have there."""

    path: str
    base: str
    new: str
    mixed: bool
    """Whether runs of one side differ in it, too."""


def differences(base: Sequence[Record], new: Sequence[Record]) -> list[Difference]:
    """What is not the same in all runs, the records of each side given; in the order of the subjects."""
    sides = [[dict(_entries(run)) for run in side] for side in (base, new)]
    paths = dict.fromkeys(path for side in sides for run in side for path in run)
    found = []
    for path in paths:
        before, after = ([run.get(path, ABSENT) for run in side] for side in sides)
        if len({*before, *after}) > 1:
            mixed = len(set(before)) > 1 or len(set(after)) > 1
            found.append(Difference(path, _told(before), _told(after), mixed))
    return found


def _entries(run: Record) -> Iterator[tuple[str, str]]:
    for subject in SUBJECTS:
        for path, entry in _flat(subject, run.get(subject)):
            if path not in OWN:
                yield path, entry


def _flat(path: str, entry: Any) -> Iterator[tuple[str, str]]:
    """The innermost entries by their paths; without recursion, as a file may nest as deep as it likes."""
    rest = [(path, entry)]
    while rest:
        path, entry = rest.pop()
        if isinstance(entry, Mapping) and entry:
            rest += [(f"{path}.{key}", inner) for key, inner in reversed(list(entry.items()))]
        elif isinstance(entry, list) and entry:
            rest += [(f"{path}[{number}]", inner) for number, inner in reversed(list(enumerate(entry)))]
        else:
            yield path, _text(entry)


def _text(entry: Any) -> str:
    if entry is None:
        return "not set"
    if isinstance(entry, bool):
        return "on" if entry else "off"
    return str(entry) if entry not in ("", [], {}) else "none"


def _told(values: Sequence[str]) -> str:
    """The different values of a side in order, with how many runs have each if there are several."""
    counts = Counter(values)
    if len(counts) == 1:
        return _short(values[0])
    return ", ".join(f"{_short(value)} ({count} of {len(values)})" for value, count in counts.items())


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"

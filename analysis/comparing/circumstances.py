"""What else two sides of runs differ in: versions of the components, and the machine. It is told, not judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.differences import differences
from analysis.records import Record, read_run
from workloads.errors import CollectError

SUBJECTS = ("versions", "machine")


def circumstances(base: Sequence[Path], new: Sequence[Path]) -> tuple[str, ...]:
    """A sentence for each entry of ``versions`` and ``machine`` that is not the same in the runs of both sides.

    A run whose record cannot be read says nothing; a side without any is compared with nothing.
    """
    before, after = ([run for folder in side if (run := _record(folder))] for side in (base, new))
    if not before or not after:
        return ()
    return tuple(
        f"The runs differ in {each.path}: {each.base} in the base, {each.new} now."
        for each in differences(before, after)
        if each.path.partition(".")[0] in SUBJECTS
    )


def _record(folder: Path) -> Record | None:
    try:
        return read_run(folder)
    except CollectError:
        return None

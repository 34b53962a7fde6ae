"""Several runs with the same settings, one after another, kept together as a set.

Each is a ``csscgen run`` in a process of its own: what the harness takes is a figure, and a process that has had
another run before takes more.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from analysis.records import read_summary
from csscgen import sides
from csscgen.interruptions import interruptible
from workloads.errors import ThresholdError

ENDED = (0, ThresholdError.exit_code)
"""Exit codes of a run that went to its end, whatever its verdict."""
RUN = (sys.executable, "-m", "csscgen", "run")
Say = Callable[[str], None]


def new_set(stack: str) -> str:
    """A name for a set of runs of a stack, by the time."""
    return f"{stack[:40]}-set-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def repeat(
    root: Path,
    name: str,
    count: int,
    words: Sequence[str],
    say: Say,
    made: Callable[[Path], None],
    command: Sequence[str] = RUN,
) -> int:
    """Makes ``count`` runs of a set by a ``command`` with ``words``, and stops at one that does not go to its end.

    ``made`` is called with the folder of each run as it ends, and also with that of the last one. Returns the exit code
    of the last one, 0 whatever the verdicts were. An interruption ends the run that is under way, which is awaited.
    Raises KeyboardInterrupt then.
    """
    known = set(sides.of_set(root, name))
    for number in range(1, count + 1):
        say(f"Run {number} of {count}")
        try:
            code = _run([*command, *words, "--in-set", name])
        finally:
            found = [folder for folder in sides.of_set(root, name) if folder not in known]
            known.update(found)
            for folder in found:
                say(_told(folder))
                made(folder)
        if code not in ENDED or not found:
            say(f"Run {number} of {count} ended in an error (exit code {code}), so that no other was begun.")
            return code or 1
    return 0


def _run(command: Sequence[str]) -> int:
    """The exit code of a run; what it prints of its figures is in its folder."""
    process: subprocess.Popen[bytes] | None = None
    with interruptible() as interrupts:
        try:
            with interrupts.shielded():
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            return process.wait()
        except BaseException:
            if process is not None:
                process.send_signal(signal.SIGINT)  # a second one changes nothing
                process.wait()
            raise


def _told(folder: Path) -> str:
    """A line on a run that ended."""
    summary = read_summary(folder)
    return f"  {folder.name}: {summary['verdict'] if summary else 'no summary'}"


def failed(folders: Sequence[Path]) -> list[str]:
    """The names of the runs whose verdict is not pass."""
    return [folder.name for folder in folders if (read_summary(folder) or {}).get("verdict") != "pass"]

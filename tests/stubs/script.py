"""What the stub of Ratify is to do: how long each answer takes, what it says, and what it asks the registry meanwhile.

``executable`` makes the file that ``CSSCGEN_RATIFY`` may name, so that a stack starts the stub and else is as it was.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]
Outcome = Literal["success", "unsigned", "unresolved", "timeout"]
"""``unsigned``: no signature was found; ``unresolved``: an error for each image; ``timeout``: a system error."""


@dataclass(frozen=True)
class Step:
    """One answer: the milliseconds from the request to it, and how often the registry is asked for referrers.

    ``hits`` and ``misses`` are what it counts of its cache of blobs.
    """

    milliseconds: float
    outcome: Outcome = "success"
    lists: int = 0
    hits: int = 0
    misses: int = 0


@dataclass(frozen=True)
class Script:
    """The answers of each endpoint, one after the other and then from the beginning.

    What admission is asked before the load (:mod:`csscgen.arming`) is answered too, and takes no step. ``spelling`` is
    what Ratify's release appends to the names of its histograms: nothing, or ``_millisecond``.
    """

    verify: tuple[Step, ...]
    mutate: tuple[Step, ...] = (Step(1),)
    spelling: str = "_millisecond"

    @classmethod
    def read(cls, file: Path) -> Script:
        known: dict[str, Any] = json.loads(file.read_text())
        steps = {name: tuple(Step(**step) for step in known[name]) for name in ("verify", "mutate")}
        return cls(**steps, spelling=known["spelling"])


def executable(folder: Path, script: Script) -> Path:
    """Writes ``folder/ratify``, which follows the script and writes ``folder/ledger.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.json").write_text(json.dumps(asdict(script)))
    binary = folder / "ratify"
    words = shlex.join([sys.executable, "-m", "tests.stubs.ratify", str(folder)])
    binary.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {words} "$@"\n')
    binary.chmod(0o755)
    return binary

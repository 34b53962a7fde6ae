"""journal.jsonl of a run: what it began, ended and saw, a line each, on disk before the next thing is done.

It is what tells of a run whose harness was killed: which step it was in, whose process it was, on which stack. A line
that a kill cut off is dropped when the journal is read, and ended before another is appended.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from analysis.shapes import entries, maybe, moment, number, text
from infra.local.running import is_alive, started_ticks

FILE = "journal.jsonl"
_ABOUT = {"time": moment, "event": text, "pid": number, "started": maybe(number)}
LINE, STEP = entries(_ABOUT), entries({**_ABOUT, "step": text})
"""The form of a line, and of one about a step."""


class Journal:
    """Appends to the journal in a run's folder. ``about`` goes into the line that tells who writes it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def write(self, event: str, **fields: Any) -> None:
        """Appends a line and syncs it to disk."""
        pid = os.getpid()
        line = {"time": time.time(), "event": event, "pid": pid, "started": started_ticks(pid), **fields}
        handle = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, b"\n" * torn + json.dumps(line).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(frozen=True)
class Story:
    """What a journal tells."""

    lines: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Story:
        """The journal of a run; without what is no line of one. There may be none at all."""
        try:
            texts = (folder / FILE).read_bytes().splitlines()
        except OSError:
            texts = []
        return cls([line for line in map(_line, texts) if line is not None])

    @property
    def pid(self) -> int | None:
        """The harness that wrote last."""
        return self.lines[-1]["pid"] if self.lines else None

    @property
    def harness_lives(self) -> bool:
        """Whether the process that wrote last still runs; pids are recycled, start times are not."""
        return bool(self.lines) and is_alive(self.lines[-1]["pid"], self.lines[-1]["started"])

    @property
    def place(self) -> dict[str, Any]:
        """Stack, instance and state folder of the run, as its last harness wrote them; empty if none did."""
        return next((line for line in reversed(self.lines) if line["event"] == "run"), {})

    @property
    def step(self) -> str | None:
        """The step that was begun last and did not end; None if none is open."""
        last = [line for line in self.lines if line["event"] in ("began", "ended", "failed")][-1:]
        return str(last[0]["step"]) if last and last[0]["event"] == "began" else None

    @property
    def sent(self) -> float | None:
        """When the first object of the load was sent, epoch seconds."""
        return next((line["time"] for line in self.lines if line["event"] == "sent"), None)

    @property
    def last_seen(self) -> float | None:
        """When the harness wrote last, epoch seconds."""
        return self.lines[-1]["time"] if self.lines else None

    def has(self, event: str) -> bool:
        """Whether there is a line of this kind."""
        return any(line["event"] == event for line in self.lines)

    def ended(self, step: str) -> bool:
        """Whether the step went to its end."""
        return any(line["event"] == "ended" and line["step"] == step for line in self.lines)


def _line(line_text: bytes) -> dict[str, Any] | None:
    try:
        line: dict[str, Any] = orjson.loads(line_text)
    except orjson.JSONDecodeError:
        return None
    steps = isinstance(line, dict) and line.get("event") in ("began", "ended", "failed")
    return None if (STEP if steps else LINE)(line) else line

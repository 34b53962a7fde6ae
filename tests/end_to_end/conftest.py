"""A place of its own for every test's stacks and runs, and proof that nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from infra.local import tools

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240


@dataclass
class Place:
    """State and runs of one test."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "CSSCGEN_STATE": str(self.folder / "state"), "CSSCGEN_RUNS": str(self.folder / "runs")}

    def csscgen(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command that runs to its end."""
        argv = [sys.executable, "-m", "csscgen", *words]
        return subprocess.run(
            argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that is left running."""
        argv = [sys.executable, "-m", "csscgen", *words]
        return subprocess.Popen(
            argv, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def processes(self) -> list[str]:
        """The processes of this place's stacks that live."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("CSSCGEN_PROCESS", "").startswith(str(self.folder)):
                    found.append(process.name())
            except psutil.Error:
                continue
        return found

    def await_process(self, name: str) -> None:
        """Returns when a process of this name lives."""
        end = time.monotonic() + 60
        while name not in self.processes():
            assert time.monotonic() < end, f"{name} never started"
            time.sleep(0.05)

    def leftovers(self) -> list[str]:
        """What is left of stacks: processes, and files of their state but for the key that encrypts it."""
        state = self.folder / "state"
        files = [str(file.relative_to(state)) for file in state.rglob("*")] if state.exists() else []
        return self.processes() + [file for file in files if file != "key"]

    def run_folder(self) -> Path:
        (folder,) = (self.folder / "runs").iterdir()
        return folder

    def summary(self) -> dict:
        summary: dict = json.loads((self.run_folder() / "summary.json").read_text())
        return summary


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An own place; whatever a failed test leaves there is stopped by its pid."""
    if lacking := tools.missing(tools.select([])):
        pytest.skip(f"{lacking[0].name} is not built; scripts/test builds it")
    place = Place(tmp_path)
    yield place
    for process in psutil.process_iter():
        try:
            if process.environ().get("CSSCGEN_PROCESS", "").startswith(str(tmp_path)):
                process.send_signal(signal.SIGKILL)
        except psutil.Error:
            continue

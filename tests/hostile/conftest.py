"""A place of its own for every case: a project, folders for state and runs, no tool and no Pulumi on PATH."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile.cases import Csscgen, command_line

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """A copy of this project that a case may spoil."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def stack_file(self, name: str) -> Path:
        return self.root / "stacks" / f"Pulumi.{name}.yaml"


@pytest.fixture
def csscgen(capsys: pytest.CaptureFixture[str]) -> Csscgen:
    return command_line(capsys)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return make_project(tmp_path, monkeypatch)


def make_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in this folder, and in the environment."""
    there = Project(folder / "project")
    there.root.mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / name, there.root)
    shutil.copytree(ROOT / "stacks", there.root / "stacks")
    monkeypatch.chdir(there.root)
    monkeypatch.setenv("CSSCGEN_STATE", str(there.state))
    monkeypatch.setenv("CSSCGEN_RUNS", str(there.runs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("PATH", "/nonexistent")
    return there

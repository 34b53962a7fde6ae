"""Programs of one resource or two, run by the embedded engine: what a local resource does, seen as Pulumi sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.engine.conftest import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")

"""Real binaries, for the tests that are marked so."""

from __future__ import annotations

import shutil

import pytest

from infra.local import tools


def binary(name: str) -> str:
    """The path of a binary; the test is skipped, with what to do, where there is none."""
    found = tools.find(name)
    path = str(found.path) if found else shutil.which(name)
    if path is None:
        pytest.skip(
            f"There is no {name}: put it on PATH, name it by {tools.environment_variable(name)}, "
            "or build it with csscgen tools install."
        )
    return path

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.stacks import World, on_a_bare_machine


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A machine on which nothing is built yet, and no stack is up."""
    with on_a_bare_machine(tmp_path) as world:
        yield world

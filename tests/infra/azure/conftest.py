from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.azure.clouds import Cloud, cloud
from tests.infra.stacks import Declared


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud in which nothing is up yet."""
    with cloud(tmp_path) as made:
        yield made


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud for those who change nothing that is in it."""
    with cloud(tmp_path_factory.mktemp("azure")) as made:
        yield made


@pytest.fixture(scope="package")
def shared(world: Cloud) -> Declared:
    """The shared stack as its file has it."""
    return world.up("shared")


@pytest.fixture(scope="package")
def run(world: Cloud, shared: Declared) -> Declared:
    """perf-S as its file has it."""
    return world.up("perf-S")

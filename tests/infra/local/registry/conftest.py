from __future__ import annotations

import pytest

from infra.local.registry.service import Registry
from tests.infra.local.registry.helpers import AMPLE, Client


@pytest.fixture
def client() -> Client:
    """A client of a new registry that never throttles."""
    return Client(Registry(AMPLE, "eastus2"))

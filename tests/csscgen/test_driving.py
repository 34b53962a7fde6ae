from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from csscgen.driving import Live
from csscgen.tracking import Tracker
from tests.csscgen.servers import plan

OWN = b'registry_requests_total{category="read",status="429"} 7\n'
ASKED = b'ratify_registry_request_count_total{status_code="429"} 5\nratify_verification_request_count 0\n'


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ({}, ["0 of 3 pods ready, 0 refusals so far, 0 failed"]),
        ({"ratify-a": ASKED}, ["0 verifications/s", "5 answers 429"]),
        ({"ratify-a": ASKED, "ratify-b": ASKED}, ["0 verifications/s", "10 answers 429"]),
        ({"ratify-0": ASKED, "registry-eastus2": OWN}, ["0 verifications/s", "7 answers 429"]),
    ],
)
def test_the_live_line_says_what_a_page_tells_and_nothing_else(pages: dict[str, bytes], said: list[str]):
    observer: Any = SimpleNamespace(tracker=Tracker(plan()), scraper=SimpleNamespace(latest=pages))
    parts = Live(observer).text().split("; ")
    assert parts[-len(said) :] == said
    assert len(parts) == (3 if pages else 1)

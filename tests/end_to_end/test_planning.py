"""What a plan says a run asks of the registry, against what the registry counted."""

from __future__ import annotations

import json

import pytest

from csscgen.planning.planner import plan
from csscgen.stackfiles import parse_changes, read
from tests.end_to_end.conftest import ROOT, Place

pytestmark = pytest.mark.real

CASES = {
    "nothing is cached": (),
    "everything is cached": ("ratify.cache=on", "thresholds.ratify.verification_requests=>= 1"),
    "nobody logs in": ("registry.login=off",),
    "no referrers API": ("registry.referrersApi=off",),
    "extra referrers": (
        'scenario.referrers=[{"artifactType": "application/spdx+json", "share": 0.5}, '
        '{"artifactType": "application/vnd.example.thing", "bytes": 100000, "count": 3}]',
        "registry.referrersPage=2",
    ),
    "several replicas": ("ratify.mode=ha-without-dapr", "ratify.replicas=2"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_registry_counts_the_requests_that_were_planned(place: Place, case: str) -> None:
    words = CASES[case]
    stack = read(ROOT, "local-smoke", parse_changes(words))
    assert stack.shared is not None
    asked = plan("local-smoke", stack.settings, stack.shared.settings).asked
    assert asked is not None

    done = place.csscgen("run", "--stack", "local-smoke", *(word for each in words for word in ("--set", each)))

    assert done.returncode == 0, done.stderr
    summary = place.summary()
    counted = summary["registry"]["requests_by_category"]
    planned = {
        "read": asked.run.read + asked.run.read_challenges,
        "list_referrers": asked.run.list_referrers + asked.run.list_challenges,
        "oauth": asked.run.oauth,
    }
    # A pod that was refused, because others have this machine's cores, is verified again. A replica that was asked
    # nothing has downloaded nothing.
    again = summary["ratify"]["verification_requests"] / asked.verifications.admissions
    more = max(1.0, again) if not stack.settings.ratify.cache else 1.0
    less = 2 * 2 * 2 * 2 * (stack.settings.ratify.replicas - 1)
    for category, count in planned.items():
        if count:
            assert counted[category] <= count * more * 1.05, json.dumps([planned, counted])
            assert counted[category] >= (count - less) * 0.95, json.dumps([planned, counted])
    assert place.leftovers() == []

"""Seeding through a registry that fails in every way at once."""

from __future__ import annotations

from tests.csscgen.artifacts.chaos import DEATHS, Trial
from workloads.naming import ImageSet


def test_everything_arrives_once_at_a_registry_that_misbehaves_and_dies_twice(tmp_path, signer, waiter):
    sets = [ImageSet(25, 5, shard) for shard in range(4)]
    outcome = Trial(tmp_path, sets, signer, waiter, away=1).run()
    assert outcome.deaths == len(DEATHS)
    assert 0.15 < outcome.share < 0.25
    assert (outcome.report.images, outcome.report.signatures) == (100, 500)
    assert outcome.report.retries > 100 and outcome.report.throttled > 0
    assert [(again.pushed, again.present) for again in outcome.again] == [(0, 600), (0, 600)]
    stored = outcome.stored
    assert (stored.images, stored.attachments, stored.lost, stored.doubled, stored.wrong) == (100, 500, 0, 0, [])

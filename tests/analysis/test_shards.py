from __future__ import annotations

from typing import Any

import pytest

from analysis.figures import Missing
from analysis.loglinear import ERROR, LogLinear
from analysis.shards import SHARD, merged, rows, table
from workloads.errors import CollectError


def shard(number: int, lags: list[float], answers: list[float], **changes: Any) -> dict[str, Any]:
    found = {
        **{"shard": number, "shards": 2, "run_id": "r", "begin": 1000.0},
        **{"first_due": 1000.0 + number, "first_sent": 1000.5 + number},
        **{"objects": len(answers), "requests": len(answers), "failed": 0},
        **{"lag": LogLinear(lags).record(), "answer": LogLinear(answers).record()},
        **changes,
    }
    assert SHARD(found) is None
    return found


def test_counts_are_added_and_times_are_of_all():
    lags, answers = [n / 1000 for n in range(100)], [n / 100 for n in range(100)]
    found = merged([shard(1, lags[1::2], answers[1::2], failed=3), shard(0, lags[::2], answers[::2])])
    assert (found["objects"], found["requests"], found["failed"]) == (100, 100, 3)
    assert found["lag_seconds"]["p99"] == pytest.approx(0.098, rel=ERROR)
    assert found["lag_seconds"]["max"] == 0.099
    assert found["answer_seconds"]["p50"] == pytest.approx(0.49, rel=ERROR)
    assert [row["shard"] for row in found["shards"]] == [0, 1]
    assert found["missing"] == {}
    assert "100 objects in 100 requests, 3 failed" in table(found)


def test_a_shard_says_how_late_it_began():
    (row,) = rows([shard(1, [0.5], [0.1])], "load.shards", Missing())
    assert row["begin_skew_seconds"] == 0.5


def test_of_a_shard_that_had_nothing_to_send_it_is_not_known():
    missing = Missing()
    (row,) = rows([shard(0, [], [], first_due=None, first_sent=None)], "load.shards", missing)
    assert row["begin_skew_seconds"] is None and row["lag_seconds"]["p99"] is None
    assert {"load.shards.0.begin_skew_seconds", "load.shards.0.lag_seconds.p99"} <= set(missing)
    found = merged([shard(n, [], [0.1], first_sent=None) for n in range(2)])
    assert "lag      p50 -" in table(found) and "sent nothing" in table(found)


@pytest.mark.parametrize(
    ("shards", "told"),
    [
        ([], "no sum of a shard"),
        ([shard(0, [], [])], "Of 2 shards these are lacking: 1"),
        ([shard(0, [], []), shard(1, [], []), shard(1, [], [])], "one is there twice"),
        ([shard(0, [], []), shard(1, [], [], begin=2000.0)], "not of one load"),
    ],
)
def test_shards_that_are_not_those_of_one_load_are_refused(shards, told):
    with pytest.raises(CollectError, match=told):
        merged(shards)

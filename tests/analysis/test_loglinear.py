from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.loglinear import ERROR, RECORD, UNIT, LogLinear, bucket, middle
from analysis.percentiles import nearest_rank
from workloads.errors import CollectError

SECONDS = st.floats(0, 10_000)
MANY = st.lists(SECONDS, min_size=1, max_size=200)


@given(SECONDS)
def test_the_middle_of_a_bucket_is_near_all_of_its_values(seconds):
    assert abs(middle(bucket(seconds)) - seconds) <= max(ERROR * seconds, UNIT / 2 * 1.001)


@given(st.integers(0, 2**40))
def test_buckets_rise_without_a_gap(units):
    step = bucket((units + 1) * UNIT) - bucket(units * UNIT)
    assert step in (0, 1)


@given(MANY, st.floats(0.1, 100))
def test_a_percentile_is_the_nearest_rank_within_the_error(values, percent):
    true = nearest_rank(sorted(values), percent)
    assert abs(LogLinear(values).percentile(percent) - true) <= max(ERROR * true, UNIT / 2 * 1.001)


@given(st.lists(st.lists(SECONDS, max_size=50), min_size=1, max_size=6), st.randoms())
def test_merged_in_any_order_they_are_exactly_the_histogram_of_all_values(groups, random):
    whole = LogLinear(value for group in groups for value in group)
    random.shuffle(groups)
    merged = LogLinear()
    for group in groups:
        merged.add(LogLinear.read(json.loads(json.dumps(LogLinear(group).record()))))
    assert merged.record() == whole.record()
    assert merged.count == sum(map(len, groups))
    assert RECORD(merged.record()) is None


def test_the_greatest_value_is_as_it_was():
    assert LogLinear([0.1, 1.23456789]).percentile(100) == 1.23456789


def test_of_nothing_there_is_no_percentile():
    with pytest.raises(CollectError):
        LogLinear().percentile(50)


def test_a_negative_duration_is_none():
    with pytest.raises(ValueError, match="no duration"):
        LogLinear([-1e-3])
    assert LogLinear([-2e-7]).percentile(50) <= 0  # what subtracting epoch seconds may leave of nothing


@pytest.mark.parametrize("counts", [[[1]], [[1, -1]], [[0.5, 1]], [["a", 1]], 5])
def test_a_record_that_is_none_is_told(counts):
    assert RECORD({"least": 0.1, "greatest": 0.2, "counts": counts}) is not None

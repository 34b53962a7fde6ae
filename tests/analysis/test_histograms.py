from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.histograms import Histogram, merged, over_time, over_window
from analysis.samples import Samples, Window
from tests.analysis.runs import histogram, process, write_metrics
from workloads.ratify.metrics import Metric

BOUNDS = (0.0, 10.0, 30.0, 50.0, 100.0, 200.0, 500.0, inf)
values = st.lists(st.floats(0.001, 499), min_size=1, max_size=60)
quantiles = st.floats(0, 1)


def of(observed: Sequence[float], bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    counts = [0.0] * len(bounds)
    for one in observed:
        counts[bisect_left(bounds, one)] += 1
    return Histogram(bounds, tuple(counts))


def quantile(observed: Sequence[float], q: float) -> float:
    estimate = of(observed).quantile(q)
    assert estimate is not None
    return estimate


@given(values, st.floats(0.01, 1))
def test_a_quantile_is_in_the_bucket_of_the_true_one(observed, q):
    estimate = quantile(observed, q)
    true = sorted(observed)[max(1, ceil(q * len(observed))) - 1]
    index = bisect_left(BOUNDS, true)
    assert BOUNDS[index - 1] - 1e-9 <= estimate <= BOUNDS[index] + 1e-9


@given(values, quantiles, quantiles)
def test_quantiles_rise_with_q(observed, a, b):
    assert quantile(observed, min(a, b)) <= quantile(observed, max(a, b)) + 1e-9


@given(values, values)
def test_merging_is_observing_both(left, right):
    assert of(left).merge(of(right)) == of(left + right)
    assert merged([of(left), Histogram(), of(right)]) == of(right).merge(of(left))


@given(values, values)
def test_histograms_with_different_bounds_merge_on_those_they_share(left, right):
    other = (5.0, 50.0, 200.0, inf)
    assert of(left).merge(of(right, other)) == of(left + right, (50.0, 200.0, inf))


@given(values)
def test_cumulative_buckets_and_back(observed):
    one = of(observed)
    cumulative = dict(zip(BOUNDS, accumulate(one.counts), strict=True))
    assert Histogram.from_cumulative(cumulative) == one
    assert one.count == len(observed)


@given(values)
def test_the_highest_bucket_holds_the_maximum(observed):
    assert of(observed).max_bucket == BOUNDS[bisect_left(BOUNDS, max(observed))]


def test_a_known_quantile_is_that_of_prometheus():
    one = Histogram.from_cumulative({100.0: 8, 200.0: 10, inf: 10}, scale=0.001)
    assert one.quantile(0.5) == pytest.approx(0.0625)
    assert one.quantile(0.95) == pytest.approx(0.175)


def test_what_lies_beyond_the_last_bucket_is_unknown():
    one = Histogram.from_cumulative({1.0: 9, inf: 10})
    assert one.quantile(0.9) == 1.0
    assert one.quantile(0.95) is None
    assert one.max_bucket is None


def test_nothing_observed_has_no_quantile():
    assert Histogram().quantile(0.5) is None
    assert Histogram.from_cumulative({1.0: 0, inf: 0}).max_bucket is None


def test_a_first_bucket_at_zero_is_zero():
    assert Histogram.from_cumulative({0.0: 3, 10.0: 3, inf: 3}).quantile(0.5) == 0.0


METRIC = Metric(("latency_seconds", "latency_seconds_seconds"))


@pytest.fixture
def samples(tmp_path):
    pages = [(9, 0, {"1": 5, "+Inf": 6}), (12, 0, {"1": 7, "+Inf": 9}), (15, 13, {"1": 6, "+Inf": 8})]
    pages.append((21, 13, {"1": 10, "+Inf": 12}))
    write_metrics(
        tmp_path, [(t, "app", histogram("latency_seconds", le, code="x") + process(s, 1, 1)) for t, s, le in pages]
    )
    return Samples.read(tmp_path / "metrics.parquet")


def test_over_a_window_a_restart_loses_nothing(samples):
    one = over_window(samples, METRIC, "app", Window(10, 20))
    assert one == Histogram((1.0, inf), (2 + 10, 1 + 2))


def test_series_can_be_left_out(samples):
    assert over_window(samples, METRIC, "app", Window(10, 20), lambda labels: labels["code"] != "x") == Histogram()


def test_over_time_is_per_scrape_interval(samples):
    assert over_time(samples, METRIC, "app") == [
        (12.0, Histogram((1.0, inf), (2.0, 1.0))),
        (15.0, Histogram((1.0, inf), (6.0, 2.0))),  # both buckets fell: a new process
        (21.0, Histogram((1.0, inf), (4.0, 0.0))),
    ]

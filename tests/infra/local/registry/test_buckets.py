from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.buckets import PERIOD, TOKEN, TokenBucket, debit, retry_after
from tests.infra.local.registry.helpers import unhurried

SECOND = 10**9
limits = st.integers(1, 100_000)
bursts = st.lists(st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 20)), min_size=1, max_size=15)
gaps = st.lists(st.integers(0, 90 * SECOND), min_size=1, max_size=8)


@unhurried
@given(st.integers(1, 200), bursts)
def test_no_window_admits_more_than_capacity_and_refill(limit, bursts):
    bucket = TokenBucket(limit, 0)
    admitted: list[int] = []
    now = 0
    for gap, size in bursts:
        now += gap
        admitted += [now for _ in range(size) if debit([bucket], now) == 0]
    for i, start in enumerate(admitted):
        for j in range(i, len(admitted)):
            assert (j - i + 1) * TOKEN <= limit * TOKEN + limit * (admitted[j] - start)


@unhurried
@given(st.integers(1, 300), gaps)
def test_who_waits_as_told_is_admitted(limit, steps):
    bucket = TokenBucket(limit, 0)
    now = 0
    for step in steps:
        now += step
        while not (wait := debit([bucket], now)):
            pass
        now += retry_after(wait) * SECOND
        assert debit([bucket], now) == 0


def drained(limit: int, now: int = 0) -> TokenBucket:
    """A bucket of which every token was taken at once."""
    bucket = TokenBucket(limit, now)
    for _ in range(limit):
        assert debit([bucket], now) == 0
    return bucket


@unhurried
@given(st.integers(1, 300))
def test_a_token_is_there_when_it_is_refilled_and_not_before(limit):
    bucket = drained(limit)
    first = -(-TOKEN // limit)  # nanoseconds until there is one
    assert debit([bucket], first - 1) > 0
    assert debit([bucket], first) == 0


@unhurried
@given(st.integers(1, 300), st.lists(st.integers(0, 5 * SECOND), max_size=30))
def test_the_wait_counts_down_to_the_end_of_the_period_or_the_next_token(limit, steps):
    bucket = drained(limit)
    end = 0
    for now in accumulate(steps):
        missing = TOKEN - bucket.refill(now)
        wait = debit([bucket], now)
        if not wait:
            continue
        if now >= end:
            end = now + PERIOD
        assert wait == max(end - now, -(-missing // limit))


@unhurried
@given(st.integers(1, 300), st.lists(st.integers(0, 5 * SECOND), max_size=30))
def test_a_wait_is_never_more_than_a_minute(limit, steps):
    bucket = drained(limit)
    for now in accumulate(steps):
        assert debit([bucket], now) <= PERIOD


def test_refusals_are_counted_by_the_buckets_that_refused():
    one, other = drained(1), TokenBucket(2, 0)
    for _ in range(3):
        assert debit([one, other], 0)
    assert (one.refusals, other.refusals) == (3, 0)


@unhurried
@given(limits, limits, gaps)
def test_a_refusal_charges_no_bucket(one, other, steps):
    buckets = [TokenBucket(one, 0), TokenBucket(other, 0)]
    for now in accumulate(steps):
        before = [bucket.refill(now) for bucket in buckets]
        charge = TOKEN if debit(buckets, now) == 0 else 0
        assert [bucket.refill(now) for bucket in buckets] == [level - charge for level in before]
        assert (charge == TOKEN) == (min(before) >= TOKEN)


def test_the_slowest_of_several_buckets_sets_the_wait():
    fast, slow = TokenBucket(60, 0), TokenBucket(1, 0)
    assert debit([fast, slow], 0) == 0
    assert debit([fast, slow], 0) == 60 * SECOND
    assert fast.tokens(0) == 59


@unhurried
@given(limits, st.integers(0, 10**12))
def test_a_bucket_never_holds_more_than_its_capacity(limit, idle):
    assert TokenBucket(limit, 0).tokens(idle) == limit


def test_a_clock_that_runs_backwards_refills_nothing():
    bucket = TokenBucket(1, 100 * SECOND)
    assert debit([bucket], 100 * SECOND) == 0
    assert debit([bucket], 0) > 0
    assert bucket.tokens(100 * SECOND) == 0


@pytest.mark.parametrize(("wait", "seconds"), [(1, 1), (SECOND, 1), (SECOND + 1, 2), (60 * SECOND, 60)])
def test_retry_after_is_whole_seconds_rounded_up(wait, seconds):
    assert retry_after(wait) == seconds

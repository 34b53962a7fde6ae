from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.percentiles import distribution, nearest_rank


@pytest.mark.parametrize(("percent", "value"), [(1, 15), (5, 15), (30, 20), (40, 20), (50, 35), (100, 50)])
def test_the_textbook_example(percent, value):
    assert nearest_rank([15, 20, 35, 40, 50], percent) == value


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(1, 100))
def test_it_is_the_smallest_value_that_enough_values_do_not_exceed(values, percent):
    ordered = sorted(values)
    found = nearest_rank(ordered, percent)
    assert sum(1 for one in values if one <= found) * 100 >= percent * len(values)
    assert sum(1 for one in values if one < found) * 100 < percent * len(values)


def test_a_distribution_has_its_count_and_maximum():
    assert distribution([3.0, 1.0, 2.0], (50, 99)) == {"count": 3, "p50": 2.0, "p99": 3.0, "max": 3.0}


def test_no_values_have_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        nearest_rank([], 50)

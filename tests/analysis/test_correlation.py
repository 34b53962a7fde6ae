from __future__ import annotations

import pytest

from analysis.correlation import spearman
from workloads.errors import CollectError


def test_the_correlation_is_that_of_the_ranks():
    # Of the textbook: hours of television against IQ, 10 people; 1 - 6 x 194 / (10 x 99).
    found = spearman([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], [7, 27, 2, 50, 28, 29, 20, 12, 6, 17])
    assert found.rho == pytest.approx(-29 / 165) and found.pairs == 10
    assert found.p == pytest.approx(0.6, abs=0.03)


def test_p_is_exact_where_there_are_few_pairs_and_ties_share_their_rank():
    assert list(spearman(range(6), [10 * n for n in range(6)])) == pytest.approx([1.0, 6, 2 / 720])
    assert list(spearman(range(6), range(6, 0, -1))) == pytest.approx([-1.0, 6, 2 / 720])
    tied = spearman([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])  # 2 of the 20 divisions of six into threes
    assert tied.rho == pytest.approx(0.8783, abs=1e-4) and tied.p == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("pods", "other", "reason"),
    [
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], "5 scrape intervals are too few"),
        ([1, 2, 3, 4, 5, 6], [0] * 6, "It was the same in every"),
        ([1] * 6, [1, 2, 3, 4, 5, 6], "The pods' time was the same"),
    ],
)
def test_where_there_is_none_the_reason_is_told(pods, other, reason):
    with pytest.raises(CollectError, match=reason):
        spearman(pods, other)

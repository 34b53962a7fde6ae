from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workloads.negatives import KINDS, REFUSED_SIGNERS, apportion, problems, variants


@st.composite
def shares(draw):
    """Shares of some of the kinds, in hundredths, together 1 at most."""
    left, chosen = 100, {}
    for kind in draw(st.lists(st.sampled_from(sorted(KINDS)), unique=True)):
        hundredths = draw(st.integers(0, left))
        left -= hundredths
        chosen[kind] = hundredths / 100
    return chosen


SHARDS = st.integers(1, 1000)
SEEDS = st.integers(0, 2**63 - 1)


@given(shares(), SHARDS)
def test_every_kind_has_its_share_to_less_than_a_workload(shares, shards):
    counts = apportion(shares, shards)
    assert counts.keys() == shares.keys()
    for kind, count in counts.items():
        assert abs(count - Fraction(str(shares[kind])) * shards) < 1
    genuine = 1 - sum((Fraction(str(share)) for share in shares.values()), Fraction())
    assert abs(shards - sum(counts.values()) - genuine * shards) < 1


@given(shares(), SHARDS)
def test_no_kind_comes_before_one_that_lacks_more(shares, shards):
    """The rule of the largest remainder: who was rounded up lacked at least as much as who was rounded down."""
    counts = apportion(shares, shards)
    exact = {kind: Fraction(str(share)) * shards for kind, share in shares.items()}
    up = [exact[kind] - int(exact[kind]) for kind in counts if counts[kind] > exact[kind]]
    down = [exact[kind] - int(exact[kind]) for kind in counts if counts[kind] < exact[kind]]
    assert not up or not down or min(up) >= max(down)


@given(shares(), SHARDS, SEEDS)
def test_the_workloads_are_as_many_as_apportioned_and_always_the_same(shares, shards, seed):
    chosen = variants(shares, shards, seed)
    assert len(chosen) == shards
    assert Counter(kind for kind in chosen if kind) == Counter(apportion(shares, shards))
    assert variants(dict(reversed(shares.items())), shards, seed) == chosen


@given(st.integers(40, 100), SEEDS, SEEDS)
def test_another_seed_chooses_other_workloads(shards, one, two):
    assume(one != two)
    half = {"unsigned": 0.5}  # of 40 there are 10 to the power of 11 halves
    assert variants(half, shards, one) != variants(half, shards, two)


def test_the_choice_is_the_same_on_every_machine():
    """What one machine chose once."""
    assert variants({"unsigned": 0.2, "expired": 0.3}, 10, 7) == [
        *("unsigned", None, "unsigned", None, "expired"),
        *("expired", None, "expired", None, None),
    ]


def test_ten_tenths_are_the_whole():
    assert apportion(dict.fromkeys(KINDS, 0.1), 10) == dict.fromkeys(KINDS, 1)
    assert problems(dict.fromkeys(KINDS, 0.1), 10) == []


def test_equal_remainders_go_by_the_order_of_the_kinds_and_genuine_images_come_last():
    assert apportion({"sbom": 0.25, "unsigned": 0.25}, 2) == {"unsigned": 1, "sbom": 0}
    assert apportion({"unsigned": 0.5}, 1) == {"unsigned": 1}


@pytest.mark.parametrize(
    ("shares", "shards", "problem"),
    [
        ({"unsinged": 0.1}, 10, "there is no kind unsinged; did you mean unsigned?"),
        ({"qqq": 0.1}, 10, f"there is no kind qqq; the kinds are {', '.join(KINDS)}."),
        ({"expired": 1.5}, 10, "the share of expired is 1.5; a share goes from 0 to 1."),
        ({"expired": -0.1}, 10, "the share of expired is -0.1; a share goes from 0 to 1."),
        ({"expired": 0.6, "sbom": 0.5}, 10, "the shares add up to 1.1; together they can be 1 at most."),
        ({"expired": 0.05}, 5, "of 5 workloads the share of expired comes to none; 10 shards would do."),
        (
            {"expired": 0.0001},
            5,
            "of 5 workloads the share of expired comes to none; not even 1000 shards would do: raise the shares.",
        ),
    ],
)
def test_what_is_wrong_is_told(shares, shards, problem):
    assert problems(shares, shards) == [problem]


def test_every_problem_is_told():
    assert len(problems({"unsinged": 0.1, "sbmo": 2, "expired": 3}, 10)) == 3


@given(shares(), SHARDS)
def test_a_kind_with_a_share_runs_or_is_refused(shares, shards):
    counts = apportion(shares, shards)
    idle = [kind for kind, share in shares.items() if share and not counts[kind]]
    assert bool(idle) == bool(problems(shares, shards))


@given(shares(), SHARDS)
def test_the_number_of_shards_that_is_named_would_do(shares, shards):
    for problem in problems(shares, shards):
        number = int(problem.partition(" shards would do")[0].rpartition(" ")[2])
        assert number > shards
        assert not problems(shares, number)


def test_a_share_of_nothing_is_nothing():
    assert variants({"expired": 0}, 5, 0) == [None] * 5
    assert problems({"expired": 0}, 5) == []


def test_the_signers_that_are_refused_sign_a_kind_and_differ_from_the_genuine_one():
    assert REFUSED_SIGNERS.keys() <= KINDS.keys()
    for who in REFUSED_SIGNERS.values():
        assert not (who.in_trust_store and who.has_genuine_name and not who.expired)


def test_the_documentation_has_every_kind_as_it_is():
    page = (Path(__file__).resolve().parents[2] / "docs" / "scenarios.md").read_text()
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| `")]
    assert rows == [[f"| `{kind}`", meaning] for kind, meaning in KINDS.items()]

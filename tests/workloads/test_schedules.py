from __future__ import annotations

from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.schedules import Phase, problems, remaining, work_out


def offsets(phase: Phase, total: int) -> list[float]:
    (part,) = work_out([phase], total)
    assert part.indices == tuple(range(total))
    return list(part.offsets)


def test_a_constant_rate_does_not_drift():
    due = offsets(Phase("constant", rate=200), 12_001)
    assert due[-1] == 60.0
    assert due[1] == 0.005


def test_poisson_has_its_rate_is_seeded_and_has_exponential_gaps():
    due = offsets(Phase("poisson", rate=50, seed=7), 20_000)
    gaps = [later - earlier for earlier, later in pairwise(due)]
    assert mean(gaps) == pytest.approx(1 / 50, rel=0.03)
    assert sum(gap > 1 / 50 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.015)  # 1/e
    assert due == offsets(Phase("poisson", rate=50, seed=7), 20_000)
    assert due != offsets(Phase("poisson", rate=50, seed=8), 20_000)


def test_a_ramp_goes_evenly_from_one_rate_to_the_other():
    due = offsets(Phase("ramp", rate=0, to=20, seconds=10), 100)
    assert due[0] == 0
    assert sum(1 for at in due if at < 5) == 25  # a quarter of them in the first half
    assert due[-1] < 10
    assert sum(1 for at in offsets(Phase("ramp", rate=20, to=0, seconds=10), 100) if at < 5) == 75
    level = offsets(Phase("ramp", rate=4, to=4, objects=8), 8)
    assert level == pytest.approx([n / 4 for n in range(8)])


def test_steps_have_equal_length_and_even_rates():
    due = offsets(Phase("steps", rate=10, to=30, steps=3, seconds=3), 60)
    assert [sum(1 for at in due if second <= at < second + 1) for second in range(3)] == [10, 20, 30]
    assert due[:2] == [0, 0.1] and due[10] == 1.0


def test_bursts_are_due_together():
    assert offsets(Phase("burst", size=3, every=2), 7) == [0, 0, 0, 2, 2, 2, 4]


def test_phases_follow_each_other_and_one_takes_what_the_others_leave():
    burst = Phase("burst", size=5, every=1, pause=3, objects=10)
    parts = work_out([Phase("constant", rate=10, seconds=2), burst, Phase("closed", workers=2)], 50)
    assert [len(part.indices) for part in parts] == [20, 10, 20]
    assert [part.seconds for part in parts] == [2, 2, 0]
    assert [part.pause for part in parts] == [0, 3, 0]
    assert [index for part in parts for index in part.indices] == list(range(50))


def test_churn_takes_a_share_of_what_was_created():
    first, churn = work_out([Phase("constant", rate=10), Phase("churn", share=0.25, rate=2, seed=3)], 40)
    assert len(churn.indices) == 10 and set(churn.indices) < set(first.indices)
    assert churn.offsets == tuple(n / 2 for n in range(10))


def test_what_remains_of_a_phase_that_was_begun_is_due_at_once():
    parts = work_out([Phase("constant", rate=10, objects=4), Phase("constant", rate=1)], 6)
    left = remaining(parts, {(0, 0), (0, 1), (0, 2)})
    assert [(part.number, part.indices, part.offsets) for part in left] == [
        (0, (3,), (0.0,)),
        (1, (4, 5), (0.0, 1.0)),
    ]
    assert left[0].seconds == pytest.approx(0.1)
    assert [part.number for part in remaining(parts, {(0, n) for n in range(4)})] == [1]
    assert remaining(parts, set()) == parts


WRONG = {
    "lacks": ([Phase("ramp", rate=1)], "phases[0].to: ramp needs it."),
    "takes no": ([Phase("burst", size=1, every=1, rate=2)], "phases[0].rate: burst does not take it;"),
    "both lengths": ([Phase("constant", rate=1, objects=2, seconds=3)], "phases[0].seconds: objects says"),
    "closed by time": ([Phase("closed", workers=1, seconds=3)], "phases[0].seconds: closed does not take it"),
    "rate 0": ([Phase("constant", rate=0)], "phases[0].rate: expected more than 0, got 0."),
    "ramp of nothing": ([Phase("ramp", rate=0, to=0)], "phases[0].rate: expected more than 0, got 0."),
    "share 0": ([Phase("churn", rate=1, share=0)], "phases[0].share: expected more than 0, got 0."),
    "churn first": ([Phase("churn", rate=1, share=1)], "phases[0].pattern: churn deletes what was created before"),
    "two open ends": ([Phase("constant", rate=1), Phase("poisson", rate=1)], "phases[1]: only one phase can take"),
    "too few": ([Phase("constant", rate=1, objects=7)], "phases: together they create 7 objects"),
    "too many": ([Phase("constant", rate=10_000, seconds=86_400)], "phases: together they create more than 10 objects"),
    "nothing left": ([Phase("burst", size=5, every=1, seconds=2), Phase("closed", workers=1)], "phases[1]: the other"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_in_a_sentence(name: str):
    phases, told = WRONG[name]
    (said,) = problems(phases, 10)
    assert said.startswith(told) and said.endswith(".")


PHASES = st.one_of(
    st.builds(Phase, st.sampled_from(["constant", "poisson"]), rate=st.floats(0.01, 1000)),
    st.builds(Phase, st.just("ramp"), rate=st.floats(0, 500), to=st.floats(0.01, 500)),
    st.builds(Phase, st.just("steps"), rate=st.floats(0, 500), to=st.floats(0.01, 500), steps=st.integers(2, 20)),
    st.builds(Phase, st.just("burst"), size=st.integers(1, 50), every=st.floats(0.01, 100)),
)


@settings(deadline=None)
@given(PHASES, st.integers(1, 300), st.floats(0.01, 5))
def test_every_open_pattern_is_in_order_and_within_its_phase(phase: Phase, total: int, seconds: float):
    assert not list(problems([phase], total))
    (part,) = work_out([phase], total)
    assert len(part.offsets) == total
    assert all(earlier <= later for earlier, later in pairwise(part.offsets))
    assert part.offsets[0] >= 0 and part.offsets[-1] <= part.seconds + 1e-6

    timed = Phase(**{**vars(phase), "seconds": seconds})
    parts = work_out([timed, Phase("constant", rate=1)], 10_000)
    assert len(parts[0].offsets) == len(parts[0].indices)
    assert all(at < seconds + 1e-6 for at in parts[0].offsets)

"""However a schedule is divided, its shards together are the schedule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.schedules import Part, Phase, work_out
from workloads.shards import divided, own, problems

CREATING = st.one_of(
    st.builds(Phase, st.just("constant"), rate=st.floats(0.5, 100), objects=st.integers(1, 40)),
    st.builds(Phase, st.just("poisson"), rate=st.floats(0.5, 100), objects=st.integers(1, 40), seed=st.integers(0, 9)),
    st.builds(Phase, st.just("burst"), size=st.integers(1, 9), every=st.floats(0.1, 5), objects=st.integers(1, 40)),
    st.builds(Phase, st.just("closed"), workers=st.integers(8, 20), objects=st.integers(1, 40)),
)
CHURN = st.builds(Phase, st.just("churn"), rate=st.floats(1, 50), share=st.floats(0.1, 1), seed=st.integers(0, 9))


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[Part], int]:
    phases = [draw(CREATING), *draw(st.lists(st.one_of(CREATING, CHURN), max_size=4))]
    total = sum(phase.objects or 0 for phase in phases)
    return work_out(phases, total), total


@given(schedules(), st.integers(1, 8))
def test_shards_together_are_the_schedule(schedule, shards):
    parts, total = schedule
    everything = [divided(parts, shard, shards) for shard in range(shards)]
    for place, part in enumerate(parts):
        pieces = [shard[place] for shard in everything]
        sent = sorted(
            (at, own(shard, shards, total)[index])
            for shard, piece in enumerate(pieces)
            for index, at in zip(piece.indices, piece.offsets, strict=True)
        )
        assert sent == sorted(zip(part.offsets, part.indices, strict=True))
        assert {(piece.number, piece.seconds, piece.pause) for piece in pieces} == {
            (part.number, part.seconds, part.pause)
        }
        if part.phase.workers:
            assert sum(piece.phase.workers or 0 for piece in pieces) == part.phase.workers


@given(schedules(), st.integers(1, 8))
def test_each_shard_has_as_many_objects_of_a_part_as_the_others_and_in_the_same_order(schedule, shards):
    parts, _ = schedule
    everything = [divided(parts, shard, shards) for shard in range(shards)]
    for place, part in enumerate(parts):
        counts = [len(shard[place].indices) for shard in everything]
        if not part.is_churn:  # which is drawn
            assert max(counts) - min(counts) <= 1
        for shard in everything:
            assert list(shard[place].offsets) == sorted(shard[place].offsets)


def test_what_churn_does_to_an_object_is_done_by_the_driver_that_created_it():
    parts = work_out([Phase("constant", rate=10), Phase("churn", rate=5, share=0.5)], 20)
    for shard in range(3):
        created, churned = divided(parts, shard, 3)
        assert set(churned.indices) <= set(created.indices)


@pytest.mark.parametrize(
    ("phases", "objects", "told"),
    [
        ([Phase("constant", rate=1)], 2, "3 drivers cannot share 2 objects"),
        ([Phase("constant", rate=1), Phase("closed", workers=2)], 9, "the 2 workers of phases[1]"),
    ],
)
def test_what_cannot_be_divided_is_told(phases, objects, told):
    (problem,) = problems(phases, objects, 3)
    assert told in problem
    assert list(problems(phases, 9, 2)) == []

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from workloads.naming import image_set, image_sets

# The grammar of the distribution specification 1.1, "Pulling manifests".
REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)

containers = st.integers(1, 50)
signatures = st.integers(0, 1000)
shards = st.integers(1, 60)


@given(containers, signatures, shards, st.booleans())
def test_every_name_is_valid(containers, signatures, shards, unique):
    for each in image_sets(containers, signatures, shards, unique=unique):
        assert REPOSITORY.fullmatch(each.repository)
        assert len(f"registry.example:5000/{each.repository}") <= 255
        assert all(TAG.fullmatch(tag) for tag in each.tags)


@given(containers, signatures, shards, st.booleans())
def test_no_two_images_have_one_reference(containers, signatures, shards, unique):
    sets = image_sets(containers, signatures, shards, unique=unique)
    references = [reference for each in sets for reference in each.references("r:1")]
    assert len(references) == len(set(references)) == containers * (shards if unique else 1)


@given(containers, containers, signatures, signatures, st.booleans())
def test_different_scenarios_share_no_repository(c1, c2, s1, s2, unique):
    one = {each.repository for each in image_sets(c1, s1, 3, unique=unique)}
    two = {each.repository for each in image_sets(c2, s2, 3, unique=unique)}
    assert one == two if (c1, s1) == (c2, s2) else not one & two


@given(containers, signatures, shards)
def test_unique_and_shared_sets_share_no_repository(containers, signatures, shards):
    (shared,) = image_sets(containers, signatures, shards, unique=False)
    unique = image_sets(containers, signatures, shards, unique=True)
    assert shared.repository not in {each.repository for each in unique}


@given(containers, signatures, shards, st.booleans(), st.data())
def test_each_workload_has_a_set(containers, signatures, shards, unique, data):
    sets = image_sets(containers, signatures, shards, unique=unique)
    shard = data.draw(st.integers(0, shards - 1))
    assert image_set(sets, shard).shard == (shard if unique else None)


def test_the_names_are_those_of_csscgen():
    (images,) = image_sets(3, 5, 4, unique=False)
    assert list(images.references("localhost:5000")) == [
        "localhost:5000/3-containers-5-referrers:1",
        "localhost:5000/3-containers-5-referrers:2",
        "localhost:5000/3-containers-5-referrers:3",
    ]

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from workloads.naming import ImageSet
from workloads.negatives import KINDS

# The grammar of the distribution specification 1.1, "Pulling manifests".
REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)

SETS = st.builds(
    ImageSet,
    containers=st.integers(1, 100),
    signatures=st.integers(0, 50),
    shard=st.none() | st.integers(0, 999),
    variant=st.none() | st.sampled_from(sorted(KINDS)),
)


@given(SETS)
def test_every_name_is_valid(images):
    assert REPOSITORY.fullmatch(images.repository)
    assert len(f"registry.example:5000/{images.repository}") <= 255
    assert all(TAG.fullmatch(tag) for tag in images.tags)


@given(SETS)
def test_a_container_can_be_named_after_its_image(images):
    """Names of containers are DNS labels (RFC 1123)."""
    assert all(len(f"{images.repository}-{tag}") <= 63 for tag in images.tags)


@given(SETS)
def test_no_two_images_have_one_reference(images):
    references = list(images.references("r:1"))
    assert len(references) == len(set(references)) == images.containers


@given(SETS, SETS)
def test_different_sets_share_no_repository(one, two):
    assert (one.repository == two.repository) == (one == two)


def test_the_names_are_those_of_csscgen():
    assert list(ImageSet(3, 5).references("localhost:5000")) == [
        "localhost:5000/3-containers-5-referrers:1",
        "localhost:5000/3-containers-5-referrers:2",
        "localhost:5000/3-containers-5-referrers:3",
    ]


def test_the_owner_and_the_kind_are_at_the_end():
    assert ImageSet(3, 5, shard=7).repository == "3-containers-5-referrers-7"
    assert ImageSet(3, 5, variant="expired").repository == "3-containers-5-referrers-expired"
    assert ImageSet(3, 5, shard=7, variant="expired").repository == "3-containers-5-referrers-7-expired"


def test_restored_images_are_the_same_images():
    assert ImageSet(3, 5, variant="expired", restored=True).repository == ImageSet(3, 5, variant="expired").repository

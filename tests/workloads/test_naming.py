from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from workloads.naming import ImageSet
from workloads.negatives import KINDS
from workloads.referrers import Extra

# The grammar of the distribution specification 1.1, "Pulling manifests".
REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)

EXTRAS = st.lists(
    st.builds(
        Extra,
        st.sampled_from(["application/spdx+json", "a/b", "a/c"]),
        st.integers(1, 8_000_000),
        st.integers(1, 50),
        st.integers(0, 100).map(lambda hundredths: hundredths / 100),
    ),
    max_size=2,
)
PLAIN = st.builds(
    ImageSet,
    containers=st.integers(1, 100),
    signatures=st.integers(0, 50),
    shard=st.none() | st.integers(0, 999),
    variant=st.none() | st.sampled_from(sorted(KINDS)),
)
SETS = PLAIN | st.builds(
    lambda images, extras, seed: replace(images, extras=tuple(extras), seed=seed if extras else 0),
    PLAIN,
    EXTRAS,
    st.integers(0, 2**31 - 1),
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


def test_extra_referrers_have_repositories_of_their_own():
    sbom = Extra("application/spdx+json", 4096)
    images = ImageSet(3, 5, shard=7, variant="expired", extras=(sbom,))
    assert images.repository == "3-containers-5-referrers-7-expired-xe9df4c"
    others = [replace(images, seed=1), replace(images, extras=(replace(sbom, share=0.5),))]
    assert len({images.repository, *(other.repository for other in others)}) == 3


def test_every_set_chooses_its_own_images_for_an_extra():
    half = (Extra("a/b", 1, share=0.5), Extra("a/b", 1, share=0.5))
    chosen = [ImageSet(50, 1, shard, extras=half).carriers for shard in range(2)]
    assert len({*chosen[0], *chosen[1]}) == 4
    assert all(len(tags) == 25 for of_set in chosen for tags in of_set)

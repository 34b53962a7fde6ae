from __future__ import annotations

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from workloads.referrers import SBOM_TYPES, Extra, apportion, carriers, fingerprint, problems
from workloads.trust import SIGNATURE_TYPE

SHARES = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
IMAGES = st.integers(1, 100)


def tags(count: int) -> list[str]:
    return [str(number) for number in range(1, count + 1)]


@given(SHARES, IMAGES)
def test_a_share_comes_to_the_nearest_number_of_images(share, images):
    exact = Fraction(str(share)) * images
    assert abs(apportion(share, images) - exact) <= Fraction(1, 2)
    assert len(carriers(Extra("a/b", 1, share=share), tags(images), "")) == apportion(share, images)


@given(st.integers(40, 100), st.text(), st.text())
def test_another_key_chooses_other_images(images, one, two):
    assume(one != two)
    half = Extra("a/b", 1, share=0.5)
    assert carriers(half, tags(images), one) != carriers(half, tags(images), two)


def test_the_choice_is_the_same_on_every_machine():
    """What one machine chose once."""
    assert carriers(Extra("a/b", 1, share=0.3), tags(10), "7/0/some") == {"5", "6", "8"}
    assert fingerprint([Extra("a/b", 1)], 7) == "c6ff47"


def test_a_half_image_is_one():
    assert apportion(0.5, 1) == apportion(0.25, 2) == 1
    assert apportion(0.29, 10) == 3


@given(IMAGES, SHARES)
def test_the_share_that_is_advised_would_do(images, share):
    told = list(problems([Extra("a/b", 1, share=share)], images))
    assert bool(told) == (share > 0 and apportion(share, images) == 0)
    for sentence in told:
        advised = float(sentence.rpartition("; ")[2].split()[0])
        assert share < advised
        assert not list(problems([Extra("a/b", 1, share=advised)], images))


def test_signatures_and_documents_that_are_too_small_are_refused():
    assert list(problems([Extra(SBOM_TYPES[0], 1024), Extra("a/b", 1), Extra("a/b", 1, share=0)], 10)) == []
    (signature,) = problems([Extra(SIGNATURE_TYPE, 1024)], 10)
    assert "scenario.signatures" in signature
    (small,) = problems([Extra(SBOM_TYPES[1], 1023)], 10)
    assert "at least 1024 bytes, got 1023" in small
    (large,) = problems([Extra("a/b", 8_000_000, 2), Extra("a/c", 1), Extra("a/d", 8_000_000, share=0)], 10)
    assert "would have 16,000,001 bytes attached, and 16,000,000 are the most" in large
    (many,) = problems([Extra("a/b", 1)] * 17, 10)
    assert "at most 16, got 17" in many

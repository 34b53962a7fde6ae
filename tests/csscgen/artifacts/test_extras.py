"""Extra referrers: what they are made of, and that seeding brings each of them in once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest

from csscgen.artifacts import seeder
from csscgen.artifacts.descriptors import Descriptor
from csscgen.artifacts.extras import extra, kinds
from csscgen.artifacts.negatives import KIND, attachments
from csscgen.artifacts.seeder import seed
from csscgen.artifacts.targets import Target
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from workloads.naming import ImageSet
from workloads.referrers import LEAST_SBOM_BYTES, MOST_BYTES, SBOM_TYPES, Extra

SUBJECT = Descriptor("application/vnd.oci.image.manifest.v1+json", f"sha256:{'0' * 64}", 1)
IMAGES = ImageSet(
    4, 2, extras=(Extra("application/spdx+json", 2048, share=0.5), Extra("application/vnd.x", 1000, count=3)), seed=5
)


def test_an_image_has_its_extras_beside_its_signatures():
    for tag in IMAGES.tags:
        counts = attachments(IMAGES, tag)
        assert counts.pop("extra-0-0", 0) == (tag in IMAGES.carriers[0])
        assert counts == {None: 2, "extra-1-0": 1, "extra-1-1": 1, "extra-1-2": 1}
    assert sum("extra-0-0" in attachments(IMAGES, tag) for tag in IMAGES.tags) == 2


@pytest.mark.parametrize("kind", ["unsigned", "sbom"])
def test_negative_images_have_them_too(kind):
    counts = attachments(replace(IMAGES, variant=kind), "1")
    assert counts.get(kind) == (None if kind == "unsigned" else 2)
    assert counts["extra-1-2"] == 1


def test_unsigned_images_can_have_nothing_else():
    assert {kind for kind in attachments(replace(IMAGES, signatures=0), "1") if kind} == set(
        kinds(replace(IMAGES, signatures=0), "1")
    )


@pytest.mark.parametrize("artifact_type", [*SBOM_TYPES, "application/vnd.x"])
@pytest.mark.parametrize("size", [LEAST_SBOM_BYTES, 4097, MOST_BYTES])
def test_it_has_the_type_and_size_that_were_asked_for(artifact_type, size):
    """With the longest name that a repository of a scenario has."""
    images = ImageSet(100, 50, 999, "expired-certificate", extras=(Extra(artifact_type, size),), seed=2**31 - 1)
    made = extra("extra-0-0", images, "100", SUBJECT)
    assert (made.artifact_type, len(made.blob.data), made.blob.descriptor.size) == (artifact_type, size, size)
    if artifact_type in SBOM_TYPES:
        document = json.loads(made.blob.data)
        assert document.get("spdxVersion", document.get("bomFormat")) in ("SPDX-2.3", "CycloneDX")
        assert f"{images.repository}:100" in made.blob.data.decode()


def test_the_digests_are_the_same_on_every_machine():
    """What one machine made once."""
    images = ImageSet(1, 1, extras=tuple(Extra(each, 1200) for each in (*SBOM_TYPES, "a/b")), seed=7)
    assert [extra(f"extra-{n}-0", images, "1", SUBJECT).blob.descriptor.digest[7:19] for n in range(3)] == [
        "31cb61f009b9",
        "9138ece49b3e",
        "963a0c08e073",
    ]


def test_no_two_are_alike():
    images = ImageSet(5, 0, extras=(Extra("a/b", 20, count=4), Extra("a/b", 20, count=4)))
    sets = [images, replace(images, seed=1), replace(images, shard=3)]
    made = [extra(kind, one, tag, SUBJECT).blob.data for one in sets for tag in one.tags for kind in kinds(one, tag)]
    assert len(set(made)) == len(made) == 3 * 5 * 8


@pytest.fixture(params=[True, False], ids=["referrers-api", "referrers-tag"])
def registry(request):
    return FakeRegistry(referrers_api=request.param)


def attached(registry: FakeRegistry) -> Counter[tuple[str, str | None]]:
    found = [json.loads(registry.manifests[IMAGES.repository, d][1]) for d in registry.signatures(IMAGES.repository)]
    return Counter((each["artifactType"], each["annotations"].get(KIND)) for each in found)


@asynchronous
async def test_seeding_brings_them_in_and_a_second_one_changes_nothing(registry, signer, waiter):
    async with registry:
        report = await seed([IMAGES], Target(registry.host), signer=signer, waiter=waiter)
        assert attached(registry) == {
            ("application/vnd.cncf.notary.signature", None): 8,
            ("application/spdx+json", "extra-0-0"): 2,
            ("application/vnd.x", "extra-1-0"): 4,
            ("application/vnd.x", "extra-1-1"): 4,
            ("application/vnd.x", "extra-1-2"): 4,
        }
        assert (report.images, report.signatures, report.pushed) == (4, 8, 4 + 8 + 2 + 12)
        before = (dict(registry.blobs), dict(registry.manifests))
        again = await seed([IMAGES], Target(registry.host), signer=signer, waiter=waiter)
        assert (again.pushed, again.present) == (0, report.pushed)
        assert (registry.blobs, registry.manifests) == before


@asynchronous
async def test_images_without_signatures_can_have_them(registry, signer, waiter):
    images = replace(IMAGES, signatures=0)
    async with registry:
        report = await seed([images], Target(registry.host), signer=signer, waiter=waiter)
        assert (report.signatures, report.pushed) == (0, 4 + 2 + 12)


@asynchronous
async def test_no_more_extras_are_held_at_a_time_than_there_is_room_for(signer, waiter, monkeypatch):
    extra = Extra("application/x-test", size=5_000, count=2, share=1.0)
    images = ImageSet(16, 0, extras=(extra,))
    pushing, most = 0, 0

    async def fault(request):
        nonlocal pushing, most
        if request.method == "POST" and "mount" not in request.query:
            pushing += 1
            most = max(most, pushing)
            await asyncio.sleep(0.001)
            pushing -= 1

    monkeypatch.setattr(seeder, "EXTRAS_HELD", 30_000)
    async with FakeRegistry(fault=fault) as registry:
        await seeder.seed([images], Target(registry.host), signer=signer, waiter=waiter)
    assert most == 3

"""Everything read back: what is missing, changed or too much in a registry is named."""

from __future__ import annotations

import json

import pytest

from csscgen.artifacts.seeder import seed
from csscgen.artifacts.targets import Target
from csscgen.artifacts.verifying import Verification, verify
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from workloads.naming import ImageSet

IMAGES = ImageSet(containers=3, signatures=2)
NAME = IMAGES.repository


@pytest.fixture
def seeded(signer, waiter):
    """Seed a fake registry, spoil it and read it back."""

    async def run(registry: FakeRegistry, spoil=lambda: None, *sets: ImageSet) -> Verification:
        target = Target(registry.host)
        await seed([IMAGES], target, signer=signer, waiter=waiter)
        spoil()
        registry.seen.clear()
        found = await verify(sets or [IMAGES], target, waiter=waiter)
        assert not [kind for kind in registry.seen if kind.split()[0] not in ("GET", "HEAD")]
        return found

    return run


@pytest.fixture(params=[True, False], ids=["referrers-api", "referrers-tag"])
def registry(request):
    return FakeRegistry(referrers_api=request.param, single_post=request.param)


@asynchronous
async def test_what_was_seeded_is_found(registry, seeded):
    async with registry:
        assert await seeded(registry) == Verification(3, 6, 6, [])


@asynchronous
async def test_a_lost_blob_of_a_signature_is_named(registry, seeded):
    async with registry:
        lost = ""

        def spoil() -> None:
            nonlocal lost
            signature = json.loads(registry.manifests[NAME, registry.signatures(NAME)[3]][1])
            lost = signature["layers"][0]["digest"]
            del registry.blobs[NAME, lost]

        (problem,) = (await seeded(registry, spoil)).problems
        assert f"lacks its blob {lost}" in problem


@asynchronous
async def test_a_lost_blob_that_all_images_share_is_named_once(registry, seeded):
    async with registry:
        lost = ""

        def spoil() -> None:
            nonlocal lost
            lost = json.loads(registry.manifests[NAME, "1"][1])["layers"][0]["digest"]
            del registry.blobs[NAME, lost]

        assert (await seeded(registry, spoil)).problems == [f"{NAME}: the blob {lost} is missing"]


@asynchronous
async def test_a_lost_manifest_of_a_signature_that_is_still_listed_is_named(seeded):
    async with FakeRegistry(referrers_api=False) as registry:
        found = await seeded(registry, lambda: registry.manifests.pop((NAME, registry.signatures(NAME)[0])))
        assert f"{registry.signatures(NAME)[0]} is listed" not in found.problems
        assert any("is listed, and its manifest is missing" in problem for problem in found.problems)


@asynchronous
async def test_an_image_that_is_missing_or_another_is_named(registry, seeded):
    async with registry:

        def spoil() -> None:
            del registry.manifests[NAME, "1"]
            registry.manifests[NAME, "2"] = registry.manifests[NAME, "3"]

        problems = sorted((await seeded(registry, spoil)).problems)
        assert problems[0] == f"{NAME}:1: the image is missing"
        assert problems[1].startswith(f"{NAME}:2: the image is sha256:")
        assert len(problems) == 2


@asynchronous
async def test_images_that_nobody_seeded_are_missing(registry, seeded):
    async with registry:
        found = await seeded(registry, lambda: None, ImageSet(1, 0))
        assert found.images == 1
        assert any("the image is missing" in problem for problem in found.problems)

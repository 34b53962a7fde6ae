from __future__ import annotations

import base64
import json
import re
from collections import Counter

import pytest
from aiohttp import web

from csscgen.artifacts.negatives import KIND, RECIPES
from csscgen.artifacts.seeder import SeedReport, seed
from csscgen.artifacts.signing import SIGNATURE_TYPE
from csscgen.artifacts.targets import Target
from csscgen.artifacts.verifying import verify
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from workloads.errors import RegistryError
from workloads.naming import ImageSet
from workloads.negatives import KINDS

ALL = [ImageSet(2, 2), *(ImageSet(2, 2, variant=kind) for kind in KINDS)]
RESTORED = [ImageSet(2, 2, variant=kind, restored=True) for kind in KINDS]


@pytest.fixture
def run(signer, refused, waiter):
    """Seed a fake registry."""

    async def run(registry: FakeRegistry, *sets: ImageSet, **options) -> SeedReport:
        return await seed(sets, Target(registry.host), signer=signer, refused=refused, waiter=waiter, **options)

    return run


@pytest.fixture(params=[True, False], ids=["referrers-api", "referrers-tag"])
def registry(request):
    return FakeRegistry(referrers_api=request.param, single_post=request.param)


def attached(registry: FakeRegistry, kind: str | None) -> list[dict]:
    """The manifests of what is attached to the images of a kind."""
    name = ImageSet(2, 2, variant=kind).repository
    return [json.loads(registry.manifests[name, digest][1]) for digest in registry.signatures(name)]


def envelope(registry: FakeRegistry, kind: str | None) -> dict:
    """The first signature of a kind: protected header and payload decoded."""
    name = ImageSet(2, 2, variant=kind).repository
    first = json.loads(registry.blobs[name, attached(registry, kind)[0]["layers"][0]["digest"]])
    parts = {key: json.loads(base64.urlsafe_b64decode(first[key] + "==")) for key in ("protected", "payload")}
    return {**first, **parts}


def image(registry: FakeRegistry, kind: str | None, tag: str = "1") -> dict:
    document: dict = json.loads(registry.manifests[ImageSet(2, 2, variant=kind).repository, tag][1])
    return document


def subjects(registry: FakeRegistry, kind: str | None) -> Counter[str]:
    return Counter(each["subject"]["digest"] for each in attached(registry, kind))


def writes(registry: FakeRegistry) -> dict[str, int]:
    return {kind: n for kind, n in registry.seen.items() if kind.split()[0] not in ("GET", "HEAD")}


def test_every_kind_has_a_recipe():
    assert RECIPES.keys() == {None, *KINDS}


@asynchronous
async def test_each_image_has_as_many_attachments_of_its_kind_as_signatures_are_asked_for(registry, run):
    async with registry:
        report = await run(registry, *ALL)
        for kind in KINDS:
            found = attached(registry, kind)
            assert len(found) == (0 if kind == "unsigned" else 4), kind
            assert all(each["annotations"][KIND] == kind for each in found)
            assert all(count == 2 for count in subjects(registry, kind).values())
        assert all(KIND not in each["annotations"] for each in attached(registry, None))
        assert report.images == 22
        assert report.signatures == 36  # of the genuine images and of 8 kinds; the other two have none
        assert (report.pushed, report.present) == (22 + 40, 0)


@asynchronous
async def test_a_second_seeding_changes_nothing(registry, run):
    async with registry:
        await run(registry, *ALL)
        before = (dict(registry.blobs), dict(registry.manifests))
        registry.seen.clear()
        report = await run(registry, *ALL)
        assert (report.pushed, report.present, report.signatures) == (0, 62, 36)
        assert writes(registry) == {}
        assert (registry.blobs, registry.manifests) == before


@asynchronous
async def test_a_seeding_that_was_cut_off_anywhere_is_completed(signer, refused, waiter, run):
    """It is cut off after so many requests that change something, at each of them in turn."""
    sets = [ImageSet(1, 2, variant=kind) for kind in ("missing-blob", "sbom", "tampered-manifest")]
    for last in range(100):
        changes = 0

        async def cut(request: web.Request, last: int = last) -> web.Response | None:
            nonlocal changes
            changes += request.method not in ("GET", "HEAD")
            return web.Response(status=403) if changes > last else None

        async with FakeRegistry(fault=cut) as registry:
            try:
                await run(registry, *sets, concurrency=1)
            except RegistryError:
                registry.fault = None
                report = await run(registry, *sets)
                assert report.signatures == 4
            else:
                break
            for images in sets:
                assert len(registry.signatures(images.repository)) == 2
    assert last > 20


@asynchronous
async def test_what_makes_each_kind_negative(registry, run, signer, refused):
    async with registry:
        await run(registry, *ALL)
        genuine = envelope(registry, None)
        assert genuine["payload"]["targetArtifact"]["digest"] in subjects(registry, None)

        for kind in ("tampered-manifest", "wrong-subject"):
            signed = envelope(registry, kind)["payload"]["targetArtifact"]["digest"]
            assert signed not in subjects(registry, kind)
        assert envelope(registry, "wrong-subject")["payload"]["targetArtifact"]["digest"] in subjects(registry, None)
        assert len(image(registry, "tampered-manifest")["annotations"]) == 2

        expired = envelope(registry, "expired")["protected"]
        assert "io.cncf.notary.expiry" in expired["crit"]
        assert expired["io.cncf.notary.signingTime"] < expired["io.cncf.notary.expiry"]
        assert expired["io.cncf.notary.expiry"] < genuine["protected"]["io.cncf.notary.signingTime"]

        signers = {kind: envelope(registry, kind)["header"]["x5c"][0] for kind in refused}
        assert len({*signers.values(), genuine["header"]["x5c"][0]}) == 4

        for each in attached(registry, "missing-blob"):
            assert (
                ImageSet(2, 2, variant="missing-blob").repository,
                each["layers"][0]["digest"],
            ) not in registry.blobs
        assert {each["artifactType"] for each in attached(registry, "sbom")} == {"application/spdx+json"}


@asynchronous
async def test_restoring_adds_genuine_signatures_to_what_is_there(registry, run):
    async with registry:
        await run(registry, *ALL)
        before = dict(registry.manifests)
        report = await run(registry, *RESTORED)
        assert report.pushed == 40
        for kind in KINDS:
            found = Counter(each["annotations"].get(KIND) for each in attached(registry, kind))
            assert found == ({None: 4} if kind == "unsigned" else {None: 4, kind: 4})
            genuine = [each for each in attached(registry, kind) if KIND not in each["annotations"]]
            assert all(each["artifactType"] == SIGNATURE_TYPE for each in genuine)
        kept = [key for key in before if not key[1].startswith("sha256-")]  # the lists have grown
        assert all(registry.manifests[key] == before[key] for key in kept)
        registry.seen.clear()
        assert (await run(registry, *RESTORED)).pushed == 0
        assert writes(registry) == {}


@asynchronous
async def test_images_that_were_restored_are_not_taken_for_negative_ones(registry, run):
    async with registry:
        await run(registry, *RESTORED)
        with pytest.raises(
            RegistryError, match=r"2-containers-2-referrers-unsigned:1: the image has 2 signatures inst"
        ):
            await run(registry, ImageSet(2, 2, variant="unsigned"))


@asynchronous
async def test_a_blob_that_is_back_is_deleted_again(registry, run):
    async with registry:
        images = ImageSet(2, 2, variant="missing-blob")
        await run(registry, images)
        digest = attached(registry, "missing-blob")[0]["layers"][0]["digest"]
        registry.blobs[images.repository, digest] = b"whatever"
        report = await run(registry, images)
        assert report.pushed == 0
        assert (images.repository, digest) not in registry.blobs


@asynchronous
async def test_a_registry_that_deletes_nothing_is_told_in_one_sentence(run):
    async def keep(request: web.Request) -> web.Response | None:
        return web.Response(status=405) if request.method == "DELETE" else None

    async with FakeRegistry(fault=keep) as registry:
        with pytest.raises(
            RegistryError, match="deletes no blobs .405., without which images of the kind missing-blob"
        ):
            await run(registry, ImageSet(1, 1, variant="missing-blob"))


@asynchronous
async def test_a_blob_that_was_to_be_deleted_and_is_there_is_named(run, waiter):
    async def pretend(request: web.Request) -> web.Response | None:
        return web.Response(status=202) if request.method == "DELETE" else None

    async with FakeRegistry(fault=pretend) as registry:
        images = ImageSet(1, 1, variant="missing-blob")
        await run(registry, images)
        (problem,) = (await verify([images], Target(registry.host), waiter=waiter)).problems
        assert re.search("attachment of kind missing-blob, sha256:.* still has its blob", problem)


@asynchronous
async def test_genuine_images_cost_no_request_more_beside_negative_ones(run):
    async with FakeRegistry() as alone, FakeRegistry() as beside:
        await run(alone, ImageSet(2, 2))
        await run(beside, ImageSet(2, 2), ImageSet(2, 2, variant="unsigned"))
        extra = beside.seen.total() - alone.seen.total()
        repository = 1 + 3  # the tags are listed, and the shared blobs mounted
        assert extra == repository + 2 * (1 + 2)  # an image takes a push, and two questions to check it

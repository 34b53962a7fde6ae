from __future__ import annotations

import dataclasses
import json

import pytest
from aiohttp import web

from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.descriptors import Content, referrer
from csscgen.artifacts.seeder import SeedProgress, SeedReport, seed
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from workloads.errors import RegistryError, UsageError
from workloads.naming import ImageSet

IMAGES = ImageSet(containers=4, signatures=3)


@pytest.fixture
def run(signer, waiter):
    """Seed a fake registry."""

    async def run(registry: FakeRegistry, *sets: ImageSet, **options) -> SeedReport:
        return await seed(sets or [IMAGES], registry=registry.host, signer=signer, waiter=waiter, **options)

    return run


@pytest.fixture(params=[True, False], ids=["referrers-api", "referrers-tag"])
def registry(request):
    return FakeRegistry(referrers_api=request.param, single_post=request.param)


@asynchronous
async def test_every_image_and_signature_arrives(registry, run):
    async with registry:
        report = await run(registry)
        assert (report.images, report.signatures) == (4, 12)
        assert (report.pushed, report.present) == (16, 0)
        assert report.manifests_per_s > 0
        assert len(registry.signatures(IMAGES.repository)) == 12
        assert {("4-containers-3-referrers", tag) for tag in "1234"} <= set(registry.manifests)


@asynchronous
async def test_a_second_seeding_pushes_nothing(registry, run):
    async with registry:
        await run(registry)
        registry.seen.clear()
        report = await run(registry)
        assert (report.pushed, report.present) == (0, 16)
        assert report.manifests_per_s == 0
        assert not [kind for kind in registry.seen if kind.split()[0] in ("PUT", "POST")]


@asynchronous
async def test_what_is_missing_is_added_and_nothing_else(registry, run):
    async with registry:
        await run(registry, ImageSet(4, 3))
        name = IMAGES.repository
        lost = registry.manifests.pop((name, "2"))
        image = json.loads(registry.manifests[name, "3"][1])
        assert image["annotations"]
        one = registry.signatures(name)[0]
        subject = json.loads(registry.manifests.pop((name, one))[1])["subject"]["digest"]
        index = registry.manifests.get((name, subject.replace(":", "-")))
        if index is not None:
            document = json.loads(index[1])
            document["manifests"] = [e for e in document["manifests"] if e["digest"] != one]
            registry.manifests[name, subject.replace(":", "-")] = (
                index[0],
                json.dumps(document).encode(),
            )
        report = await run(registry, ImageSet(4, 3))
        assert (report.pushed, report.present) == (2, 14)
        assert registry.manifests[name, "2"] == lost


@asynchronous
async def test_one_write_lists_all_signatures_of_an_image(run):
    async with FakeRegistry(referrers_api=False) as registry:
        await run(registry)
        writes = registry.seen["PUT manifests"]
        assert writes == 4 + 12 + 4


@asynchronous
async def test_no_signatures_make_unsigned_images(registry, run):
    async with registry:
        report = await run(registry, ImageSet(2, 0))
        assert (report.images, report.signatures, report.pushed) == (2, 0, 2)
        assert registry.signatures("2-containers-0-referrers") == []


@asynchronous
async def test_each_set_is_seeded_once(registry, run):
    async with registry:
        sets = [ImageSet(1, 1, shard) for shard in range(3)]
        report = await run(registry, *sets, *sets)
        assert (report.images, report.signatures, report.pushed) == (3, 3, 6)


@asynchronous
async def test_a_registry_that_throttles_and_fails_now_and_then_is_seeded_in_full(run):
    count = 0

    async def fault(request: web.Request) -> web.Response | None:
        nonlocal count
        count += 1
        if count % 7 == 0:
            return web.Response(status=429, headers={"Retry-After": "0"})
        return web.Response(status=503) if count % 11 == 0 else None

    async with FakeRegistry(fault=fault) as registry:
        report = await run(registry, concurrency=4)
        assert report.throttled > 0
        assert report.retries > 0
        assert (report.images, report.signatures, report.pushed) == (4, 12, 16)
        assert len(registry.signatures(IMAGES.repository)) == 12


@asynchronous
async def test_more_signatures_than_asked_for_are_told_and_kept(registry, run, signer):
    async with registry:
        await run(registry)
        name = IMAGES.repository
        media_type, data = registry.manifests[name, "1"]
        document = json.loads(registry.manifests[name, registry.signatures(name)[0]][1])
        subject = document["subject"]["digest"]
        copy = {**document, "annotations": {**document["annotations"], "copy": "1"}}
        extra = Content.of_json(media_type, copy)
        async with RegistryClient(registry.host) as client:
            await client.put_manifest(name, extra.descriptor.digest, extra)
            if not registry.referrers_api:
                entries = await client.referrers(name, subject)
                await client.put_referrers(name, subject, [*entries, referrer(extra)])
        with pytest.raises(RegistryError, match="has 4 signatures instead of 3"):
            await run(registry)
        assert len(registry.signatures(name)) == 13


@asynchronous
async def test_a_lost_blob_of_a_signature_is_named(registry, run):
    async with registry:
        await run(registry)
        signature = json.loads(registry.manifests[IMAGES.repository, registry.signatures(IMAGES.repository)[5]][1])
        digest = signature["layers"][0]["digest"]
        del registry.blobs[IMAGES.repository, digest]
        with pytest.raises(RegistryError, match=f"lacks its blob {digest}"):
            await run(registry)


@asynchronous
async def test_a_lost_manifest_of_a_signature_that_is_still_listed_is_named(run):
    async with FakeRegistry(referrers_api=False) as registry:
        await run(registry)
        digest = registry.signatures(IMAGES.repository)[0]
        del registry.manifests[IMAGES.repository, digest]
        with pytest.raises(RegistryError, match=f"{digest} is listed, and its manifest is missing"):
            await run(registry)


@asynchronous
async def test_images_that_were_pushed_and_are_not_there_are_named_and_counted(run):
    """A registry that says 201 and keeps nothing."""

    async def forget(request: web.Request) -> web.Response | None:
        is_image = request.method == "PUT" and "/manifests/" in request.path
        return web.Response(status=201) if is_image else None

    async with FakeRegistry(fault=forget) as registry:
        with pytest.raises(RegistryError) as caught:
            await run(registry, ImageSet(13, 0))
        message = str(caught.value)
        assert registry.host in message
        assert message.count("the image is missing") == 10
        assert "and 3 more" in message


@asynchronous
async def test_progress_reaches_the_end_of_both_stages(registry, run):
    told: list[SeedProgress] = []
    async with registry:
        await run(registry, on_progress=told.append)
    assert [each.done for each in told if each.stage == "push"] == [1, 2, 3, 4]
    assert [each.done for each in told if each.stage == "verify"] == [1, 2, 3, 4]
    assert (told[-1].images, told[-1].pushed) == (4, 16)


@asynchronous
async def test_an_error_ends_the_seeding_without_leaving_work_behind(run):
    async def refuse(request: web.Request) -> web.Response | None:
        return web.Response(status=403) if "/manifests/" in request.path else None

    async with FakeRegistry(fault=refuse) as registry:
        with pytest.raises(RegistryError, match="it answered 403"):
            await run(registry)
        count = registry.seen.total()
        assert count <= 20


def test_a_registry_of_somebody_else_is_refused(signer, waiter):
    @asynchronous
    async def scenario() -> None:
        await seed([IMAGES], registry="registry.example", signer=signer, waiter=waiter)

    with pytest.raises(UsageError, match="not one of this stack's registries"):
        scenario()


def test_a_report_is_plain_data():
    report = SeedReport(1, 2, 3.0, 4, 5, 6, 7, 8.0)
    assert list(dataclasses.asdict(report)) == [
        *("images", "signatures", "manifests_per_s", "retries"),
        *("throttled", "pushed", "present", "seconds"),
    ]

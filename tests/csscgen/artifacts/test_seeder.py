from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
from aiohttp import web

from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.descriptors import Content, referrer
from csscgen.artifacts.seeder import SeedProgress, SeedReport, seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from infra.local.certificates import signing_certificate
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from workloads.errors import RegistryError, UsageError
from workloads.naming import ImageSet

IMAGES = ImageSet(containers=4, signatures=3)


@pytest.fixture
def run(signer, waiter):
    """Seed a fake registry."""

    async def run(registry: FakeRegistry, *sets: ImageSet, **options) -> SeedReport:
        target = Target(registry.host, journal=options.pop("journal", None))
        return await seed(sets or [IMAGES], target, signer=signer, waiter=waiter, **options)

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


def lose(registry: FakeRegistry, name: str, digest: str) -> None:
    """Take a manifest of an attachment out of a registry, and out of the list of its image."""
    subject = json.loads(registry.manifests.pop((name, digest))[1])["subject"]["digest"]
    index = registry.manifests.get((name, subject.replace(":", "-")))
    if index is not None:
        document = json.loads(index[1])
        document["manifests"] = [entry for entry in document["manifests"] if entry["digest"] != digest]
        registry.manifests[name, subject.replace(":", "-")] = (index[0], json.dumps(document).encode())


@pytest.mark.parametrize("remembers", [True, False], ids=["with its journal", "without a journal"])
@asynchronous
async def test_what_is_missing_is_added_and_nothing_else(registry, run, remembers, tmp_path):
    journal = tmp_path / "journal" if remembers else None
    async with registry:
        await run(registry, journal=journal)
        lose(registry, IMAGES.repository, registry.signatures(IMAGES.repository)[0])
        report = await run(registry, journal=journal)
        assert report.pushed == 1
        assert len(registry.signatures(IMAGES.repository)) == 12
        assert (await run(registry, journal=journal)).pushed == 0


@asynchronous
async def test_an_image_that_lost_its_tag_keeps_its_signatures(registry, run, tmp_path):
    async with registry:
        await run(registry, journal=tmp_path / "journal")
        lost = registry.manifests.pop((IMAGES.repository, "2"))
        report = await run(registry, journal=tmp_path / "journal")
        assert (report.pushed, report.present) == (1, 15)
        assert registry.manifests[IMAGES.repository, "2"] == lost


@asynchronous
async def test_an_image_of_another_build_is_replaced_and_signed_anew(registry, run, tmp_path):
    async with registry:
        await run(registry, journal=tmp_path / "journal")
        media_type, data = registry.manifests[IMAGES.repository, "3"]
        registry.manifests[IMAGES.repository, "3"] = (media_type, data.replace(b":3", b":9"))
        (tmp_path / "journal").unlink()
        report = await run(registry, journal=tmp_path / "journal")
        assert registry.manifests[IMAGES.repository, "3"] == (media_type, data)
        assert (report.pushed, report.present) == (1, 15)


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


async def add_one(registry: FakeRegistry, name: str, tag: str) -> None:
    """Attach one signature more to an image."""
    media_type, data = registry.manifests[name, tag]
    subject = f"sha256:{hashlib.sha256(data).hexdigest()}"
    signatures = [json.loads(registry.manifests[name, each][1]) for each in registry.signatures(name)]
    document = next(each for each in signatures if each["subject"]["digest"] == subject)
    copy = {**document, "annotations": {**document["annotations"], "copy": "1"}}
    extra = Content.of_json(media_type, copy)
    async with RegistryClient(registry.host) as client:
        await client.put_manifest(name, extra.descriptor.digest, extra)
        if not registry.referrers_api:
            entries = await client.referrers(name, subject)
            await client.put_referrers(name, subject, [*entries, referrer(extra)])


@asynchronous
async def test_more_signatures_than_asked_for_are_told_and_kept(registry, run):
    async with registry:
        await run(registry)
        await add_one(registry, IMAGES.repository, "1")
        registry.seen.clear()
        with pytest.raises(RegistryError, match=r"has 4 signatures instead of 3(.|\n)*--prune"):
            await run(registry)
        assert len(registry.signatures(IMAGES.repository)) == 13
        assert not [kind for kind in registry.seen if kind.split()[0] in ("PUT", "POST", "DELETE")]


@pytest.mark.parametrize("remembers", [True, False], ids=["with its journal", "without a journal"])
@asynchronous
async def test_signatures_by_another_certificate_are_told_and_replaced_when_that_is_asked_for(
    registry, run, waiter, remembers, tmp_path
):
    journal = tmp_path / "journal" if remembers else None
    other = LocalSigner(*signing_certificate("ES256", "a test"))
    async with registry:
        await seed([IMAGES], Target(registry.host, journal=journal), signer=other, waiter=waiter)
        before = set(registry.signatures(IMAGES.repository))
        registry.seen.clear()
        with pytest.raises(RegistryError, match=r"has 3 signatures by another certificate than the one that signs"):
            await run(registry, journal=journal)
        assert not [kind for kind in registry.seen if kind.split()[0] in ("PUT", "POST", "DELETE")]
        report = await run(registry, prune=True, journal=journal)
        assert (report.pushed, report.pruned, report.signatures) == (12, 12, 12)
        assert not set(registry.signatures(IMAGES.repository)) & before


@pytest.mark.parametrize("remembers", [True, False], ids=["with its journal", "without a journal"])
@asynchronous
async def test_what_is_too_much_is_deleted_when_that_is_asked_for(registry, run, remembers, tmp_path):
    journal = tmp_path / "journal" if remembers else None
    async with registry:
        await run(registry, journal=journal)
        before = set(registry.signatures(IMAGES.repository))
        await add_one(registry, IMAGES.repository, "1")
        await add_one(registry, IMAGES.repository, "4")
        report = await run(registry, prune=True, journal=journal)
        assert (report.pushed, report.pruned) == (0, 2)
        assert set(registry.signatures(IMAGES.repository)) == before
        assert (await run(registry, journal=journal)).signatures == 12


@asynchronous
async def test_blobs_are_mounted_in_further_repositories_and_pushed_where_that_is_not_taken(run):
    sets = [ImageSet(2, 1, shard) for shard in range(5)]
    async with FakeRegistry() as registry:
        await run(registry, *sets)
        assert registry.seen["POST blobs"] == 3 + 4 * 3 + 10
        assert registry.seen["PUT blobs"] == 0  # the layer of these tests is small
    async with FakeRegistry(mounts=False) as registry:
        await run(registry, *sets)
        assert registry.seen["POST blobs"] == 3 + 1 + 4 * 3 + 10


@asynchronous
async def test_a_new_image_takes_a_push_and_a_check_and_nothing_else(registry, run):
    async with registry:
        await run(registry)
        blob, fallback = (1, 0) if registry.referrers_api else (2, 1)
        assert registry.seen["PUT manifests"] == 4 * (1 + 3 + fallback)
        assert registry.seen["POST blobs"] == 3 + 12
        assert registry.seen["PUT blobs"] == (blob - 1) * (3 + 12)
        assert registry.seen["HEAD manifests"] == 4
        assert registry.seen["GET referrers"] == (4 if registry.referrers_api else 0)
        assert registry.seen["GET tags"] == 1
        assert registry.seen["HEAD blobs"] == 0


@asynchronous
async def test_what_the_journal_knows_is_not_asked_for_before_the_check(registry, run, tmp_path):
    async with registry:
        await run(registry, journal=tmp_path / "journal")
        registry.seen.clear()
        report = await run(registry, journal=tmp_path / "journal")
        assert (report.pushed, report.present) == (0, 16)
        assert registry.seen["HEAD manifests"] == 4
        assert registry.seen["GET tags"] == 1
        assert registry.seen.total() <= 1 + 4 * 3


@asynchronous
async def test_a_registry_that_was_emptied_is_seeded_anew(registry, run, tmp_path):
    async with registry:
        await run(registry, journal=tmp_path / "journal")
        registry.manifests.clear()
        registry.blobs.clear()
        report = await run(registry, journal=tmp_path / "journal")
        assert (report.pushed, report.present, report.signatures) == (16, 0, 12)


@asynchronous
async def test_a_registry_that_forgets_while_it_is_seeded_is_given_all_of_it_again(run, tmp_path):
    """Once, in the middle; it had taken half of the images."""
    puts = 0

    async def forget(request: web.Request) -> web.Response | None:
        nonlocal puts
        puts += request.method == "PUT" and "/manifests/" in request.path
        if puts == 8:
            for key in [key for key in forgetful.manifests if ":" not in key[1]][:2]:
                del forgetful.manifests[key]
        return None

    async with FakeRegistry(fault=forget) as forgetful:
        await run(forgetful, journal=tmp_path / "journal", concurrency=1)
        assert {("4-containers-3-referrers", tag) for tag in "1234"} <= set(forgetful.manifests)
        assert len(forgetful.signatures(IMAGES.repository)) == 12


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
    assert [each.done for each in told if each.stage == "check"] == [1, 2, 3, 4]
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
        await seed([IMAGES], Target("registry.example"), signer=signer, waiter=waiter)

    with pytest.raises(UsageError, match="not one of this stack's registries"):
        scenario()


def test_a_report_is_plain_data():
    report = SeedReport(1, 2, 3.0, 4, 5, 6, 7, 8, 9, 10.0)
    assert list(dataclasses.asdict(report)) == [
        *("images", "signatures", "manifests_per_s", "requests", "retries"),
        *("throttled", "pushed", "present", "pruned", "seconds"),
    ]

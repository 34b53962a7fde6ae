"""Seeding: bring the images of a scenario and their signatures into a registry, and prove it.

The registry is the only memory. What is there is found by asking it, what is missing is added, and
nothing is deleted; so a second seeding pushes nothing, and one that was cut off is completed by the
next. Images are found by tag and digest, signatures by listing the referrers of each image. A
signature cannot be made twice (its algorithms are randomised), so signatures are counted, not
compared: too many are as wrong as too few, because a figure of N signatures per image would be one
of another number.

At the end everything is read back. A load on images that are not all there measures the errors of
the preparation, so a mismatch is an error that names what is missing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import orjson

from csscgen.artifacts.client import CONCURRENCY, PATIENCE, RegistryClient
from csscgen.artifacts.descriptors import EMPTY_CONFIG, Content, referrer
from csscgen.artifacts.images import Base, base, image
from csscgen.artifacts.signing import SIGNATURE_TYPE, Signature, Signer
from workloads.errors import RegistryError
from workloads.naming import ImageSet

MOST_PROBLEMS = 10
"""How many images an error names before it counts the rest."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SeedReport:
    """What a seeding did. Everything it counts was read back from the registry."""

    images: int
    signatures: int
    manifests_per_s: float
    """Manifests pushed per second of pushing; 0 if there was nothing to push."""
    retries: int
    throttled: int
    pushed: int
    """Manifests of images and signatures that were missing."""
    present: int
    """Manifests of images and signatures that were there before."""
    seconds: float
    """Pushing and reading back together."""


@dataclass(frozen=True)
class SeedProgress:
    """How far a seeding is, told after each image."""

    stage: Literal["push", "verify"]
    done: int
    images: int
    pushed: int
    present: int
    throttled: int


@dataclass(frozen=True)
class _Image:
    """An image of the plan."""

    repository: str
    tag: str
    signatures: int
    manifest: Content

    @property
    def digest(self) -> str:
        return self.manifest.descriptor.digest


async def seed(
    sets: Sequence[ImageSet],
    *,
    registry: str,
    signer: Signer,
    waiter: Path,
    concurrency: int = CONCURRENCY,
    patience: float = PATIENCE,
    allowed: Collection[str] = (),
    on_progress: Callable[[SeedProgress], None] | None = None,
) -> SeedReport:
    """Make the registry hold the images of ``sets``, each with the signatures its set asks for.

    ``waiter`` is the binary that the images run. ``concurrency`` is in requests, ``patience`` the
    seconds that one request waits in all for a registry that answers 429. ``registry`` must be on
    loopback, or one of ``allowed``. A set with no signatures makes unsigned images.

    Raises UsageError before anything is touched if the registry is not the stack's own or the binary
    cannot be read; RegistryError if the registry fails, or does not hold in the end what it should.
    """
    shared = base(waiter)
    started = time.monotonic()
    async with RegistryClient(registry, allowed=allowed, concurrency=concurrency, patience=patience) as client:
        seeding = _Seeding(client, signer, shared, list(dict.fromkeys(sets)), on_progress)
        await seeding.push(concurrency)
        pushing = time.monotonic() - started
        await seeding.verify(concurrency)
    return SeedReport(
        images=seeding.images,
        signatures=seeding.signatures,
        manifests_per_s=seeding.pushed / pushing,
        retries=client.traffic.retries,
        throttled=client.traffic.throttled,
        pushed=seeding.pushed,
        present=seeding.present,
        seconds=time.monotonic() - started,
    )


class _Seeding:
    """One seeding of one registry: first push, then verify."""

    def __init__(
        self,
        client: RegistryClient,
        signer: Signer,
        shared: Base,
        sets: Sequence[ImageSet],
        on_progress: Callable[[SeedProgress], None] | None,
    ) -> None:
        self._client = client
        self._signer = signer
        self._shared = shared
        self._sets = sets
        self._on_progress = on_progress
        self._done = 0
        self._problems: list[str] = []
        self.images = sum(each.containers for each in sets)
        self.signatures = sum(each.containers * each.signatures for each in sets)
        self.pushed = 0
        self.present = 0

    async def push(self, workers: int) -> None:
        """Add what the registry lacks: shared blobs first, as a manifest may only name what is there."""
        await _for_each(self._sets, self._push_blobs, workers)
        self._done = 0
        await _for_each(self._plan(), self._push_image, workers)

    async def verify(self, workers: int) -> None:
        """Read everything back; RegistryError with what is missing or too much."""
        await _for_each(self._sets, self._verify_blobs, workers)
        self._done = 0
        await _for_each(self._plan(), self._verify_image, workers)
        if self._problems:
            told = "\n".join(f"  - {problem}" for problem in self._problems[:MOST_PROBLEMS])
            rest = len(self._problems) - MOST_PROBLEMS
            more = f"\n  - and {rest} more" if rest > 0 else ""
            raise RegistryError(
                f"The registry {self._client.registry} does not hold what was seeded:\n{told}{more}\n"
                "Seed again to add what is missing. What is too much is never deleted: start with an "
                "empty registry, or ask for as many signatures as there are."
            )

    def _plan(self) -> Iterator[_Image]:
        for images in self._sets:
            for tag in images.tags:
                manifest = image(self._shared, images, tag)
                yield _Image(images.repository, tag, images.signatures, manifest)

    def _shared_blobs(self, images: ImageSet) -> list[Content]:
        blobs = [self._shared.config, self._shared.layer]
        return [EMPTY_CONFIG, *blobs] if images.signatures else blobs

    async def _push_blobs(self, images: ImageSet) -> None:
        for blob in self._shared_blobs(images):
            if not await self._client.blob_exists(images.repository, blob.descriptor.digest):
                await self._client.upload_blob(images.repository, blob)

    async def _push_image(self, wanted: _Image) -> None:
        if await self._client.head_manifest(wanted.repository, wanted.tag) == wanted.digest:
            self.present += 1
        else:
            await self._client.put_manifest(wanted.repository, wanted.tag, wanted.manifest)
            self.pushed += 1
        if wanted.signatures:
            await self._push_signatures(wanted)
        self._report("push")

    async def _push_signatures(self, wanted: _Image) -> None:
        entries = await self._client.referrers(wanted.repository, wanted.digest)
        found = sum(entry.get("artifactType") == SIGNATURE_TYPE for entry in entries)
        self.present += found
        missing = wanted.signatures - found
        if missing <= 0:
            return
        now = datetime.now(UTC)
        made = [self._signer.sign(wanted.manifest.descriptor, now) for _ in range(missing)]
        listed = await _together(self._push_signature(wanted, each) for each in made)
        if not all(listed):
            # One write for all of an image's signatures, so that no two writers meet in the list.
            entries += [referrer(signature.manifest) for signature in made]
            await self._client.put_referrers(wanted.repository, wanted.digest, entries)
        self.pushed += missing

    async def _push_signature(self, wanted: _Image, signature: Signature) -> bool:
        await self._client.upload_blob(wanted.repository, signature.envelope)
        return await self._client.put_manifest(
            wanted.repository, signature.manifest.descriptor.digest, signature.manifest
        )

    async def _verify_blobs(self, images: ImageSet) -> None:
        for blob in self._shared_blobs(images):
            if not await self._client.blob_exists(images.repository, blob.descriptor.digest):
                self._problems.append(f"{images.repository}: the blob {blob.descriptor.digest} is missing")

    async def _verify_image(self, wanted: _Image) -> None:
        stored = await self._client.get_manifest(wanted.repository, wanted.tag)
        name = f"{wanted.repository}:{wanted.tag}"
        if stored is None:
            self._problems.append(f"{name}: the image is missing")
        elif stored.descriptor.digest != wanted.digest:
            self._problems.append(f"{name}: the image is {stored.descriptor.digest}, not {wanted.digest}")
        else:
            entries = await self._client.referrers(wanted.repository, wanted.digest)
            found = [entry["digest"] for entry in entries if entry.get("artifactType") == SIGNATURE_TYPE]
            if len(found) != wanted.signatures:
                self._problems.append(f"{name}: the image has {len(found)} signatures instead of {wanted.signatures}")
            await _together(self._verify_signature(wanted, digest) for digest in found)
        self._report("verify")

    async def _verify_signature(self, wanted: _Image, digest: str) -> None:
        name = f"{wanted.repository}:{wanted.tag}: the signature {digest}"
        stored = await self._client.get_manifest(wanted.repository, digest)
        if stored is None or stored.descriptor.digest != digest:
            self._problems.append(f"{name} is listed, and its manifest is missing")
            return
        manifest = orjson.loads(stored.data)  # its digest was right: it is what somebody pushed
        if manifest["subject"]["digest"] != wanted.digest:
            self._problems.append(f"{name} is of another image")
        for layer in manifest["layers"]:
            if not await self._client.blob_exists(wanted.repository, layer["digest"]):
                self._problems.append(f"{name} lacks its blob {layer['digest']}")

    def _report(self, stage: Literal["push", "verify"]) -> None:
        self._done += 1
        if self._on_progress is not None:
            throttled = self._client.traffic.throttled
            self._on_progress(SeedProgress(stage, self._done, self.images, self.pushed, self.present, throttled))


async def _for_each(items: Iterable[Item], action: Callable[[Item], Awaitable[None]], workers: int) -> None:
    """Run ``action`` on each item, ``workers`` at a time; the first error ends them all."""
    queue = iter(items)

    async def work() -> None:
        for item in queue:
            await action(item)

    await _together(work() for _ in range(workers))


async def _together(work: Iterable[Coroutine[None, None, Result]]) -> list[Result]:
    """Gather, but leave nothing running behind an error (whose type a TaskGroup would wrap)."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

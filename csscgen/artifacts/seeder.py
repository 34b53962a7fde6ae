"""Seeding: bring the images of a scenario and their signatures into a registry, and prove it.

The registry is the only memory. What is there is found by asking it, what is missing is added, and
nothing is deleted but the blobs that some negative images are to lack; so a second seeding pushes
nothing, and one that was cut off is completed by the next. Images are found by tag and digest,
signatures by listing the referrers of each image. A signature cannot be made twice (its algorithms
are randomised), so signatures are counted, not compared: too many are as wrong as too few, because
a figure of N signatures per image would be one of another number. What makes an image a negative
one is counted by its kind.

Signing may take a request to a key vault for each signature; that is done in threads, a few at a time.

At the end everything is read back. A load on images that are not all there measures the errors of
the preparation, so a mismatch is an error that names what is missing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import orjson

from analysis.shapes import entries, items, maybe, text, values
from csscgen.artifacts.client import CONCURRENCY, PATIENCE, RegistryClient
from csscgen.artifacts.descriptors import EMPTY_CONFIG, Attachment, Content, referrer
from csscgen.artifacts.images import Base, base, image
from csscgen.artifacts.logins import Login, read_login
from csscgen.artifacts.negatives import KIND, RECIPES, Material, attach, attachments
from csscgen.artifacts.signing import SIGNATURE_TYPE, Signer
from workloads.errors import RegistryError
from workloads.naming import ImageSet

SIGNING_THREADS = 8
"""Signatures at a time where another machine makes them: as many as the connections that its client keeps."""
MOST_PROBLEMS = 10
"""How many images an error names before it counts the rest."""

ATTACHMENT = entries(
    {"subject": entries({"digest": text}), "layers": items(entries({"digest": text}))},
    {"annotations": maybe(values(text))},
)
"""The form of the manifest of an attachment, so far as it is relied on."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SeedReport:
    """What a seeding did. Everything it counts was read back from the registry."""

    images: int
    signatures: int
    """Signatures of every kind; what else may be attached to an image is not counted."""
    manifests_per_s: float
    """Manifests pushed per second of pushing; 0 if there was nothing to push."""
    retries: int
    throttled: int
    pushed: int
    """Manifests of images and attachments that were missing."""
    present: int
    """Manifests of images and attachments that were there before."""
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

    images: ImageSet
    tag: str
    original: Content
    """Its manifest before it was changed, if it is of a kind for which it is."""
    manifest: Content

    @property
    def repository(self) -> str:
        return self.images.repository

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def digest(self) -> str:
        return self.manifest.descriptor.digest


async def seed(
    sets: Sequence[ImageSet],
    *,
    registry: str,
    signer: Signer,
    refused: Mapping[str, Signer] = MappingProxyType({}),
    waiter: Path,
    concurrency: int = CONCURRENCY,
    patience: float = PATIENCE,
    allowed: Collection[str] = (),
    credentials: Path | Login | None = None,
    on_progress: Callable[[SeedProgress], None] | None = None,
) -> SeedReport:
    """Make the registry hold the images of ``sets``, each with the signatures its set asks for.

    ``waiter`` is the binary that the images run. ``concurrency`` is in requests, ``patience`` the
    seconds that one request waits in all for a registry that answers 429. ``registry`` must be on
    loopback, or one of ``allowed``; ``credentials`` is the login to it, or the docker config.json with
    it, if it asks for one. A set with no signatures makes unsigned images. ``refused`` has the signers of the
    kinds of negative images that have one of their own (``REFUSED_SIGNERS``).

    Raises UsageError before anything is touched if the registry is not the stack's own or the binary
    cannot be read; RegistryError if the registry fails, or does not hold in the end what it should.
    """
    shared = base(waiter)
    started = time.monotonic()
    login = read_login(credentials, registry) if isinstance(credentials, Path) else credentials
    client = RegistryClient(
        registry, allowed=allowed, concurrency=concurrency, patience=patience, logins=[login] if login else []
    )
    async with client:
        seeding = _Seeding(client, signer, refused, shared, list(dict.fromkeys(sets)), on_progress)
        try:
            await seeding.push(concurrency)
        finally:
            seeding.threads.shutdown(wait=False, cancel_futures=True)
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
        refused: Mapping[str, Signer],
        shared: Base,
        sets: Sequence[ImageSet],
        on_progress: Callable[[SeedProgress], None] | None,
    ) -> None:
        self._client = client
        self._signer = signer
        self._refused = refused
        self._shared = shared
        self._sets = sets
        self._on_progress = on_progress
        self._done = 0
        self._problems: list[str] = []
        self.threads = ThreadPoolExecutor(SIGNING_THREADS, "signing")
        self.images = sum(each.containers for each in sets)
        self.signatures = 0
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
                "empty registry, or ask for as many signatures as there are. Negative images that have genuine "
                "signatures stay so: ask for them with scenario.restored=on."
            )

    def _plan(self) -> Iterator[_Image]:
        for images in self._sets:
            change = RECIPES[images.variant].change
            for tag in images.tags:
                original = image(self._shared, images, tag)
                yield _Image(images, tag, original, change(original))

    def _shared_blobs(self, images: ImageSet) -> list[Content]:
        blobs = [self._shared.config, self._shared.layer]
        return [EMPTY_CONFIG, *blobs] if images.signatures or images.extras else blobs

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
        if counts := attachments(wanted.images, wanted.tag):
            await self._push_attachments(wanted, counts)
        self._report("push")

    async def _push_attachments(self, wanted: _Image, counts: Mapping[str | None, int]) -> None:
        entries = await self._client.referrers(wanted.repository, wanted.digest)
        found = Counter(_kind(entry) for entry in entries if _is_ours(entry))
        self.present += found.total()
        missing = [kind for kind, count in counts.items() for _ in range(count - found[kind])]
        if missing:
            material = self._material(wanted)
            made = await self._attach(missing, material)
            listed = await _together(self._push_attachment(wanted, each) for each in made)
            entries += [referrer(each.manifest) for each in made]
            if not all(listed):
                # One write for all attachments of an image, so that no two writers meet in the list.
                await self._client.put_referrers(wanted.repository, wanted.digest, entries)
            self.pushed += len(made)
        lacking = [entry["digest"] for entry in entries if _lacks_blob(entry)]
        await _together(self._delete_blobs(wanted, digest) for digest in lacking)

    async def _attach(self, kinds: Sequence[str | None], material: Material) -> list[Attachment]:
        if not self._signer.remote:
            return [attach(kind, material) for kind in kinds]
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(self.threads, attach, kind, material) for kind in kinds]
        return list(await asyncio.gather(*calls))

    async def _push_attachment(self, wanted: _Image, attachment: Attachment) -> bool:
        await self._client.upload_blob(wanted.repository, attachment.blob)
        digest = attachment.manifest.descriptor.digest
        return await self._client.put_manifest(wanted.repository, digest, attachment.manifest)

    async def _delete_blobs(self, wanted: _Image, digest: str) -> None:
        stored = await self._client.get_manifest(wanted.repository, digest)
        for blob in _blobs(_attachment(stored.data) or {}) if stored else ():
            if await self._client.blob_exists(wanted.repository, blob):
                await self._client.delete_blob(wanted.repository, blob)

    def _material(self, wanted: _Image) -> Material:
        genuine = wanted.original
        if wanted.images.variant is not None:
            genuine = image(self._shared, replace(wanted.images, variant=None), wanted.tag)
        return Material(
            signer=self._signer,
            refused=self._refused,
            images=wanted.images,
            tag=wanted.tag,
            subject=wanted.manifest.descriptor,
            original=wanted.original.descriptor,
            genuine=genuine.descriptor,
            at=datetime.now(UTC),
        )

    async def _verify_blobs(self, images: ImageSet) -> None:
        for blob in self._shared_blobs(images):
            if not await self._client.blob_exists(images.repository, blob.descriptor.digest):
                self._problems.append(f"{images.repository}: the blob {blob.descriptor.digest} is missing")

    async def _verify_image(self, wanted: _Image) -> None:
        stored = await self._client.get_manifest(wanted.repository, wanted.tag)
        if stored is None:
            self._problems.append(f"{wanted.name}: the image is missing")
        elif stored.descriptor.digest != wanted.digest:
            self._problems.append(f"{wanted.name}: the image is {stored.descriptor.digest}, not {wanted.digest}")
        else:
            entries = await self._client.referrers(wanted.repository, wanted.digest)
            ours = [entry["digest"] for entry in entries if _is_ours(entry)]
            found = Counter(await _together(self._verify_attachment(wanted, digest) for digest in ours))
            self.signatures += sum(entry.get("artifactType") == SIGNATURE_TYPE for entry in entries)
            counts = attachments(wanted.images, wanted.tag)
            for kind in {**counts, **found}:
                if found[kind] != counts.get(kind, 0):
                    what = "signatures" if kind is None else f"attachments of kind {kind}"
                    self._problems.append(
                        f"{wanted.name}: the image has {found[kind]} {what} instead of {counts.get(kind, 0)}"
                    )
        self._report("verify")

    async def _verify_attachment(self, wanted: _Image, digest: str) -> str | None:
        """What kind of attachment is there."""
        stored = await self._client.get_manifest(wanted.repository, digest)
        if stored is None or stored.descriptor.digest != digest:
            self._problems.append(f"{wanted.name}: {digest} is listed, and its manifest is missing")
            return None
        manifest = _attachment(stored.data)
        if manifest is None:
            self._problems.append(f"{wanted.name}: {digest} is listed, and is no attachment")
            return None
        kind = _kind(manifest)
        name = f"{wanted.name}: {'the signature' if kind is None else f'the attachment of kind {kind},'} {digest}"
        if manifest["subject"]["digest"] != wanted.digest:
            self._problems.append(f"{name} is of another image")
        lacks = _lacks_blob(manifest)
        for blob in _blobs(manifest):
            if await self._client.blob_exists(wanted.repository, blob) == lacks:
                self._problems.append(f"{name} {'still has' if lacks else 'lacks'} its blob {blob}")
        return kind

    def _report(self, stage: Literal["push", "verify"]) -> None:
        self._done += 1
        if self._on_progress is not None:
            throttled = self._client.traffic.throttled
            self._on_progress(SeedProgress(stage, self._done, self.images, self.pushed, self.present, throttled))


def _is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a list of referrers is a signature, or was made here as something else."""
    return entry.get("artifactType") == SIGNATURE_TYPE or _kind(entry) is not None


def _kind(document: Mapping[str, Any]) -> str | None:
    """The kind of an attachment, by its manifest or its entry in a list of referrers; None is a genuine signature."""
    return (document.get("annotations") or {}).get(KIND)


def _lacks_blob(document: Mapping[str, Any]) -> bool:
    """Whether the blob of an attachment is not to be there."""
    return (kind := _kind(document)) in RECIPES and RECIPES[kind].blob_deleted


def _blobs(manifest: Mapping[str, Any]) -> list[str]:
    """The digests of what the manifest of an attachment refers to, but for the config that they all have."""
    return [layer["digest"] for layer in manifest.get("layers") or ()]


def _attachment(data: bytes) -> dict[str, Any] | None:
    """The manifest of an attachment; None if it is none, whose digest may be right all the same."""
    try:
        manifest = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return manifest if ATTACHMENT(manifest) is None else None


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

"""What a registry lacks of a plan's images, pushed: shared blobs, manifests, what is attached to them.

As few requests as can be: the tags of a repository are listed once, and of an image that has none there nothing is
asked; an image that the journal knows to be complete is not asked for at all. Only what lies between, an image that is
there and may lack something, is looked at. A signature cannot be made twice (its algorithms are randomised), so what is
attached is counted by kind, not compared.

An image is pushed before what is attached to it, and its tag with it: a kill leaves a tag that the next seeding finds
and looks at. Where the registry has no referrers API, all that is attached to an image is listed with one write, so
that no two writers meet in the list.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.descriptors import EMPTY_CONFIG, Attachment, Content, referrer
from csscgen.artifacts.images import Base, image
from csscgen.artifacts.journal import Journal
from csscgen.artifacts.negatives import Material, attach
from csscgen.artifacts.pruning import prune_image
from csscgen.artifacts.reading import blobs_of, read_attachment
from csscgen.artifacts.signing import Signer
from csscgen.artifacts.wanted import FOREIGN, Wanted, lacks_blob, ours
from csscgen.concurrency import in_lanes


class Signing:
    """Makes attachments: in threads, a few at a time, where another machine signs; else at once."""

    def __init__(
        self, signer: Signer, refused: Mapping[str, Signer], shared: Base, threads: ThreadPoolExecutor
    ) -> None:
        self.signed_by = signer.thumbprints
        self._signer = signer
        self._refused = refused
        self._shared = shared
        self._threads = threads

    async def attachments(self, wanted: Wanted, kinds: Sequence[str | None]) -> list[Attachment]:
        """New attachments of these kinds, in their order."""
        material = self._material(wanted)
        if not self._signer.remote:
            return [attach(kind, material) for kind in kinds]
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(self._threads, attach, kind, material) for kind in kinds]
        return list(await asyncio.gather(*calls))

    def _material(self, wanted: Wanted) -> Material:
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


class Blobs:
    """The blobs that images share, brought to each repository once: pushed to the first, mounted from it in others.

    Each has all of them, the two bytes of an attachment's config too where nothing is attached: so all are mounted from
    one repository, with one token for that.
    """

    def __init__(self, client: RegistryClient, shared: Base) -> None:
        self.all = (shared.config, shared.layer, EMPTY_CONFIG)
        self._client = client
        self._sources: dict[str, str] = {}
        """A repository that has a blob, by its digest."""
        self._pushing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._trying = asyncio.Lock()
        self._mounts: bool | None = None
        """Whether the registry mounts blobs; None until it was tried."""

    async def ensure(self, repository: str, *, ask: bool) -> None:
        """See to it that a repository has them; ``ask`` says that it may have them already."""
        for blob in self.all:
            await self._ensure(repository, blob, ask)

    async def _ensure(self, repository: str, blob: Content, ask: bool) -> None:
        digest = blob.descriptor.digest
        if ask and await self._client.blob_exists(repository, digest):
            self._sources.setdefault(digest, repository)
            return
        async with self._pushing[digest]:
            source = self._sources.get(digest, repository)
            if source == repository:
                await self._client.upload_blob(repository, blob)
                self._sources[digest] = repository
                return
        if not await self._mount(repository, source, digest):
            await self._client.upload_blob(repository, blob)

    async def _mount(self, repository: str, source: str, digest: str) -> bool:
        """Whether the registry mounted a blob; one that does not do it at first is not asked again."""
        if self._mounts is None:
            async with self._trying:
                if self._mounts is None:
                    self._mounts = await self._client.mount_blob(repository, source, digest)
                    return self._mounts
        return self._mounts and await self._client.mount_blob(repository, source, digest)


class Repository:
    """What is known of a repository while its images are pushed: each fact is asked for once, when it is needed.

    ``known`` is False where tags and journal are not to be relied on, and every image is asked for.
    """

    def __init__(
        self, client: RegistryClient, journal: Journal, blobs: Blobs, name: str, *, known: bool = True
    ) -> None:
        self.name = name
        self.known = known
        self._client = client
        self._journal = journal
        self._blobs = blobs
        self._asking = asyncio.Lock()
        self._tags: set[str] | None = None
        self._has_blobs = False

    async def tags(self) -> set[str]:
        """Its tags; none if there is no such repository."""
        if self._tags is None:
            async with self._asking:
                if self._tags is None:
                    found = await self._client.tags(self.name) if self.known else []
                    if found is None:
                        self._journal.forget(self.name)
                    self._tags = set(found or ())
        return self._tags

    async def blobs(self) -> None:
        """See to it that it has the blobs that its images share."""
        if not self._has_blobs:
            there = not self.known or bool(await self.tags())
            async with self._asking:
                if not self._has_blobs:
                    await self._blobs.ensure(self.name, ask=there)
                    self._has_blobs = True


class Pusher:
    """Pushes images to one registry, and counts what it did."""

    def __init__(
        self,
        client: RegistryClient,
        journal: Journal,
        signing: Signing,
        *,
        lanes: int,
        prune: bool,
        tell: Callable[[], None],
    ) -> None:
        self.pushed = self.present = self.pruned = 0
        self._client = client
        self._journal = journal
        self._signing = signing
        self._lanes = lanes
        self._prune = prune
        self._tell = tell

    async def push(self, wanted: Wanted, repository: Repository) -> None:
        """Bring an image and what is to be attached to it."""
        name, tag, journal = wanted.repository, wanted.tag, self._journal
        tags = await repository.tags()
        listed = tag in tags or not repository.known
        if listed and repository.known and journal.has(name, tag, wanted.digest, wanted.counts):
            self.present += 1 + sum(wanted.counts.values())
            self._tell()
            return
        # What was attached to an image that was complete may still be there, though its tag is not.
        lost = bool(tags) and journal.mentions(name, tag)
        if listed and await self._client.head_manifest(name, tag) == wanted.digest:
            self.present += 1
        else:
            journal.forget(name, tag)
            await repository.blobs()
            await self._client.put_manifest(name, tag, wanted.manifest)
            self.pushed += 1
        entries = await self._client.referrers(name, wanted.digest) if listed or lost else []
        await self._complete(wanted, repository, entries)
        self._tell()

    async def _complete(self, wanted: Wanted, repository: Repository, entries: list[dict[str, Any]]) -> None:
        """Add what is not attached yet, and write down that the image is complete; ``entries`` is what is listed."""
        signed_by = self._signing.signed_by
        if self._prune and (surplus := await prune_image(self._client, wanted, entries, signed_by)):
            self.pruned += len(surplus)
            entries = [entry for entry in entries if entry not in surplus]
        found = ours(entries, signed_by)
        if FOREIGN in found:
            return  # the check tells; an image gets no second set of signatures beside those of another certificate
        self.present += sum(map(len, found.values()))
        missing = [kind for kind, count in wanted.counts.items() for _ in range(count - len(found.get(kind, ())))]
        if entries:
            await self._delete_blobs(wanted, found)
        attached = {kind: [entry["digest"] for entry in of_kind] for kind, of_kind in found.items()}
        if missing:
            await repository.blobs()
            made = await self._signing.attachments(wanted, missing)
            await self._attach(wanted, missing, made, entries)
            for kind, each in zip(missing, made, strict=True):
                attached.setdefault(kind, []).append(each.manifest.descriptor.digest)
        self._journal.complete(wanted.repository, wanted.tag, wanted.digest, attached)

    async def _attach(
        self, wanted: Wanted, kinds: Sequence[str | None], made: Sequence[Attachment], entries: list[dict[str, Any]]
    ) -> None:
        async def push(attachment: Attachment) -> bool:
            await self._client.upload_blob(wanted.repository, attachment.blob)
            digest = attachment.manifest.descriptor.digest
            return await self._client.put_manifest(wanted.repository, digest, attachment.manifest)

        listed = await in_lanes(made, push, self._lanes)
        if not all(listed):
            listing = [*entries, *(referrer(each.manifest) for each in made)]
            await self._client.put_referrers(wanted.repository, wanted.digest, listing)
        self.pushed += len(made)
        for kind, each in zip(kinds, made, strict=True):
            if lacks_blob(kind):
                await self._client.delete_blob(wanted.repository, each.blob.descriptor.digest)

    async def _delete_blobs(self, wanted: Wanted, found: Mapping[str | None, list[dict[str, Any]]]) -> None:
        """Delete the blobs of attachments that are to lack them, where they have them: a kill came before, or somebody
        pushed them again."""
        for kind, entries in found.items():
            for entry in entries if lacks_blob(kind) else ():
                stored = await read_attachment(self._client, wanted.repository, entry["digest"])
                for blob in blobs_of(stored or {}):
                    if await self._client.blob_exists(wanted.repository, blob):
                        await self._client.delete_blob(wanted.repository, blob)

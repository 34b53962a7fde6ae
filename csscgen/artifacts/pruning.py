"""What a registry has and a plan does not, deleted: attachments too many, tags of no image, whole repositories.

Only what csscgen made is touched: tags in repositories of its naming, and attachments that are signatures or bear a
kind. Where the registry has no referrers API the list is written first, so that it never names what is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.images import base
from csscgen.artifacts.journal import Journal, opened
from csscgen.artifacts.listing import IMAGES, REFERRERS_TAG, REPOSITORIES, repositories
from csscgen.artifacts.targets import Target
from csscgen.artifacts.wanted import Wanted, ours, plan
from csscgen.concurrency import for_each
from workloads.naming import ImageSet


def surplus_of(wanted: Wanted, entries: Sequence[dict[str, Any]], signed_by: str = "") -> list[dict[str, Any]]:
    """The attachments that an image has beyond what is wanted, of each kind those that were listed last; signatures by
    others than ``signed_by`` (thumbprints), if that is said, all of them."""
    return [
        entry for kind, of_kind in ours(entries, signed_by).items() for entry in of_kind[wanted.counts.get(kind, 0) :]
    ]


async def prune_image(
    client: RegistryClient, wanted: Wanted, entries: Sequence[dict[str, Any]], signed_by: str
) -> list[dict[str, Any]]:
    """Delete the attachments that an image has beyond what is wanted; returns their entries in its list."""
    surplus = surplus_of(wanted, entries, signed_by)
    await detach(client, wanted.repository, wanted.digest, surplus, entries)
    return surplus


async def detach(
    client: RegistryClient,
    repository: str,
    digest: str,
    surplus: Sequence[dict[str, Any]],
    entries: Sequence[dict[str, Any]],
) -> None:
    """Delete some of the ``entries`` of the list of referrers of an image."""
    if not surplus:
        return
    gone = {entry["digest"] for entry in surplus}
    if not client.referrers_api:
        await client.put_referrers(repository, digest, [entry for entry in entries if entry["digest"] not in gone])
    for entry in gone:
        await client.delete_manifest(repository, entry)


@dataclass(frozen=True)
class PruneReport:
    """What was deleted, or would be."""

    images: int
    attachments: int
    repositories: list[str]
    """Those that anything was deleted in."""


async def prune(
    sets: Sequence[ImageSet],
    target: Target,
    *,
    waiter: Path,
    everything: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> PruneReport:
    """Delete what the repositories of ``sets`` have and the sets do not: tags, and attachments too many.

    With ``everything`` all images go that the registry has in repositories of csscgen's naming, and ``sets`` says
    nothing. ``on_progress`` gets how many repositories are done, of how many. Raises as :func:`csscgen.artifacts.
    seeder.seed` does.
    """
    shared = base(waiter)
    client = target.client()
    async with opened(target.journal, target.registry) as journal, client:
        kept: dict[str, ImageSet | None] = {images.repository: images for images in sets}
        if everything:
            kept = dict.fromkeys(await repositories(client, target))
        pruning = _Pruning(client, journal, dry_run)
        done = 0

        async def one(name: str) -> None:
            nonlocal done
            images = kept[name]
            await pruning.repository(name, list(plan(shared, [images])) if images else [])
            done += 1
            if on_progress is not None:
                on_progress(done, len(kept))

        await for_each(list(kept), one, REPOSITORIES)
    return PruneReport(pruning.images, pruning.attachments, sorted(pruning.touched))


class _Pruning:
    """Of one registry."""

    def __init__(self, client: RegistryClient, journal: Journal, dry_run: bool) -> None:
        self.images = self.attachments = 0
        self.touched: set[str] = set()
        self._client = client
        self._journal = journal
        self._dry_run = dry_run

    async def repository(self, name: str, kept: Sequence[Wanted]) -> None:
        """Delete what a repository has beside the images ``kept``, and beside what these are to have."""
        tags = await self._client.tags(name)
        wanted = {each.tag: each for each in kept}
        digests = {each.digest for each in kept}

        async def look(tag: str) -> None:
            if tag in wanted:
                await self._image(wanted[tag])
            elif not REFERRERS_TAG.fullmatch(tag):
                await self._tag(name, tag, digests)

        await for_each(tags or (), look, IMAGES)

    async def _image(self, wanted: Wanted) -> None:
        entries = await self._client.referrers(wanted.repository, wanted.digest)
        if surplus := surplus_of(wanted, entries):
            self.attachments += len(surplus)
            self.touched.add(wanted.repository)
            if not self._dry_run:
                self._journal.forget(wanted.repository, wanted.tag)
                await detach(self._client, wanted.repository, wanted.digest, surplus, entries)

    async def _tag(self, name: str, tag: str, kept: Collection[str]) -> None:
        """Delete an image and what csscgen attached to it; the tag alone, if it is another one's of an image kept."""
        digest = await self._client.head_manifest(name, tag)
        if digest is None:
            return
        self.images += 1
        self.touched.add(name)
        if digest in kept:
            if not self._dry_run:
                await self._client.delete_manifest(name, tag)
            return
        entries = await self._client.referrers(name, digest)
        made = [entry["digest"] for of_kind in ours(entries).values() for entry in of_kind]
        self.attachments += len(made)
        if self._dry_run:
            return
        self._journal.forget(name, tag)
        index = None if self._client.referrers_api else await self._client.head_manifest(name, digest.replace(":", "-"))
        for each in (index, *made, digest):
            if each is not None:
                await self._client.delete_manifest(name, each)

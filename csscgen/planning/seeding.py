"""What seeding sends to a registry, counted from csscgen/artifacts/{seeder,pushing,verifying}.py.

Per repository its tags are listed, and the blobs that its images share are brought: pushed to the first repository that
needs them, mounted from there in all others. Per image whose tag is not listed there is its manifest, per attachment a
blob and a manifest, and one list of them where the registry has no referrers API. Of images that the journal knows to
be complete nothing is sent. Then each image is asked for, with the list of what is attached to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from math import ceil

from csscgen.artifacts.negatives import RECIPES, attachments
from csscgen.planning.abilities import Abilities
from csscgen.planning.bodies import Bodies
from csscgen.planning.requests import Requests
from workloads.naming import ImageSet
from workloads.negatives import REFUSED_SIGNERS

CONCURRENCY = 128
"""Images at a time (csscgen/artifacts/client.py)."""
SINGLE_POST_LIMIT = 64 * 1024
"""Bytes of a blob beyond which it always takes two requests (csscgen/artifacts/client.py)."""

Counts = Mapping[str | None, int]
"""What is attached to an image, by kind."""


@dataclass(frozen=True)
class Seeding:
    """The preparation of a registry."""

    repositories: int
    images: int
    missing: int
    """Of the images."""
    attachments: int
    """Signatures, what negative images have in their place, and extra referrers."""
    signatures: int
    """Of the attachments that are missing: those that the genuine signer signs."""
    manifests: int
    """Of images and attachments, as far as they are missing."""
    bytes: int
    """That are pushed, headers not counted; of signatures an estimate."""
    pushing: Requests
    checking: Requests
    """After all is pushed."""

    @property
    def requests(self) -> Requests:
        """All of them."""
        return self.pushing + self.checking


def seeding(
    sets: Iterable[ImageSet], can: Abilities, bodies: Bodies, *, identities: int = 1, complete: int = 0
) -> Seeding:
    """A seeding of these sets by so many identities; the first ``complete`` images are there, and in the journal.

    The tokens of several identities are an estimate, as is what a repository costs of which a part is there: who asks
    for what is decided as it goes.
    """
    sets = list(dict.fromkeys(sets))
    blobs = _Blobs(can, bodies)
    parts = []
    for images in sets:
        there = min(complete, images.containers)
        complete -= there
        parts.append(_of_set(images, there, can, bodies, blobs, identities))
    first = {images.repository for images, _ in islice(((s, tag) for s in sets for tag in s.tags), CONCURRENCY)}
    # Whoever asks before the first answer is there does so without a token.
    refused = Requests(read_challenges=len(first)) if can.login else Requests()
    return Seeding(
        repositories=len(sets),
        images=sum(part.images for part in parts),
        missing=sum(part.missing for part in parts),
        attachments=sum(part.attachments for part in parts),
        signatures=sum(part.signatures for part in parts),
        manifests=sum(part.manifests for part in parts),
        bytes=sum(part.bytes for part in parts),
        pushing=sum((part.pushing for part in parts), refused),
        checking=sum((part.checking for part in parts), _in_vain(parts, can)),
    )


def _in_vain(parts: Sequence[Seeding], can: Abilities) -> Requests:
    """Lists that a check asks for before it knows that the registry has none: it does where one was pushed, or read."""
    images = sum(part.images for part in parts)
    pushed = any(part.manifests > part.missing for part in parts)
    if can.referrers_api or pushed:
        return Requests()
    read = any(part.attachments for part in parts)
    return Requests(list_referrers=min(images, CONCURRENCY) if read else images)


def _of_set(images: ImageSet, there: int, can: Abilities, bodies: Bodies, blobs: _Blobs, identities: int) -> Seeding:
    """The part of one set, whose first images are ``there``."""
    # Sets without extra referrers differ in their names alone.
    alike = images if images.extras else replace(images, shard=None)
    part = _of_images(alike, there, can, bodies)
    brought = blobs.bring(images, there > 0) if part.missing else _Brought()
    pushing = part.pushing + brought.requests + Requests(read=1)
    if can.login:
        asked = pushing.total + part.checking.total - sum(brought.mounts.values())
        # A token is good for a repository, or for that and the one that is mounted from.
        tokens = min(identities, asked) + sum(min(identities, number) for number in brought.mounts.values())
        pushing += Requests(oauth=tokens)
    return replace(part, bytes=part.bytes + brought.bytes, pushing=pushing)


@lru_cache(4096)
def _of_images(images: ImageSet, there: int, can: Abilities, bodies: Bodies) -> Seeding:
    """The images of a set by themselves, of which the first are ``there``."""
    all_of_it, lacking = _combinations(images, 0), _combinations(images, there)
    missing = images.containers - there
    return Seeding(
        repositories=1,
        images=images.containers,
        missing=missing,
        attachments=_number(all_of_it),
        signatures=_number(lacking, signed=True),
        manifests=missing + _number(lacking),
        bytes=sum(bodies.image(images, counts, can) * number for counts, number in lacking),
        pushing=sum((_pushed(images, counts, can).times(number) for counts, number in lacking), Requests()),
        checking=sum((_checked(counts, can).times(number) for counts, number in all_of_it), Requests()),
    )


def _combinations(images: ImageSet, there: int) -> list[tuple[Counts, int]]:
    """What is attached to the images of a set but for the first, and to how many of them it is that."""
    if not images.extras:
        tags = images.tags[:1]
        return [(attachments(images, tag), images.containers - there) for tag in tags if images.containers > there]
    found = Counter(tuple(attachments(images, tag).items()) for tag in images.tags[there:])
    return [(dict(counts), number) for counts, number in found.items()]


def _number(combinations: Sequence[tuple[Counts, int]], *, signed: bool = False) -> int:
    """Attachments; of the genuine signer alone, if ``signed``."""
    return sum(
        count * number
        for counts, number in combinations
        for kind, count in counts.items()
        if not signed or (kind in RECIPES and kind != "sbom" and kind not in REFUSED_SIGNERS)
    )


def _pushed(images: ImageSet, counts: Counts, can: Abilities) -> Requests:
    """What an image takes that is not there."""
    requests = Requests(write=1 + int(bool(counts) and not can.referrers_api))
    for kind, count in counts.items():
        extra = images.extra(kind)
        each = Requests(
            write=_blob(extra.size if extra else 0, can) + 1,
            delete=int(kind in RECIPES and RECIPES[kind].blob_deleted),
        )
        requests += each.times(count)
    return requests


def _checked(counts: Counts, can: Abilities) -> Requests:
    """What an image takes to be checked: without the referrers API its list is a manifest."""
    if can.referrers_api:
        return Requests(read=1, list_referrers=max(1, ceil(sum(counts.values()) / can.referrers_page)))
    return Requests(read=2)


def _blob(size: int, can: Abilities) -> int:
    return 1 if can.whole_blobs and size <= SINGLE_POST_LIMIT else 2


@dataclass
class _Brought:
    """What it took to have the shared blobs in a repository."""

    requests: Requests = field(default_factory=Requests)
    bytes: int = 0
    mounts: Counter[str] = field(default_factory=Counter)
    """By the repository that is mounted from."""


class _Blobs:
    """The blobs that images share, as they come to one repository after the other."""

    def __init__(self, can: Abilities, bodies: Bodies) -> None:
        self._can = can
        self._bodies = bodies
        self._sources: dict[str, str] = {}
        self._mounts = True
        """Whether the registry mounts blobs, as far as was tried."""

    def bring(self, images: ImageSet, there: bool) -> _Brought:
        """Into the repository of a set; ``there`` says that it has the blobs already."""
        brought = _Brought()
        for name, size in self._bodies.shared.items():
            source = self._sources.setdefault(name, images.repository)
            if there:
                brought.requests += Requests(read=1)
                continue
            if source != images.repository and self._mounts:
                brought.requests += Requests(write=1)
                brought.mounts[source] += 1
                self._mounts = self._can.mounts
                if self._mounts:
                    continue
            brought.requests += Requests(write=_blob(size, self._can))
            brought.bytes += size
        return brought

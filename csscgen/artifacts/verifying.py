"""What a registry holds against what it should: shortly after a seeding, or to the last blob.

A load on images that are not all there measures the errors of the preparation, so whatever is missing is named. Too
many signatures are as wrong as too few, because a figure of N signatures per image would be one of another number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from csscgen.artifacts.client import CONCURRENCY, PATIENCE, RegistryClient
from csscgen.artifacts.images import base
from csscgen.artifacts.journal import Journal
from csscgen.artifacts.pushing import Blobs
from csscgen.artifacts.reading import as_attachment, blobs_of
from csscgen.artifacts.signing import SIGNATURE_TYPE
from csscgen.artifacts.targets import Target
from csscgen.artifacts.wanted import FOREIGN, Wanted, kind, lacks_blob, ours, plan, told
from csscgen.concurrency import for_each, in_lanes
from workloads.naming import ImageSet

MOST_PROBLEMS = 10
"""How many problems a message names before it counts the rest."""
VERIFYING_LANES = 4
"""Attachments of one image that are read at a time."""


class Problem(NamedTuple):
    """Something that is not as it should be."""

    text: str
    lacking: bool
    """Whether pushing can mend it: something is missing, and not too much."""


@dataclass(frozen=True)
class Held:
    """What was found of an image."""

    signatures: int
    attachments: int
    problems: list[Problem]


async def check(client: RegistryClient, wanted: Wanted, journal: Journal, signed_by: str) -> Held:
    """Whether an image is there with its attachments, by the digests that were pushed and signed by ``signed_by``
    (thumbprints): two requests."""
    name, digest = wanted.repository, await client.head_manifest(wanted.repository, wanted.tag)
    if digest != wanted.digest:  # some registries say no digest
        stored = await client.get_manifest(name, wanted.tag)
        digest = stored.descriptor.digest if stored else None
    if digest != wanted.digest:
        return Held(0, 0, [_other_image(wanted, digest)])
    entries = await client.referrers(name, wanted.digest)
    found = ours(entries, signed_by)
    counts = {kind: len(of_kind) for kind, of_kind in found.items()}
    if FOREIGN in found:  # which are to go before others come
        counts = {**wanted.counts, FOREIGN: counts[FOREIGN]}
    problems = list(_miscounted(wanted, counts))
    digests = [entry["digest"] for of_kind in found.values() for entry in of_kind]
    if not problems and not journal.attached(name, wanted.tag, digests):
        problems.append(Problem(f"{wanted.name}: its attachments are not those that were pushed", lacking=True))
    return Held(_signatures(entries), len(digests), problems)


@dataclass(frozen=True)
class Verification:
    """What a registry holds of a plan."""

    images: int
    signatures: int
    attachments: int
    """Signatures, and whatever else csscgen attaches."""
    problems: list[str]


@dataclass(frozen=True)
class VerifyProgress:
    """How far a verification is, told after each image."""

    done: int
    images: int
    problems: int


async def verify(
    sets: Sequence[ImageSet],
    target: Target,
    *,
    waiter: Path,
    concurrency: int = CONCURRENCY,
    patience: float = PATIENCE,
    on_progress: Callable[[VerifyProgress], None] | None = None,
) -> Verification:
    """Read all that a registry should hold of ``sets``: images, attachments, their blobs. Changes nothing.

    Raises UsageError if the registry is not to be asked or the binary of the images cannot be read; RegistryError if
    the registry fails. What is not as it should be is in the result.
    """
    shared, sets = base(waiter), list(dict.fromkeys(sets))
    total = sum(images.containers for images in sets)
    client = target.client(concurrency=concurrency, patience=patience)
    done = signatures = attached = 0
    problems: list[str] = []

    async def blobs(images: ImageSet) -> None:
        for blob in Blobs(client, shared).all:
            if not await client.blob_exists(images.repository, blob.descriptor.digest):
                problems.append(f"{images.repository}: the blob {blob.descriptor.digest} is missing")

    async def read(wanted: Wanted) -> None:
        nonlocal done, signatures, attached
        held = await _read(client, wanted)
        problems.extend(problem.text for problem in held.problems)
        done, signatures, attached = done + 1, signatures + held.signatures, attached + held.attachments
        if on_progress is not None:
            on_progress(VerifyProgress(done, total, len(problems)))

    async with client:
        await for_each(sets, blobs, concurrency)
        await for_each(plan(shared, sets), read, concurrency)
    return Verification(total, signatures, attached, problems)


async def _read(client: RegistryClient, wanted: Wanted) -> Held:
    stored = await client.get_manifest(wanted.repository, wanted.tag)
    if stored is None or stored.descriptor.digest != wanted.digest:
        return Held(0, 0, [_other_image(wanted, stored.descriptor.digest if stored else None)])
    entries = await client.referrers(wanted.repository, wanted.digest)
    digests = [entry["digest"] for of_kind in ours(entries).values() for entry in of_kind]
    problems: list[Problem] = []

    async def attachment(digest: str) -> str | None:
        return await _read_attachment(client, wanted, digest, problems)

    found = Counter(await in_lanes(digests, attachment, VERIFYING_LANES))
    problems += _miscounted(wanted, found)
    return Held(_signatures(entries), len(digests), problems)


async def _read_attachment(client: RegistryClient, wanted: Wanted, digest: str, problems: list[Problem]) -> str | None:
    """What kind of attachment is there; what is wrong with it goes to ``problems``."""

    def wrong(what: str) -> None:
        problems.append(Problem(f"{wanted.name}: {what}", lacking=True))

    stored = await client.get_manifest(wanted.repository, digest)
    if stored is None or stored.descriptor.digest != digest:
        wrong(f"{digest} is listed, and its manifest is missing")
        return None
    manifest = as_attachment(stored.data)
    if manifest is None:
        wrong(f"{digest} is listed, and is no attachment")
        return None
    of = kind(manifest)
    name = f"{'the signature' if of is None else f'the attachment of kind {of},'} {digest}"
    if manifest["subject"]["digest"] != wanted.digest:
        wrong(f"{name} is of another image")
    lacks = lacks_blob(of)
    for blob in blobs_of(manifest):
        if await client.blob_exists(wanted.repository, blob) == lacks:
            wrong(f"{name} {'still has' if lacks else 'lacks'} its blob {blob}")
    return of


def listed(problems: Sequence[str]) -> str:
    """Problems as the lines of a message, the first of them and how many more there are."""
    lines = [f"  - {problem}" for problem in problems[:MOST_PROBLEMS]]
    if (more := len(problems) - MOST_PROBLEMS) > 0:
        lines.append(f"  - and {more} more")
    return "\n".join(lines)


def _other_image(wanted: Wanted, digest: str | None) -> Problem:
    if digest is None:
        return Problem(f"{wanted.name}: the image is missing", lacking=True)
    return Problem(f"{wanted.name}: the image is {digest}, not {wanted.digest}", lacking=True)


def _miscounted(wanted: Wanted, found: Mapping[str | None, int]) -> Iterator[Problem]:
    for each in {**wanted.counts, **found}:
        has, needs = found.get(each, 0), wanted.counts.get(each, 0)
        if has != needs:
            text = f"{wanted.name}: the image has {has} {told(each)} instead of {needs}"
            yield Problem(text, lacking=has < needs)


def _signatures(entries: Sequence[Mapping[str, Any]]) -> int:
    return sum(entry.get("artifactType") == SIGNATURE_TYPE for entry in entries)

"""Seeding: bring the images of a plan and what is attached to them into a registry, and prove it.

What is there is found by asking the registry, or in the journal of what it has acknowledged; what is missing is added,
and nothing is deleted but the blobs that some negative images are to lack. So a second seeding pushes nothing, and one
that was cut off is completed by the next. Images come from the plan one at a time and nothing is kept of them but two
fingerprints: memory does not grow with what is attached to them, and the cost of an image not with their number.

In the end every image is asked for, with the list of what is attached to it. What is found wanting is pushed once more,
by what the registry says and not the journal; if it is wanting still, that is an error which names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from csscgen.artifacts.client import CONCURRENCY, PATIENCE, RegistryClient
from csscgen.artifacts.images import Base, base
from csscgen.artifacts.journal import Journal, opened
from csscgen.artifacts.pushing import Blobs, Pusher, Repository, Signing
from csscgen.artifacts.signing import Signer
from csscgen.artifacts.targets import Target
from csscgen.artifacts.verifying import Problem, check, listed
from csscgen.artifacts.wanted import Wanted, plan
from csscgen.concurrency import for_each
from workloads.errors import RegistryError
from workloads.naming import ImageSet
from workloads.referrers import most_bytes

SIGNING_THREADS = 8
"""Signatures at a time where another machine makes them: as many as the connections that its client keeps."""

EXTRAS_HELD = 256_000_000
"""Bytes of extra referrers that are held at a time: of an image all are made before the first is pushed."""

Stage = Literal["wait", "push", "check"]


@dataclass(frozen=True)
class SeedReport:
    """What a seeding did."""

    images: int
    signatures: int
    """Signatures of every kind that the registry lists; what else may be attached to an image is not counted."""
    manifests_per_s: float
    """Manifests pushed per second of pushing; 0 if there was nothing to push."""
    requests: int
    """Requests that were sent, repetitions included."""
    retries: int
    throttled: int
    pushed: int
    """Manifests of images and attachments that were missing."""
    present: int
    """Manifests of images and attachments that were there before."""
    pruned: int
    """Attachments that were too many, and were deleted."""
    seconds: float
    """Pushing and checking together."""


@dataclass(frozen=True)
class SeedProgress:
    """How far a seeding is, told after each image, and now and then while another seeding is waited for."""

    stage: Stage
    done: int
    images: int
    pushed: int
    present: int
    throttled: int


async def seed(
    sets: Sequence[ImageSet],
    target: Target,
    *,
    signer: Signer,
    refused: Mapping[str, Signer] = MappingProxyType({}),
    waiter: Path,
    concurrency: int = CONCURRENCY,
    patience: float = PATIENCE,
    prune: bool = False,
    on_progress: Callable[[SeedProgress], None] | None = None,
) -> SeedReport:
    """Make the registry of ``target`` hold the images of ``sets``, each with the attachments its set asks for.

    ``waiter`` is the binary that the images run. ``concurrency`` is in requests, ``patience`` the seconds that one
    request waits in all for a registry that answers 429. ``refused`` has the signers of the kinds of negative images
    that have one of their own (``REFUSED_SIGNERS``). ``prune`` deletes attachments that an image has too many.

    Raises UsageError before anything is touched if the registry is not to be loaded, or the binary or the journal
    cannot be used; RegistryError if the registry fails, or does not hold in the end what it should; SeedError if the
    journal cannot be written any more.
    """
    shared = base(waiter)
    client = target.client(concurrency=concurrency, patience=patience)
    started = time.monotonic()
    threads = ThreadPoolExecutor(SIGNING_THREADS, "signing")

    def wait() -> None:
        if on_progress is not None:
            on_progress(SeedProgress("wait", 0, 0, 0, 0, 0))

    try:
        async with opened(target.journal, target.registry, wait) as journal, client:
            signing = Signing(signer, refused, shared, threads)
            heaviest = max([1, *(most_bytes(images.extras) for images in sets)])
            workers = min(concurrency, max(1, EXTRAS_HELD // heaviest))
            seeding = _Seeding(client, journal, signing, shared, list(dict.fromkeys(sets)), workers, on_progress)
            await seeding.run(prune)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    pusher, traffic = seeding.pusher, client.traffic
    return SeedReport(
        images=seeding.images,
        signatures=seeding.signatures,
        manifests_per_s=pusher.pushed / seeding.pushing if pusher.pushed else 0.0,
        requests=traffic.requests,
        retries=traffic.retries,
        throttled=traffic.throttled,
        pushed=pusher.pushed,
        present=pusher.present,
        pruned=pusher.pruned,
        seconds=time.monotonic() - started,
    )


class _Seeding:
    """One seeding of one registry: push, check, and both again for what was found wanting."""

    def __init__(
        self,
        client: RegistryClient,
        journal: Journal,
        signing: Signing,
        shared: Base,
        sets: Sequence[ImageSet],
        concurrency: int,
        on_progress: Callable[[SeedProgress], None] | None,
    ) -> None:
        self.images = sum(each.containers for each in sets)
        self.signatures = 0
        self.pushing = 0.0
        """Seconds."""
        self._client = client
        self._journal = journal
        self._signing = signing
        self._shared = shared
        self._sets = sets
        self._concurrency = concurrency
        self._on_progress = on_progress
        self._blobs = Blobs(client, shared)
        self._stage: Stage = "push"
        self._done = self._expected = 0

    async def run(self, prune: bool) -> None:
        """Raises RegistryError with what is missing or too much in the end."""
        # Few images are no reason to have few requests on their way: then those of one image are, side by side.
        lanes = max(1, self._concurrency // max(1, self.images))
        self.pusher = Pusher(self._client, self._journal, self._signing, lanes=lanes, prune=prune, tell=self._tell)
        await self._push(plan(self._shared, self._sets), self.images)
        wanting, problems = await self._check(
            plan(self._shared, self._sets), self.images, lambda problem: problem.lacking or prune
        )
        if wanting:
            await self._push(self._some(wanting), len(wanting), known=False)
            _, again = await self._check(self._some(wanting), len(wanting), lambda _: False)
            problems += again
        if problems:
            raise RegistryError(
                f"The registry {self._client.registry} does not hold what was seeded:\n{listed(problems)}\n"
                "What is missing was pushed twice, and the registry did not keep it. What is too much, or signed by "
                "another certificate, is deleted with --prune. Negative images that have genuine signatures stay so "
                "without it: ask for them with scenario.restored=on."
            )

    async def _push(self, images: Iterable[Wanted], count: int, *, known: bool = True) -> None:
        started = time.monotonic()
        self._begin("push", count)

        async def push(item: tuple[Wanted, Repository]) -> None:
            await self.pusher.push(*item)

        await for_each(self._in_repositories(images, known), push, self._concurrency)
        self.pushing += time.monotonic() - started

    async def _check(
        self, images: Iterable[Wanted], count: int, mendable: Callable[[Problem], bool]
    ) -> tuple[set[tuple[str, str]], list[str]]:
        """Repository and tag of the images with something to mend, and what is wrong with the others."""
        self._begin("check", count)
        wanting: set[tuple[str, str]] = set()
        problems: list[str] = []

        async def look(wanted: Wanted) -> None:
            held = await check(self._client, wanted, self._journal, self._signing.signed_by)
            if any(mendable(problem) for problem in held.problems):
                wanting.add((wanted.repository, wanted.tag))
            else:
                problems.extend(problem.text for problem in held.problems)
                self.signatures += held.signatures
            self._tell()

        await for_each(images, look, self._concurrency)
        return wanting, problems

    def _in_repositories(self, images: Iterable[Wanted], known: bool) -> Iterator[tuple[Wanted, Repository]]:
        """The images, each with what is known of its repository, which is forgotten with the last of them."""
        repository: Repository | None = None
        for wanted in images:
            if repository is None or wanted.repository != repository.name:
                repository = Repository(self._client, self._journal, self._blobs, wanted.repository, known=known)
            yield wanted, repository

    def _some(self, names: set[tuple[str, str]]) -> Iterator[Wanted]:
        return (each for each in plan(self._shared, self._sets) if (each.repository, each.tag) in names)

    def _begin(self, stage: Stage, images: int) -> None:
        self._stage, self._done, self._expected = stage, 0, images

    def _tell(self) -> None:
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(
                SeedProgress(
                    self._stage,
                    self._done,
                    self._expected,
                    self.pusher.pushed,
                    self.pusher.present,
                    self._client.traffic.throttled,
                )
            )

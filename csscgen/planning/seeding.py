"""What seeding sends to the registry, counted from csscgen/artifacts/seeder.py for a registry that has none of it.

Writes: the blobs that the images of a repository share, a manifest per image, and per attachment a blob and a manifest.
A blob takes one request where the registry takes it whole and it is small, which the emulator does, else two; ACR is
taken to want two. Reads: each of these is asked for before it is pushed, as far as it has a name, and read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from csscgen.artifacts.negatives import RECIPES, attachments
from csscgen.planning.data import limits, model
from csscgen.planning.requests import Requests
from infra.settings import Settings


@dataclass(frozen=True)
class Seeding:
    """The preparation of a registry."""

    images: int
    attachments: int
    manifests: int
    requests: Requests
    unhindered_seconds: float
    """Where nothing throttles: a guess for ACR."""


def seeding(settings: Settings, shared: Settings) -> Seeding:
    """What a seeding of an empty registry takes."""
    blob = 1 if shared.registry_kind == "emulator" else 2
    total = Requests()
    images = attached = 0
    for each in settings.plan.image_sets:
        counts = attachments(each, each.tags[0])
        count = sum(counts.values())
        deleted = sum(n for kind, n in counts.items() if RECIPES[kind].blob_deleted)
        blobs = 3 if each.signatures else 2
        small = blobs - 1  # all but the layer
        of_repository = Requests(read=2 * blobs, write=small * blob + 2)
        fallback = bool(count) and not _lists_referrers(shared)
        listings = 1 + (max(1, ceil(count / _page(shared))) if count and not fallback else 0)
        of_image = Requests(
            # To push: the tag; to read back: the image, and each attachment's manifest and blob. Where a blob has to be
            # lacking, its manifest is read and the blob looked for once more.
            read=2 + 2 * count + 2 * deleted + (2 if fallback else 0),
            write=1 + count * (blob + 1) + int(fallback),
            list_referrers=listings,
            delete=deleted,
        )
        total += of_repository + of_image.times(each.containers)
        images += each.containers
        attached += count * each.containers
    if _wants_login(shared):
        # The first request is refused, and a token is good for a whole repository.
        total += Requests(oauth=len(settings.plan.image_sets), read_challenges=1)
    manifests = images + attached
    seconds = manifests / model().manifests_per_second
    if shared.registry_kind == "acr":
        seconds = max(seconds, attached / limits().vault_signatures_per_second)
    return Seeding(images, attached, manifests, total, seconds)


def _page(shared: Settings) -> int:
    """Referrers on a page; of ACR's nothing is published, and the lists are short."""
    return shared.registry.referrersPage if shared.registry_kind == "emulator" else 100


def _lists_referrers(shared: Settings) -> bool:
    return shared.registry_kind != "distribution" and (
        shared.registry_kind != "emulator" or shared.registry.referrersApi
    )


def _wants_login(shared: Settings) -> bool:
    if shared.registry_kind == "existing":
        return shared.registry.credentials is not None
    return shared.registry_kind == "acr" or (shared.registry_kind == "emulator" and shared.registry.login)

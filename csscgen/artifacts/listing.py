"""What a registry has of csscgen's naming: repositories, their images, what is attached to them, and bytes.

The names come from the registry's catalog, or from the journal of what was seeded where the registry does not tell
them. Everything else is read from the registry: a list of tags for each repository, and for each image its manifest,
its list of referrers and their manifests.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.descriptors import Content
from csscgen.artifacts.journal import lines
from csscgen.artifacts.targets import Target
from csscgen.artifacts.wanted import kind, ours
from csscgen.concurrency import for_each
from workloads.errors import RegistryError

NAME = re.compile(r"[0-9]+-containers-[0-9]+-referrers(-[a-z0-9-]+)?")
"""A repository of csscgen's naming (workloads/naming.py)."""
REFERRERS_TAG = re.compile(r"sha(256|512)-[0-9a-f]{64,128}")
"""The tag of a list of referrers, which is no image (distribution spec 1.1, referrers tag schema)."""
SIGNATURES = "signature"
"""How genuine signatures are called among the kinds of attachments."""
REPOSITORIES, IMAGES = 8, 8
"""Repositories at a time, and images of each."""


@dataclass
class Holding:
    """What one repository has."""

    registry: str
    repository: str
    images: int = 0
    attachments: dict[str, int] = field(default_factory=dict)
    """By kind."""
    bytes: int = 0
    """Of manifests and blobs, those that images share once."""


async def repositories(client: RegistryClient, target: Target) -> list[str]:
    """The repositories of csscgen's naming, in order. Raises RegistryError if nobody knows them."""
    names = await client.repositories()
    if names is None:
        names = [line["repository"] for line in lines(target.journal)] if target.journal else []
        if not names:
            raise RegistryError(
                f"The registry {target.registry} does not tell which repositories it has, or cannot be reached, and no "
                "journal knows of any. Name images that it should have: `csscgen artifacts verify`."
            )
    return sorted({name for name in names if NAME.fullmatch(name)})


async def holdings(target: Target, on_progress: Callable[[int, int], None] | None = None) -> list[Holding]:
    """What the registry has, by repository. ``on_progress`` gets how many repositories are done, of how many.

    Raises UsageError if the registry is not to be asked, RegistryError if it fails.
    """
    async with target.client() as client:
        found = {name: Holding(target.registry, name) for name in await repositories(client, target)}
        done = 0

        async def one(holding: Holding) -> None:
            nonlocal done
            await _take_in(client, holding)
            done += 1
            if on_progress is not None:
                on_progress(done, len(found))

        await for_each(list(found.values()), one, REPOSITORIES)
    return [holding for holding in found.values() if holding.images]


async def _take_in(client: RegistryClient, holding: Holding) -> None:
    shared: dict[str, int] = {}
    """Bytes of what the manifests of images refer to, by digest."""

    async def image(tag: str) -> None:
        manifest = await client.get_manifest(holding.repository, tag)
        if manifest is None:
            return
        holding.images += 1
        holding.bytes += manifest.descriptor.size
        shared.update(_parts(manifest))
        entries = await client.referrers(holding.repository, manifest.descriptor.digest)
        for entry in (entry for of_kind in ours(entries).values() for entry in of_kind):
            of = kind(entry) or SIGNATURES
            holding.attachments[of] = holding.attachments.get(of, 0) + 1
            attached = await client.get_manifest(holding.repository, entry["digest"])
            if attached is not None:
                holding.bytes += attached.descriptor.size + sum(_parts(attached).values())

    tags = await client.tags(holding.repository)
    await for_each([tag for tag in tags or () if not REFERRERS_TAG.fullmatch(tag)], image, IMAGES)
    holding.bytes += sum(shared.values())


def _parts(manifest: Content) -> dict[str, int]:
    """Digest and size of the config and layers that a manifest refers to; of one that is none, nothing."""
    try:
        document = orjson.loads(manifest.data)
        return {part["digest"]: int(part["size"]) for part in [document["config"], *document["layers"]]}
    except (ValueError, LookupError, TypeError):
        return {}

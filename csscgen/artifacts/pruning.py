"""What a registry has and a plan does not, deleted: attachments too many, tags of no image, whole repositories.

Only what csscgen made is touched: tags in repositories of its naming, and attachments that are signatures or bear a
kind. Where the registry has no referrers API the list is written first, so that it never names what is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.wanted import Wanted, ours


def surplus_of(wanted: Wanted, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The attachments that an image has beyond what is wanted, of each kind those that were listed last."""
    return [entry for kind, of_kind in ours(entries).items() for entry in of_kind[wanted.counts.get(kind, 0) :]]


async def prune_image(
    client: RegistryClient, wanted: Wanted, entries: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Delete the attachments that an image has beyond what is wanted; returns their entries in its list."""
    surplus = surplus_of(wanted, entries)
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

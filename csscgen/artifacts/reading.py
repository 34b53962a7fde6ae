"""The manifest of what is attached to an image, as it is read from a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from analysis.shapes import entries, items, maybe, text, values
from csscgen.artifacts.client import RegistryClient

ATTACHMENT = entries(
    {"subject": entries({"digest": text}), "layers": items(entries({"digest": text}))},
    {"annotations": maybe(values(text))},
)
"""The form of the manifest of an attachment, so far as it is relied on."""


async def read_attachment(client: RegistryClient, repository: str, digest: str) -> dict[str, Any] | None:
    """The manifest of an attachment; None if there is none, or it is not what its digest says."""
    stored = await client.get_manifest(repository, digest)
    if stored is None or stored.descriptor.digest != digest:
        return None
    return as_attachment(stored.data)


def as_attachment(data: bytes) -> dict[str, Any] | None:
    """The manifest of an attachment from its bytes; None if it is none, whose digest may be right all the same."""
    try:
        manifest = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return manifest if ATTACHMENT(manifest) is None else None


def blobs_of(manifest: Mapping[str, Any]) -> list[str]:
    """The digests of what the manifest of an attachment refers to, but for the config that they all have."""
    return [layer["digest"] for layer in manifest.get("layers") or ()]

"""The images of a plan, one at a time, and how what is attached to them is told apart.

What is attached bears its kind as an annotation of its manifest, or is a genuine signature by its artifact type; what
somebody else attached is neither, and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from csscgen.artifacts.descriptors import Content
from csscgen.artifacts.images import Base, image
from csscgen.artifacts.negatives import KIND, RECIPES, attachments
from csscgen.artifacts.signing import SIGNATURE_TYPE, THUMBPRINTS
from workloads.naming import ImageSet

FOREIGN = "foreign"
"""The kind of a signature by another certificate than the one that signs: no image is to have any."""


@dataclass(frozen=True)
class Wanted:
    """An image of a plan."""

    images: ImageSet
    repository: str
    tag: str
    original: Content
    """Its manifest before it was changed, if it is of a kind for which it is."""
    manifest: Content

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def digest(self) -> str:
        return self.manifest.descriptor.digest

    @cached_property
    def counts(self) -> dict[str | None, int]:
        """How many attachments it is to have, by kind; None is a genuine signature."""
        return {kind: count for kind, count in attachments(self.images, self.tag).items() if count}


def plan(shared: Base, sets: Sequence[ImageSet]) -> Iterator[Wanted]:
    """Every image of the sets, made as it is asked for."""
    for images in sets:
        repository, change = images.repository, RECIPES[images.variant].change
        for tag in images.tags:
            original = image(shared, images, tag)
            yield Wanted(images, repository, tag, original, change(original))


def ours(entries: Sequence[dict[str, Any]], signed_by: str = "") -> dict[str | None, list[dict[str, Any]]]:
    """The entries of a list of referrers that are signatures, or were made here, by kind and in their order.

    ``signed_by`` has the thumbprints of whoever signs: a signature that names others is FOREIGN.
    """
    found: dict[str | None, list[dict[str, Any]]] = {}
    for entry in entries:
        known = kind(entry)
        if known is None:
            if entry.get("artifactType") != SIGNATURE_TYPE:
                continue
            named = (entry.get("annotations") or {}).get(THUMBPRINTS, signed_by)
            known = FOREIGN if signed_by and named != signed_by else None
        found.setdefault(known, []).append(entry)
    return found


def kind(document: Mapping[str, Any]) -> str | None:
    """The kind of an attachment, by its manifest or its entry in a list of referrers; None is a genuine signature."""
    return (document.get("annotations") or {}).get(KIND)


def lacks_blob(of: str | None) -> bool:
    """Whether the blob of an attachment of a kind is not to be there."""
    return of in RECIPES and RECIPES[of].blob_deleted


def told(of: str | None) -> str:
    """Attachments of a kind, in words."""
    if of == FOREIGN:
        return "signatures by another certificate than the one that signs"
    return "signatures" if of is None else f"attachments of kind {of}"

"""How many bytes what is pushed has: of images and extra referrers as they are made, of signatures as was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from orjson import dumps

from csscgen.artifacts.descriptors import (
    EMPTY_CONFIG,
    IMAGE_CONFIG,
    IMAGE_LAYER,
    Attachment,
    Content,
    Descriptor,
    referrer,
)
from csscgen.artifacts.extras import OCTETS
from csscgen.artifacts.images import Base, image
from csscgen.artifacts.negatives import KIND, RECIPES
from csscgen.planning.abilities import Abilities
from csscgen.planning.data import model
from infra.settings import Signing
from workloads.naming import ImageSet
from workloads.referrers import SBOM_TYPES

_DIGEST = f"sha256:{'0' * 64}"


@dataclass(frozen=True)
class Bodies:
    """The sizes of what is pushed, in bytes, with the signatures that these settings make."""

    signing: Signing = field(default_factory=Signing)

    @property
    def shared(self) -> Mapping[str, int]:
        """The blobs that every repository has."""
        empty = EMPTY_CONFIG.descriptor.size
        return {"config": model().config_bytes, "layer": model().layer_bytes, "empty": empty}

    def image(self, images: ImageSet, counts: Mapping[str | None, int], can: Abilities) -> int:
        """An image of a set and what is attached to it."""
        tag = images.tags[-1]
        manifest = RECIPES[images.variant].change(image(_base(), images, tag))
        total, entries = manifest.descriptor.size, 0
        for kind, count in counts.items():
            each, entry = self._attached(images, kind, manifest.descriptor)
            total += each * count
            entries += (entry + 1) * count
        return total + (entries + model().index_bytes if counts and not can.referrers_api else 0)

    def _attached(self, images: ImageSet, kind: str | None, subject: Descriptor) -> tuple[int, int]:
        """Blob and manifest of an attachment, and its entry in a list of referrers."""
        extra = images.extra(kind)
        if extra is None:
            form = f"{self.signing.envelope}_chain" if self.signing.intermediate else self.signing.envelope
            return model().signature_bytes[form][self.signing.algorithm], model().entry_bytes
        media_type = extra.artifact_type if extra.artifact_type in SBOM_TYPES else OCTETS
        blob = Content(Descriptor(media_type, _DIGEST, extra.size), b"")
        made = Attachment(extra.artifact_type, blob, subject, {KIND: str(kind)}).manifest
        return extra.size + made.descriptor.size, len(dumps(referrer(made)))


@cache
def _base() -> Base:
    """What all images share, by its sizes alone."""
    sizes = {IMAGE_CONFIG: model().config_bytes, IMAGE_LAYER: model().layer_bytes}
    config, layer = (Content(Descriptor(media_type, _DIGEST, size), b"") for media_type, size in sizes.items())
    return Base(config, layer)

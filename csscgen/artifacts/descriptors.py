"""OCI content descriptors: what points at a blob or manifest by media type, digest and size.

Digests are of the bytes as they are pushed, so JSON is serialised here once and never again on its
way (OCI image specification 1.1, "Content Descriptors"). Each signature makes two of each, so they are named tuples,
which are made in half the time of a frozen dataclass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
IMAGE_INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
IMAGE_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
CREATED = "org.opencontainers.image.created"


class Descriptor(NamedTuple):
    """A pointer to content in a registry."""

    media_type: str
    digest: str
    """``sha256:`` and 64 hexadecimal digits."""
    size: int
    """In bytes."""

    def as_json(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class Content(NamedTuple):
    """Bytes to push, with the descriptor that others refer to them by."""

    descriptor: Descriptor
    data: bytes

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Content:
        return cls(Descriptor(media_type, sha256(data), len(data)), data)

    @classmethod
    def of_json(cls, media_type: str, document: Mapping[str, Any]) -> Content:
        """JSON in its shortest form, keys in the order given: the same document, the same digest."""
        return cls.of(media_type, orjson.dumps(document))


def sha256(data: bytes) -> str:
    """The digest of ``data`` in the form that registries use."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


EMPTY_CONFIG = Content.of(EMPTY, b"{}")
"""The config of an artifact that has none (image specification, "Guidance for an Empty Descriptor")."""


_EMPTY_CONFIG = EMPTY_CONFIG.descriptor.as_json()


@dataclass(eq=False)
class Attachment:
    """A blob that is attached to an image, such as a signature, ready to push: a referrer of the image."""

    artifact_type: str
    blob: Content
    subject: Descriptor
    """The image's manifest."""
    annotations: dict[str, str]
    manifest: Content = field(init=False)
    """What refers to the blob and names the subject (image specification, "Guidelines for Artifact Usage")."""

    def __post_init__(self) -> None:
        document = {
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "artifactType": self.artifact_type,
            "config": _EMPTY_CONFIG,
            "layers": [self.blob.descriptor.as_json()],
            "subject": self.subject.as_json(),
            "annotations": self.annotations,
        }
        self.manifest = Content.of_json(IMAGE_MANIFEST, document)


def referrer(manifest: Content) -> dict[str, Any]:
    """The entry of a manifest in the list of its subject's referrers (distribution spec 1.1)."""
    document = orjson.loads(manifest.data)
    return {
        **manifest.descriptor.as_json(),
        "artifactType": document["artifactType"],
        "annotations": document["annotations"],
    }

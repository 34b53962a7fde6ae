"""What is attached to images: signatures, what negative images have in their place, and extra referrers.

The kinds of negative images and their meaning are in workloads/negatives.py; here each has an entry that says what it
takes: what is changed in the image, who signs what, and what is done to it afterwards. Extra referrers are made by
csscgen/artifacts/extras.py. What is attached bears its kind as an annotation of its manifest, so that a later seeding
tells it from a genuine signature without reading envelopes. Verifiers do not look at such annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson

from csscgen.artifacts.descriptors import CREATED, Attachment, Content, Descriptor
from csscgen.artifacts.envelopes import rfc3339, tampered
from csscgen.artifacts.extras import extra, kinds
from workloads.naming import ImageSet

if TYPE_CHECKING:  # it loads cryptography, and a plan counts what is attached without it
    from csscgen.artifacts.signing import Signer

KIND = "ratify-perf/kind"
"""The annotation with the kind."""
SBOM_TYPE = "application/spdx+json"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Material:
    """What an attachment of an image is made of."""

    signer: Signer
    """The genuine one."""
    refused: Mapping[str, Signer]
    """Signers whose signatures are to be refused, by the kind that they sign."""
    images: ImageSet
    tag: str
    """Of the image, in its set."""
    subject: Descriptor
    """The image as it is in the registry."""
    original: Descriptor
    """The image as it was before it was changed."""
    genuine: Descriptor
    """The genuine image of the same tag."""
    at: datetime


Make = Callable[[Material], Attachment]


def _genuine(material: Material) -> Attachment:
    return material.signer.sign(material.subject, material.at)


def _by(kind: str) -> Make:
    """A signature by one of the refused signers."""
    return lambda material: material.refused[kind].sign(material.subject, material.at)


def _of(signed: Callable[[Material], Descriptor]) -> Make:
    """A genuine signature of something else, attached to the image."""
    return lambda material: replace(material.signer.sign(signed(material), material.at), subject=material.subject)


def _expired(material: Material) -> Attachment:
    return material.signer.sign(material.subject, material.at - 2 * DAY, material.at - DAY)


def _tampered(material: Material) -> Attachment:
    """A genuine signature with another first byte; the envelope is still well formed."""
    genuine = _genuine(material)
    return replace(genuine, blob=Content.of(genuine.blob.descriptor.media_type, tampered(genuine.blob.data)))


def _sbom(material: Material) -> Attachment:
    """A minimal document of SPDX 2.3; each is another one, as signatures are."""
    time = rfc3339(int(material.at.timestamp()))
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": material.subject.digest,
        "documentNamespace": f"urn:uuid:{uuid4()}",
        "creationInfo": {"created": time, "creators": ["Tool: csscgen"]},
    }
    return Attachment(SBOM_TYPE, Content.of_json(SBOM_TYPE, document), material.subject, {CREATED: time})


def _unchanged(image: Content) -> Content:
    return image


def _changed(image: Content) -> Content:
    """The image's manifest with one more annotation."""
    document = orjson.loads(image.data)
    annotations = {**document["annotations"], "ratify-perf/changed": "after signing"}
    return Content.of_json(image.descriptor.media_type, {**document, "annotations": annotations})


@dataclass(frozen=True)
class Recipe:
    """What an image takes."""

    make: Make | None
    """Makes one of its attachments; None where it has none."""
    change: Callable[[Content], Content] = _unchanged
    """Makes the image's manifest from the original one."""
    blob_deleted: bool = False
    """Whether the attachment's blob is deleted when its manifest is in the registry."""


RECIPES: dict[str | None, Recipe] = {
    None: Recipe(_genuine),
    "unsigned": Recipe(None),
    "tampered-manifest": Recipe(_of(lambda material: material.original), change=_changed),
    "tampered-envelope": Recipe(_tampered),
    "expired": Recipe(_expired),
    "expired-certificate": Recipe(_by("expired-certificate")),
    "wrong-ca": Recipe(_by("wrong-ca")),
    "wrong-subject": Recipe(_of(lambda material: material.genuine)),
    "revoked": Recipe(_by("revoked")),
    "missing-blob": Recipe(_genuine, blob_deleted=True),
    "sbom": Recipe(_sbom),
}
"""By kind; None is genuine."""


def attachments(images: ImageSet, tag: str) -> dict[str | None, int]:
    """How many attachments of which kind an image of a set has; those of kind None are genuine signatures."""
    signed = dict.fromkeys((images.variant, None) if images.restored else (images.variant,))
    counts: dict[str | None, int] = {
        kind: images.signatures for kind in signed if images.signatures and RECIPES[kind].make
    }
    return counts | dict.fromkeys(kinds(images, tag), 1)


def attach(kind: str | None, material: Material) -> Attachment:
    """A new attachment of a kind, which it says; None is a genuine signature.

    One of the kind of an extra referrer is the same each time, all others differ.
    """
    if kind in RECIPES:
        make = RECIPES[kind].make
        assert make is not None
        made = make(material)
    else:
        assert kind is not None
        made = extra(kind, material.images, material.tag, material.subject)
    return made if kind is None else replace(made, annotations={**made.annotations, KIND: kind})

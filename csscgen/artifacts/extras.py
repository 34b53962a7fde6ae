"""Extra referrers as they are pushed: SBOMs that are well formed, and bytes of any artifact type.

All of it follows from the seed, the image's name and which extra it is: nothing from the time, a machine or a user. So
each has the same digest everywhere, and one that is pushed twice is there once. Each copy is a kind of its own,
``extra-<which>-<copy>``, because a seeding that was cut off has to know which of several are missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson

from csscgen.artifacts.descriptors import Attachment, Content, Descriptor
from workloads.naming import ImageSet
from workloads.referrers import SBOM_TYPES

OCTETS = "application/octet-stream"
CREATED = "1970-01-01T00:00:00Z"
FILL = "<filling>"
"""Where a document is filled up to its size."""


def kinds(images: ImageSet, tag: str) -> list[str]:
    """The kinds of the extras of an image, of which it has one each."""
    return [
        f"extra-{number}-{copy}"
        for number, extra in enumerate(images.extras)
        if tag in images.carriers[number]
        for copy in range(extra.count)
    ]


def extra(kind: str, images: ImageSet, tag: str, subject: Descriptor) -> Attachment:
    """The extra of a kind for the image of a tag, whose manifest is ``subject``."""
    wanted = images.extra(kind)
    assert wanted is not None
    name = f"{images.repository}:{tag}"
    stream = hashlib.shake_256(f"{images.seed}/{name}/{kind}".encode())
    make = _DOCUMENTS.get(wanted.artifact_type)
    if make is None:
        blob = Content.of(OCTETS, stream.digest(wanted.size))
    else:
        blob = _filled(wanted.artifact_type, make(name, UUID(bytes=stream.digest(16), version=4)), stream, wanted.size)
    return Attachment(wanted.artifact_type, blob, subject, {})


def _filled(media_type: str, document: dict[str, Any], stream: Any, size: int) -> Content:
    """A document of exactly ``size`` bytes: digits that compress badly take the place of ``FILL``."""
    head, tail = orjson.dumps(document).split(FILL.encode())
    lacking = size - len(head) - len(tail)
    return Content.of(media_type, head + stream.hexdigest(lacking // 2 + 1)[:lacking].encode() + tail)


def _spdx(name: str, number: UUID) -> dict[str, Any]:
    """SPDX 2.3 as JSON: the image as the one package."""
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"urn:uuid:{number}",
        "creationInfo": {"created": CREATED, "creators": ["Tool: csscgen"]},
        "packages": [
            {
                "SPDXID": "SPDXRef-image",
                "name": name,
                "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False,
            }
        ],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-image",
            }
        ],
        "comment": FILL,
    }


def _cyclonedx(name: str, number: UUID) -> dict[str, Any]:
    """CycloneDX 1.6 as JSON: the image as the subject, without components."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {
            "timestamp": CREATED,
            "component": {"type": "container", "name": name},
            "properties": [{"name": "ratify-perf:filling", "value": FILL}],
        },
        "components": [],
    }


_DOCUMENTS: dict[str, Callable[[str, UUID], dict[str, Any]]] = dict(zip(SBOM_TYPES, (_spdx, _cyclonedx), strict=True))

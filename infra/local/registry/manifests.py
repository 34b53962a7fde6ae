"""What a manifest's JSON says that a registry must know: what it lists, what it refers to, how to describe it.

Reads only; a document that is not a manifest is refused with the specification's code, whatever JSON it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from infra.local.registry.protocol import Refusal

_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")

Document = dict[str, Any]


@dataclass(slots=True)
class Referrer:
    """A manifest that names a subject: its type, for the filter, and its descriptor as JSON."""

    artifact_type: str
    descriptor: bytes


def check_digest(digest: str) -> str:
    """The digest itself; refuses what is not a sha256 or sha512 digest."""
    if not _DIGEST.fullmatch(digest):
        raise Refusal("DIGEST_INVALID", f"{digest!r} is not a sha256 or sha512 digest")
    return digest


def parse(content: bytes) -> Document:
    try:
        return _object(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        raise Refusal("MANIFEST_INVALID", f"not JSON: {error}") from None


def media_type(document: Document, header: str | None) -> str:
    """The type to serve the manifest with: the Content-Type it came with, which must not contradict its own mediaType;
    that alone where there is no header."""
    own = document.get("mediaType")
    given = header or own
    if not isinstance(given, str) or not _MEDIA_TYPE.fullmatch(given):
        raise Refusal("MANIFEST_INVALID", "no media type, or none of the form type/subtype")
    if own is not None and own != given:
        raise Refusal("MANIFEST_INVALID", f"mediaType is {own!r}, Content-Type {given!r}")
    return given


def blobs(document: Document) -> list[str]:
    """The digests of config and layers; a layer with ``urls`` lives elsewhere."""
    listed = [document["config"]] if "config" in document else []
    return _digests(listed + [layer for layer in _list(document, "layers") if not _object(layer).get("urls")])


def members(document: Document) -> list[str]:
    """The digests of an index's manifests."""
    return _digests(_list(document, "manifests"))


def subject(document: Document) -> str | None:
    """The digest of the subject, if the manifest names one."""
    if document.get("subject") is None:
        return None
    return _digests([document["subject"]])[0]


def referrer(document: Document, media_type: str, digest: str, size: int) -> Referrer:
    """The entry of a referrers list. Its type is the manifest's artifactType, else its config's media type (spec)."""
    artifact_type = document.get("artifactType") or _object(document.get("config", {})).get("mediaType")
    if not isinstance(artifact_type, str | None):
        raise Refusal("MANIFEST_INVALID", "artifactType is not a string")
    descriptor: Document = {"mediaType": media_type, "digest": digest, "size": size}
    if artifact_type:
        descriptor["artifactType"] = artifact_type
    if document.get("annotations"):
        descriptor["annotations"] = annotations = _object(document["annotations"])
        if not all(isinstance(value, str) for value in annotations.values()):
            raise Refusal("MANIFEST_INVALID", "an annotation is not a string")
    return Referrer(artifact_type or "", orjson.dumps(descriptor))


def _digests(descriptors: list[Any]) -> list[str]:
    return [check_digest(str(_object(descriptor).get("digest"))) for descriptor in descriptors]


def _object(value: object) -> Document:
    if not isinstance(value, dict):
        raise Refusal("MANIFEST_INVALID", "a JSON object was expected")
    return value


def _list(document: Document, key: str) -> list[Any]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise Refusal("MANIFEST_INVALID", f"{key} is not a list")
    return value

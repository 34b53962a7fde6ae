"""What a registry's answers have to look like, so far as they are relied on: lists with their pages, indexes, digests.

References: the OCI distribution specification 1.1; RFC 8288 for links to the next page.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from analysis.shapes import Fault, entries, fault, items, maybe, text, values
from csscgen.connections import Answer
from workloads.errors import RegistryError

_NEXT = re.compile(r"""<([^>]*)>[^<]*;\s*rel="?next"?""", re.IGNORECASE)


def _digest(value: Any) -> Fault | None:
    return None if isinstance(value, str) and DIGEST.fullmatch(value) else fault(value)


DIGEST = re.compile(r"sha(256|512):[0-9a-f]{64,128}")
INDEX = entries(
    {},
    {
        "manifests": maybe(
            items(entries({"digest": _digest}, {"artifactType": maybe(text), "annotations": maybe(values(text))}))
        )
    },
)
"""The form of an index, so far as it is relied on."""


def next_page(answer: Answer) -> str | None:
    """Where the next page of a list is; None after the last."""
    link = _NEXT.search(answer.header("link") or "")
    return link[1] if link else None


def descriptors(index: dict[str, Any] | None, registry: str, source: str) -> list[dict[str, Any]]:
    """The descriptors of an index that a registry answered ``source`` with. Raises RegistryError if it is none."""
    if problem := fault(index) if index is None else INDEX(index):
        raise RegistryError(
            f"The registry {registry} answered {source} with something that is not an index: {problem}. "
            "It does not keep to the distribution specification."
        )
    found: list[dict[str, Any]] = (index or {}).get("manifests") or []
    return found


def is_of(body: bytes, digest: str | None) -> bool:
    """Whether a body is what its digest says; of one without a digest nothing is known."""
    algorithm, _, expected = (digest or "").partition(":")
    return algorithm not in ("sha256", "sha512") or hashlib.new(algorithm, body).hexdigest() == expected


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is; None if it is none."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def list_problem(answer: Answer) -> str | None:
    """What is wrong with a page of a list, as the end of a sentence; a list that is not there is fine."""
    if answer.status == 404 or read_object(answer.body) is not None:
        return None
    return (
        "answered with something that is not a JSON object; it does not keep to the distribution specification, or is "
        "no registry"
    )

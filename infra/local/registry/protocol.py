"""What a request and an answer are, and the errors that the OCI distribution specification names.

The words that server, API and storage share. A ``Refusal`` is an answer to a client of the registry, never a failure
of this program, which is why it is not in the tree of ``workloads.errors``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import orjson

Headers = list[tuple[bytes, bytes]]
"""Header fields in their order, names in lower case."""


@dataclass(slots=True)
class Request:
    """A request whose body is here in full. ``path`` is decoded, ``query`` is not."""

    method: str
    path: str
    query: str = ""
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def parameters(self) -> dict[str, str]:
        """The query's parameters; the last one of a name counts."""
        return dict(parse_qsl(self.query)) if self.query else {}

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class Answer:
    """An answer with its body in full, to a HEAD too: its length is the Content-Length, the rest is the server's."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    at_once: bool = False
    """Whether it is not held back by the settings for latency and bandwidth."""


CODES: dict[str, tuple[int, str]] = {
    "BLOB_UNKNOWN": (404, "blob unknown to registry"),
    "BLOB_UPLOAD_INVALID": (416, "blob upload invalid"),
    "BLOB_UPLOAD_UNKNOWN": (404, "blob upload unknown to registry"),
    "DENIED": (403, "requested access to the resource is denied"),
    "DIGEST_INVALID": (400, "provided digest did not match uploaded content"),
    "MANIFEST_BLOB_UNKNOWN": (404, "manifest references a manifest or blob unknown to registry"),
    "MANIFEST_INVALID": (400, "manifest invalid"),
    "MANIFEST_UNKNOWN": (404, "manifest unknown to registry"),
    "NAME_INVALID": (400, "invalid repository name"),
    "NAME_UNKNOWN": (404, "repository name not known to registry"),
    "PAGINATION_NUMBER_INVALID": (400, "invalid number of results requested"),
    "RANGE_INVALID": (416, "invalid content range"),
    "SIZE_INVALID": (413, "manifest is larger than 4 MiB"),
    "TOOMANYREQUESTS": (429, "too many requests"),
    "UNAUTHORIZED": (401, "authentication required"),
    "UNAVAILABLE": (503, "service unavailable"),
    "UNSUPPORTED": (405, "the operation is unsupported"),
}
"""Status and message of each error code: distribution-spec v1.1, "Error Codes"; those for numbers and ranges and
UNAVAILABLE are CNCF distribution's (registry/api/errcode)."""


class Refusal(Exception):
    """A request that the registry answers with one of ``CODES``. ``detail`` tells the client what it was about."""

    def __init__(
        self,
        code: str,
        detail: object = None,
        *,
        status: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.status = status or CODES[code][0]
        self.headers = headers or []

    def answer(self) -> Answer:
        error = {"code": self.code, "message": CODES[self.code][1], "detail": self.detail}
        headers = [(b"content-type", b"application/json"), *self.headers]
        return Answer(self.status, headers, orjson.dumps({"errors": [error]}))

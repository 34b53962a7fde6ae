"""The OCI distribution API 1.1: from a request to an answer, without a socket.

Pure but for the storage it changes: paths and methods are told apart here, and nothing here waits, so that every
request is atomic and the server around it stays replaceable. The catalog and byte ranges of blobs, which the
specification leaves to a registry, are left out.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

import orjson

from infra.local.registry.protocol import Answer, Refusal, Request
from infra.local.registry.storage import Repository, Storage

_JSON = (b"content-type", b"application/json")
_INDEX = (b"content-type", b"application/vnd.oci.image.index.v1+json")
_OCTETS = (b"content-type", b"application/octet-stream")
_RANGE = re.compile(rb"(\d{1,18})-(\d{1,18})")
_PAGE_SIZE = re.compile(r"[0-9]{1,9}")


class Target(NamedTuple):
    """What a path points to: the kind of thing, the repository, and the rest of the path."""

    kind: str
    name: str
    reference: str


Handler = Callable[[Request, str, str], Answer]
"""A request, its repository's name, and the rest of its path."""


def parse(path: str) -> Target:
    """What a decoded path points to; kind "" is a path that the API does not have. Names may hold slashes."""
    if path in ("/v2/", "/v2"):
        return Target("base", "", "")
    parts = path[4:].rsplit("/", 2)
    if len(parts) == 3 and path.startswith("/v2/"):
        name, kind, reference = parts
        if kind == "uploads":
            if name.endswith("/blobs"):
                return Target(kind, name[:-6], reference)
        elif kind in ("manifests", "blobs", "referrers") or (kind == "tags" and reference == "list"):
            return Target(kind, name, reference)
    return Target("", "", "")


class Distribution:
    """The API over a storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._handlers: dict[str, dict[str, Handler]] = {
            "base": {"GET": self._base, "HEAD": self._base},
            "manifests": {
                "GET": self._get_manifest,
                "HEAD": self._get_manifest,
                "PUT": self._put_manifest,
                "DELETE": self._delete_manifest,
            },
            "blobs": {"GET": self._get_blob, "HEAD": self._get_blob, "DELETE": self._delete_blob},
            "uploads": {
                "GET": self._get_upload,
                "POST": self._post_upload,
                "PATCH": self._patch_upload,
                "PUT": self._put_upload,
            },
            "referrers": {"GET": self._get_referrers, "HEAD": self._get_referrers},
            "tags": {"GET": self._get_tags, "HEAD": self._get_tags},
        }

    def handle(self, request: Request, target: Target) -> Answer:
        """The answer to a request for what its path points to; a refusal is an answer too."""
        try:
            methods = self._handlers.get(target.kind)
            if methods is None:
                raise Refusal("UNSUPPORTED", "no such path in the distribution API", status=404)
            handler = methods.get(request.method)
            if handler is None:
                allow = ", ".join(methods).encode()
                raise Refusal("UNSUPPORTED", request.method, headers=[(b"allow", allow)])
            return handler(request, target.name, target.reference)
        except Refusal as refusal:
            return refusal.answer()

    def _base(self, request: Request, name: str, reference: str) -> Answer:
        return Answer(200, [_JSON, (b"docker-distribution-api-version", b"registry/2.0")], b"{}")

    def _get_manifest(self, request: Request, name: str, reference: str) -> Answer:
        manifest = self._storage.repository(name).manifest(reference)
        return Answer(200, manifest.headers, manifest.content)

    def _put_manifest(self, request: Request, name: str, reference: str) -> Answer:
        header = request.header(b"content-type")
        media_type = header.decode("latin-1").partition(";")[0].strip() if header else None
        repository = self._storage.repository_for_push(name)
        manifest = repository.put_manifest(reference, media_type, request.body)
        answer = _created(f"/v2/{name}/manifests/{manifest.digest}", manifest.digest)
        if manifest.subject:
            answer.headers.append((b"oci-subject", manifest.subject.encode()))
        return answer

    def _delete_manifest(self, request: Request, name: str, reference: str) -> Answer:
        self._storage.repository(name).delete_manifest(reference)
        return Answer(202)

    def _get_blob(self, request: Request, name: str, digest: str) -> Answer:
        content = self._storage.repository(name).blob(digest)
        return Answer(200, [_OCTETS, (b"docker-content-digest", digest.encode())], content)

    def _delete_blob(self, request: Request, name: str, digest: str) -> Answer:
        self._storage.repository(name).delete_blob(digest)
        return Answer(202)

    def _get_upload(self, request: Request, name: str, upload: str) -> Answer:
        return _uploading(204, name, upload, len(self._storage.repository(name).upload(upload)))

    def _post_upload(self, request: Request, name: str, upload: str) -> Answer:
        """A mount, a blob in one request, or the start of an upload. A mount that fails is an upload (spec)."""
        if upload:
            raise Refusal("UNSUPPORTED", "POST starts an upload; PATCH or PUT goes on with one")
        parameters = request.parameters()
        repository = self._storage.repository_for_push(name)
        if "mount" in parameters:
            source = self._storage.find(parameters.get("from", ""))
            digest = parameters["mount"]
            if source is not None and digest in source.blobs:
                repository.blobs[digest] = source.blobs[digest]
                return _created(f"/v2/{name}/blobs/{digest}", digest)
        elif "digest" in parameters:
            digest = parameters["digest"]
            repository.put_blob(request.body, digest)
            return _created(f"/v2/{name}/blobs/{digest}", digest)
        return _uploading(202, name, repository.start_upload(), 0)

    def _patch_upload(self, request: Request, name: str, upload: str) -> Answer:
        content = self._storage.repository(name).upload(upload)
        _check_range(request, len(content))
        content += request.body
        return _uploading(202, name, upload, len(content))

    def _put_upload(self, request: Request, name: str, upload: str) -> Answer:
        repository = self._storage.repository(name)
        digest = request.parameters().get("digest", "")
        _check_range(request, len(repository.upload(upload)))
        repository.finish_upload(upload, request.body, digest)
        return _created(f"/v2/{name}/blobs/{digest}", digest)

    def _get_referrers(self, request: Request, name: str, subject: str) -> Answer:
        artifact_type = request.parameters().get("artifactType")
        # No repository, no referrers: only a registry without this API answers 404 (spec).
        repository = self._storage.find(name) or Repository(name)
        found = repository.referrers(subject, artifact_type)
        headers = [_INDEX]
        if artifact_type is not None:
            headers.append((b"oci-filters-applied", b"artifactType"))
        return Answer(200, headers, _INDEX_START + b",".join(found) + b"]}")

    def _get_tags(self, request: Request, name: str, reference: str) -> Answer:
        """The tags in order, ``n`` of them after ``last``, with a Link to the next page if there is one."""
        parameters = request.parameters()
        tags = sorted(self._storage.repository(name).tags)
        tags = tags[bisect_right(tags, parameters.get("last", "")) :]
        page = tags[: _page_size(parameters["n"])] if "n" in parameters else tags
        headers = [_JSON]
        if page and len(page) < len(tags):
            following = urlencode({"n": parameters["n"], "last": page[-1]})
            headers.append((b"link", f'</v2/{name}/tags/list?{following}>; rel="next"'.encode()))
        return Answer(200, headers, orjson.dumps({"name": name, "tags": page}))


_INDEX_START = b'{"schemaVersion":2,"mediaType":"' + _INDEX[1] + b'","manifests":['


def _created(location: str, digest: str) -> Answer:
    return Answer(201, [(b"location", location.encode()), (b"docker-content-digest", digest.encode())])


def _uploading(status: int, name: str, upload: str, size: int) -> Answer:
    """The state of an upload. Range names the last byte, and is 0-0 for an empty upload as well (spec)."""
    headers = [
        (b"location", f"/v2/{name}/blobs/uploads/{upload}".encode()),
        (b"range", f"0-{max(0, size - 1)}".encode()),
        (b"docker-upload-uuid", upload.encode()),
    ]
    return Answer(status, headers)


def _check_range(request: Request, size: int) -> None:
    """Refuse a piece that does not begin where the upload ends, or is not as long as its Content-Range says."""
    header = request.header(b"content-range")
    if header is None:
        return
    match = _RANGE.fullmatch(header)
    if not match or int(match[1]) != size or int(match[2]) + 1 - size != len(request.body):
        raise Refusal("BLOB_UPLOAD_INVALID", f"{size} bytes have arrived, Content-Range is {header!r}")


def _page_size(value: str) -> int:
    if not _PAGE_SIZE.fullmatch(value):
        raise Refusal("PAGINATION_NUMBER_INVALID", value)
    return int(value)

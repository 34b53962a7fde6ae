"""The OCI distribution API 1.1: from a request to an answer, without a socket.

Pure but for the storage it changes: nothing here waits, so that every request is atomic and the server around it stays
replaceable. The catalog and byte ranges of blobs, which the specification leaves to a registry, are as in CNCF
distribution.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from urllib.parse import urlencode

import orjson

from infra.local.registry.blobs import DataEndpoint, blob
from infra.local.registry.protocol import Answer, Headers, Refusal, Request
from infra.local.registry.routes import Target
from infra.local.registry.storage import Repository, Storage

_JSON = (b"content-type", b"application/json")
_INDEX = (b"content-type", b"application/vnd.oci.image.index.v1+json")
_RANGE = re.compile(rb"(\d{1,18})-(\d{1,18})")
_PAGE_SIZE = re.compile(r"[0-9]{1,9}")


Handler = Callable[[Request, str, str], Answer]
"""A request, its repository's name, and the rest of its path."""


class Distribution:
    """The API over a storage.

    ``data`` is where blobs are sent from, None for the registry itself. ``referrers_page`` is the most that a page of
    referrers has; 0 for a registry without the referrers API.
    """

    def __init__(self, storage: Storage, data: DataEndpoint | None, referrers_page: int) -> None:
        self._storage = storage
        self._data = data
        self._referrers_page = referrers_page
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
                "DELETE": self._delete_upload,
            },
            "referrers": {"GET": self._get_referrers, "HEAD": self._get_referrers},
            "catalog": {"GET": self._get_catalog, "HEAD": self._get_catalog},
            "tags": {"GET": self._get_tags, "HEAD": self._get_tags},
        }

    def handle(self, request: Request, target: Target) -> Answer:
        """The answer to a request for what its path points to. Raises Refusal."""
        methods = self._handlers.get(target.kind)
        if methods is None:
            raise Refusal("UNSUPPORTED", "no such path in the distribution API", status=404)
        handler = methods.get(request.method)
        if handler is None:
            allow = ", ".join(methods).encode()
            raise Refusal("UNSUPPORTED", request.method, headers=[(b"allow", allow)])
        return handler(request, target.name, target.reference)

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
        if manifest.subject and self._referrers_page:
            answer.headers.append((b"oci-subject", manifest.subject.encode()))
        return answer

    def _delete_manifest(self, request: Request, name: str, reference: str) -> Answer:
        self._storage.repository(name).delete_manifest(reference)
        return Answer(202)

    def _get_blob(self, request: Request, name: str, digest: str) -> Answer:
        content = self._storage.repository(name).blob(digest)
        if self._data is not None and request.method == "GET":
            return self._data.redirect(name, digest)
        return blob(request, content, digest)

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
                repository.add_blob(source.blobs[digest], digest)
                return _created(f"/v2/{name}/blobs/{digest}", digest)
        elif "digest" in parameters:
            digest = parameters["digest"]
            repository.put_blob(request.body, digest)
            return _created(f"/v2/{name}/blobs/{digest}", digest)
        return _uploading(202, name, repository.start_upload(), 0)

    def _delete_upload(self, request: Request, name: str, upload: str) -> Answer:
        self._storage.repository(name).cancel_upload(upload)
        return Answer(204)

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
        """The referrers in the order of their digests, a page of them, with a Link to the next if there is one."""
        if not self._referrers_page:
            raise Refusal("UNSUPPORTED", "this registry has no referrers API", status=404)
        parameters = request.parameters()
        artifact_type = parameters.get("artifactType")
        count = self._referrers_page
        if "n" in parameters:
            count = min(count, _page_size(parameters["n"]))
        # No repository, no referrers: only a registry without this API answers 404 (spec).
        repository = self._storage.find(name) or Repository(name)
        found, last = repository.referrers(subject, artifact_type, parameters.get("last", ""), count)
        headers = [_INDEX]
        if artifact_type is not None:
            headers.append((b"oci-filters-applied", b"artifactType"))
        if last and found:
            headers.append(_link(f"/v2/{name}/referrers/{subject}", {**parameters, "n": str(count), "last": last}))
        return Answer(200, headers, _INDEX_START + b",".join(found) + b"]}")

    def _get_tags(self, request: Request, name: str, reference: str) -> Answer:
        tags = sorted(self._storage.repository(name).tags)
        page, link = _page(request, f"/v2/{name}/tags/list", tags)
        return Answer(200, [_JSON, *link], orjson.dumps({"name": name, "tags": page}))

    def _get_catalog(self, request: Request, name: str, reference: str) -> Answer:
        page, link = _page(request, "/v2/_catalog", self._storage.names())
        return Answer(200, [_JSON, *link], orjson.dumps({"repositories": page}))


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


def _page(request: Request, path: str, names: list[str]) -> tuple[list[str], Headers]:
    """``n`` of the names after ``last``, and the Link to the next page if there is one. The names are in order."""
    parameters = request.parameters()
    names = names[bisect_right(names, parameters.get("last", "")) :]
    page = names[: _page_size(parameters["n"])] if "n" in parameters else names
    if not page or len(page) == len(names):
        return page, []
    return page, [_link(path, {"n": parameters["n"], "last": page[-1]})]


def _link(path: str, parameters: dict[str, str]) -> tuple[bytes, bytes]:
    """The header field that names the next page (RFC 8288)."""
    return b"link", f'<{path}?{urlencode(parameters)}>; rel="next"'.encode()


def _page_size(value: str) -> int:
    if not _PAGE_SIZE.fullmatch(value):
        raise Refusal("PAGINATION_NUMBER_INVALID", value)
    return int(value)

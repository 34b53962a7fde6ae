"""A small registry that can be told to misbehave, and keys to sign with."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from csscgen.artifacts.signing import LocalSigner
from infra.local.certificates import signing_certificate
from workloads.negatives import REFUSED_SIGNERS

ELF = b"\x7fELF".ljust(18, b"\0") + bytes([62, 0]) + b" and so on"
"""A stand-in of a program, by its header for x86-64."""
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@dataclass
class FakeRegistry:
    """The distribution API in memory, by content; an async context manager.

    ``fault`` sees each request first and may answer it. ``seen`` counts the requests by method and
    kind. What it holds may be changed between two calls.
    """

    referrers_api: bool = True
    single_post: bool = True
    mounts: bool = True
    page_size: int = 1000
    fault: Fault | None = None
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """By repository and by digest or tag: media type and bytes."""
    seen: Counter[str] = field(default_factory=Counter)

    async def __aenter__(self) -> FakeRegistry:
        app = web.Application(middlewares=[self._observe])
        name = "/v2/{name}"
        app.router.add_route("HEAD", name + "/blobs/{digest}", self._blob)
        app.router.add_delete(name + "/blobs/{digest}", self._delete_blob)
        app.router.add_post(name + "/blobs/uploads/", self._upload)
        app.router.add_put(name + "/blobs/uploads/{id}", self._upload_end)
        app.router.add_put(name + "/manifests/{reference}", self._put)
        app.router.add_get(name + "/manifests/{reference}", self._get)
        app.router.add_delete(name + "/manifests/{reference}", self._delete)
        app.router.add_get("/v2/_catalog", self._catalog)
        app.router.add_get(name + "/tags/list", self._tags)
        if self.referrers_api:
            app.router.add_get(name + "/referrers/{digest}", self._referrers)
        self._server = TestServer(app)
        await self._server.start_server()
        self.host = f"127.0.0.1:{self._server.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def signatures(self, repository: str) -> list[str]:
        return [
            digest
            for (name, digest), (_, data) in self.manifests.items()
            if name == repository and b'"subject"' in data
        ]

    @web.middleware
    async def _observe(self, request, handler):
        kind = "/".join(request.path.split("/")[3:4])
        self.seen[f"{request.method} {kind}"] += 1
        if self.fault is not None and (answer := await self.fault(request)) is not None:
            return answer
        return await handler(request)

    async def _blob(self, request: web.Request) -> web.Response:
        key = (request.match_info["name"], request.match_info["digest"])
        return web.Response(status=200 if key in self.blobs else 404)

    async def _delete_blob(self, request: web.Request) -> web.Response:
        del self.blobs[request.match_info["name"], request.match_info["digest"]]
        return web.Response(status=202)

    async def _upload(self, request: web.Request) -> web.Response:
        name, source = request.match_info["name"], (request.query.get("from"), request.query.get("mount"))
        if self.mounts and source in self.blobs:
            self.blobs[name, source[1]] = self.blobs[source]
            return web.Response(status=201)
        if self.single_post and "digest" in request.query:
            return await self._store_blob(request)
        location = f"/v2/{request.match_info['name']}/blobs/uploads/1?_state=a%3D%3D"
        return web.Response(status=202, headers={"Location": location})

    async def _upload_end(self, request: web.Request) -> web.Response:
        assert request.query["_state"] == "a=="
        return await self._store_blob(request)

    async def _store_blob(self, request: web.Request) -> web.Response:
        data = await request.read()
        digest = request.query["digest"]
        assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[request.match_info["name"], digest] = data
        return web.Response(status=201)

    async def _put(self, request: web.Request) -> web.Response:
        data = await request.read()
        name = request.match_info["name"]
        document = orjson.loads(data)
        for part in document.get("layers", []):
            assert (name, part["digest"]) in self.blobs, "a manifest came before its blobs"
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        for reference in (digest, request.match_info["reference"]):
            self.manifests[name, reference] = (request.headers["Content-Type"], data)
        indexed = self.referrers_api and "subject" in document
        headers = {"OCI-Subject": document["subject"]["digest"]} if indexed else {}
        return web.Response(status=201, headers=headers)

    async def _get(self, request: web.Request) -> web.Response:
        key = (request.match_info["name"], request.match_info["reference"])
        if key not in self.manifests:
            error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return web.json_response(error, status=404)
        media_type, data = self.manifests[key]
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return web.Response(body=data, content_type=media_type, headers={"Docker-Content-Digest": digest})

    async def _delete(self, request: web.Request) -> web.Response:
        name, digest = request.match_info["name"], request.match_info["reference"]
        if (name, digest) not in self.manifests:
            return web.Response(status=404)
        content = self.manifests[name, digest]
        if ":" not in digest:  # a tag goes alone
            del self.manifests[name, digest]
            return web.Response(status=202)
        for key in [key for key, other in self.manifests.items() if key[0] == name and other == content]:
            del self.manifests[key]
        return web.Response(status=202)

    async def _catalog(self, request: web.Request) -> web.Response:
        return self._page(request, "repositories", sorted({name for name, _ in self.manifests}))

    async def _referrers(self, request: web.Request) -> web.Response:
        name, digest = request.match_info["name"], request.match_info["digest"]
        entries = []
        for reference in self.signatures(name):
            media_type, data = self.manifests[name, reference]
            document = orjson.loads(data)
            if document["subject"]["digest"] == digest:
                entries.append(
                    {
                        "mediaType": media_type,
                        "digest": reference,
                        "size": len(data),
                        "artifactType": document["artifactType"],
                        "annotations": document["annotations"],
                    }
                )
        return self._page(request, "manifests", entries)

    async def _tags(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        tags = [tag for (owner, tag) in self.manifests if owner == name and ":" not in tag]
        if not tags and not any(owner == name for owner, _ in self.blobs):
            error = {"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known"}]}
            return web.json_response(error, status=404)
        return self._page(request, "tags", tags)

    def _page(self, request: web.Request, key: str, entries: list[Any]) -> web.Response:
        start = int(request.query.get("last", "0"))
        end = start + self.page_size
        headers = {"Link": f'<{request.path}?last={end}>; rel="next"'} if end < len(entries) else {}
        return web.json_response({key: entries[start:end]}, headers=headers)


@pytest.fixture(scope="session")
def signer() -> LocalSigner:
    return LocalSigner(*signing_certificate("ES256", "a test"))


@pytest.fixture(scope="session")
def refused() -> dict[str, LocalSigner]:
    """Signers of the negative images that have one of their own."""
    return {kind: LocalSigner(*signing_certificate("ES256", kind)) for kind in REFUSED_SIGNERS}


@pytest.fixture
def waiter(tmp_path: Path) -> Path:
    """A stand-in of the binary: nothing here runs an image."""
    path = tmp_path / "waiter"
    path.write_bytes(ELF)
    return path

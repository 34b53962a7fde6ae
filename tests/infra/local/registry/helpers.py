"""A client without a socket, and contents to push."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import settings

from infra.local.registry.protocol import Answer, Request
from infra.local.registry.service import Registry
from workloads.registries import CATEGORIES, Limit, RegistrySize

unhurried = settings(deadline=None)
"""For property tests: the machine is shared, and how long an example takes says nothing."""

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
NOTATION = "application/vnd.cncf.notary.signature"
AMPLE = RegistrySize("L", {category: Limit(10**6) for category in CATEGORIES})


def digest(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def image(layer: bytes = b"layer", **fields: Any) -> bytes:
    """An image manifest with the config ``{}`` and one layer, both of which a client must have pushed."""
    config = descriptor(b"{}", EMPTY)
    layers = [descriptor(layer, "application/octet-stream")]
    return json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers, **fields}).encode()


class Client:
    """Asks a registry by its ``answer``, and remembers nothing."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def ask(self, method: str, url: str, body: bytes = b"", **headers: str) -> Answer:
        path, _, query = url.partition("?")
        fields = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        return self.registry.answer(Request(method, path, query, fields, body))

    def push_blob(self, name: str, content: bytes) -> str:
        answer = self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest(content)}", content)
        assert answer.status == 201, answer.body
        return digest(content)

    def push(self, name: str, reference: str | None, manifest: bytes, media_type: str = IMAGE) -> Answer:
        """Push a manifest by tag, or by digest if ``reference`` is None."""
        path = f"/v2/{name}/manifests/{reference or digest(manifest)}"
        return self.ask("PUT", path, manifest, content_type=media_type)

    def push_image(self, name: str, reference: str | None = None, **fields: Any) -> bytes:
        """Push an image with its blobs, and return its manifest."""
        for blob in (b"{}", b"layer"):
            self.push_blob(name, blob)
        manifest = image(**fields)
        answer = self.push(name, reference, manifest)
        assert answer.status == 201, answer.body
        return manifest


def header(answer: Answer, name: str) -> str | None:
    return next((v.decode() for k, v in answer.headers if k == name.encode()), None)


def code(answer: Answer) -> str:
    """The error code of an answer, whose body must be what the specification says."""
    assert header(answer, "content-type") == "application/json"
    (error,) = json.loads(answer.body)["errors"]
    assert set(error) == {"code", "message", "detail"}
    return str(error["code"])

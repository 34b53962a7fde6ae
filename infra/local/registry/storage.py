"""What the registry holds: repositories with blobs, manifests, tags, referrers and uploads.

Every digest is computed here before anything is stored, a manifest is accepted only when what it lists is in the
repository, and the list of a subject's referrers is kept as manifests come and go, ready to be sent: Ratify asks for it
once per verification, and it must not cost a walk over the repository. Nothing here knows HTTP, paths or limits of
rate. All of it is in memory; what is kept beyond the process is the business of :mod:`disk`, which is told first.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field

from infra.local.registry import manifests
from infra.local.registry.disk import Memory
from infra.local.registry.manifests import Document, Referrer, check_digest
from infra.local.registry.protocol import Headers, Refusal
from infra.local.registry.referrers import Referrers

MANIFEST_LIMIT = 4 * 1024 * 1024
"""Bytes of the largest manifest: ACR's limit, and what the specification asks registries to accept."""

_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def verify(content: bytes, digest: str) -> None:
    """Refuse content that does not have the digest."""
    found = digest_of(content, check_digest(digest).partition(":")[0])
    if found != digest:
        raise Refusal("DIGEST_INVALID", {"expected": digest, "computed": found})


@dataclass(slots=True)
class Manifest:
    """A manifest as it was pushed, byte for byte, with the header fields of an answer that carries it."""

    content: bytes
    digest: str
    subject: str | None
    headers: Headers


@dataclass(slots=True)
class Repository:
    """The contents of one repository. Blobs are shared bytes: a mount copies none."""

    name: str
    disk: Memory = field(default_factory=Memory)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    _referrers: dict[str, Referrers] = field(default_factory=dict)

    def blob(self, digest: str) -> bytes:
        content = self.blobs.get(digest)
        if content is None:
            raise Refusal("BLOB_UNKNOWN", check_digest(digest))
        return content

    def put_blob(self, content: bytes, digest: str) -> None:
        verify(content, digest)
        self.add_blob(content, digest)

    def add_blob(self, content: bytes, digest: str) -> None:
        """Store content whose digest was verified before."""
        self.disk.put_blob(self.name, digest, content)
        self.blobs[digest] = content

    def delete_blob(self, digest: str) -> None:
        self.blob(digest)
        self.disk.delete_blob(self.name, digest)
        del self.blobs[digest]

    def start_upload(self) -> str:
        """A new upload's id. An upload lives until it is finished or cancelled, or the process ends."""
        upload = os.urandom(16).hex()
        self.uploads[upload] = bytearray()
        return upload

    def upload(self, upload: str) -> bytearray:
        """What has arrived of an upload so far."""
        try:
            return self.uploads[upload]
        except KeyError:
            raise Refusal("BLOB_UPLOAD_UNKNOWN", upload) from None

    def cancel_upload(self, upload: str) -> None:
        self.upload(upload)
        del self.uploads[upload]

    def finish_upload(self, upload: str, last: bytes, digest: str) -> None:
        """Store the upload with its last piece as a blob. A wrong digest ends the upload, and stores nothing."""
        content = self.upload(upload)
        check_digest(digest)
        del self.uploads[upload]
        self.put_blob(bytes(content) + last if content else last, digest)

    def manifest(self, reference: str) -> Manifest:
        """The manifest of a digest or a tag."""
        manifest = self.manifests.get(self.tags.get(reference, reference))
        if manifest is None:
            raise Refusal("MANIFEST_UNKNOWN", reference)
        return manifest

    def put_manifest(self, reference: str, media_type: str | None, content: bytes) -> Manifest:
        """Store a manifest under a digest, which is verified, or a tag; index it if it names a subject.

        ``media_type`` is the request's Content-Type; where there is none, the manifest's own mediaType is taken.
        """
        if len(content) > MANIFEST_LIMIT:
            raise Refusal("SIZE_INVALID", f"{len(content)} bytes")
        tag = None
        if ":" in reference:
            verify(content, reference)
            digest = reference
        elif _TAG.fullmatch(reference):
            digest = digest_of(content)
            tag = reference
        else:
            raise Refusal("MANIFEST_INVALID", f"{reference!r} is not a tag")
        document = manifests.parse(content)
        media_type = manifests.media_type(document, media_type)
        for listed, present in ((manifests.blobs, self.blobs), (manifests.members, self.manifests)):
            for missing in (found for found in listed(document) if found not in present):
                raise Refusal("MANIFEST_BLOB_UNKNOWN", missing)
        manifest, referrer = _read(document, media_type, digest, content)
        self.disk.put_manifest(self.name, digest, media_type, content, tag)
        self._place(manifest, referrer)
        if tag is not None:
            self.tags[tag] = digest
        return manifest

    def restore_manifest(self, digest: str, media_type: str, content: bytes) -> None:
        """Take a manifest back that was stored before; what it lists may have been deleted since."""
        self._place(*_read(manifests.parse(content), media_type, digest, content))

    def _place(self, manifest: Manifest, referrer: Referrer | None) -> None:
        self.manifests[manifest.digest] = manifest
        if manifest.subject and referrer:
            self._referrers.setdefault(manifest.subject, Referrers()).put(manifest.digest, referrer)

    def delete_manifest(self, reference: str) -> None:
        """A tag alone, or the manifest of a digest with the tags that point to it."""
        if reference in self.tags:
            self.disk.delete_tag(self.name, reference)
            del self.tags[reference]
            return
        manifest = self.manifest(reference)
        self.disk.delete_manifest(self.name, manifest.digest)
        del self.manifests[manifest.digest]
        self.tags = {tag: d for tag, d in self.tags.items() if d != manifest.digest}
        if manifest.subject:
            others = self._referrers[manifest.subject]
            others.remove(manifest.digest)
            if not others:
                del self._referrers[manifest.subject]

    def referrers(
        self, subject: str, artifact_type: str | None, after: str, count: int
    ) -> tuple[list[bytes], str | None]:
        """A page of the descriptors of the manifests that name the subject (:meth:`Referrers.page`)."""
        found = self._referrers.get(subject)
        if found is None:
            check_digest(subject)
            return [], None
        return found.page(artifact_type, after, count)


class Storage:
    """The repositories by name. A repository comes into being with the first thing that is pushed to it.

    ``disk`` is told of every change, and what it has from before is there at once.
    """

    def __init__(self, disk: Memory | None = None) -> None:
        self._disk = disk or Memory()
        self._repositories: dict[str, Repository] = {}
        shared: dict[str, bytes] = {}
        for name in self._disk.repositories():
            self._repositories[name] = Repository(name, self._disk)
        for name, digest, content in self._disk.blobs():
            self._repositories[name].blobs[digest] = shared.setdefault(digest, content)
        for name, digest, media_type, content in self._disk.manifests():
            self._repositories[name].restore_manifest(digest, media_type, content)
        for name, tag, digest in self._disk.tags():
            self._repositories[name].tags[tag] = digest

    def find(self, name: str) -> Repository | None:
        return self._repositories.get(name)

    def repository(self, name: str) -> Repository:
        repository = self._repositories.get(name)
        if repository is None:
            raise Refusal("NAME_UNKNOWN", _check_name(name))
        return repository

    def repository_for_push(self, name: str) -> Repository:
        repository = self._repositories.get(name)
        if repository is None:
            self._disk.put_repository(_check_name(name))
            repository = self._repositories[name] = Repository(name, self._disk)
        return repository

    def names(self) -> list[str]:
        """The names of the repositories that have a manifest, in order."""
        return sorted(name for name, repository in self._repositories.items() if repository.manifests)


def is_name(name: str) -> bool:
    """Whether this can be the name of a repository."""
    return len(name) <= 255 and _NAME.fullmatch(name) is not None


def _check_name(name: str) -> str:
    if not is_name(name):
        raise Refusal("NAME_INVALID", name)
    return name


def _read(document: Document, media_type: str, digest: str, content: bytes) -> tuple[Manifest, Referrer | None]:
    """A manifest from its JSON, and its entry in the list of its subject's referrers if it names one."""
    subject = manifests.subject(document)  # which may be pushed later (spec)
    referrer = manifests.referrer(document, media_type, digest, len(content)) if subject else None
    headers = [
        (b"content-type", media_type.encode()),
        (b"docker-content-digest", digest.encode()),
    ]
    return Manifest(content, digest, subject, headers), referrer

"""A registry, as far as seeding needs it: blobs, manifests, tags, and the referrers of an image.

It speaks the OCI distribution specification 1.1, and falls back where a registry lacks a part of
it: to two requests for a blob where one is not taken, and to the referrers tag schema where there is
no referrers API. It exists because the bulk path of oras is sequential and gives up at a 429; oras
still parses references. Which registries it may be is csscgen/artifacts/addresses.py's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from oras.container import Container  # type: ignore[import-untyped]

from csscgen.artifacts.addresses import own_registry
from csscgen.artifacts.answers import DIGEST, descriptors, is_of, list_problem, next_page, read_object
from csscgen.artifacts.descriptors import IMAGE_INDEX, IMAGE_MANIFEST, Content
from csscgen.artifacts.logins import LoginSource, Scope
from csscgen.artifacts.transport import BUDGET, Traffic, Transport
from csscgen.connections import TIMEOUT, Answer
from workloads.errors import RegistryError, quoted
from workloads.registries import Category, Limit

CONCURRENCY = 128
"""Requests at a time. A registry that is busy takes more of them at less cost each: CNCF distribution a sixth more than
with 32. Beyond it memory is all that grows."""
PATIENCE = 300.0
"""Seconds that one request waits in all for a registry that answers 429."""
SINGLE_POST_LIMIT = 64 * 1024
"""Blobs above this size, in bytes, always take two requests: a registry that refuses the one with
the blob in it need not read it, and may cut the connection."""
KEPT = 4096
"""Repositories whose paths and tokens are kept."""
OCTETS = b"content-type: application/octet-stream\r\n"
MANIFESTS = f"accept: {IMAGE_MANIFEST}, {IMAGE_INDEX}\r\n".encode()


@dataclass(frozen=True, slots=True)
class _Repository:
    """The paths of a repository, and the tokens for it."""

    blobs: str
    uploads: str
    manifests: str
    tags: str
    referrers: str
    scope: Scope | None


class RegistryClient:
    """An async context manager for one registry, given as ``host`` or ``host:port``.

    Plain HTTP on loopback, HTTPS with verification otherwise. ``logins`` are those who ask, in turn; none for a
    registry that asks for no login. ``limits`` is what it admits in a minute, which is never asked for more.
    ``patience``, ``budget`` and ``timeout`` are seconds: for the end of 429s, for what is transient, and for one
    attempt. Every method raises RegistryError when the registry refuses for good or cannot be reached.
    """

    def __init__(
        self,
        registry: str,
        *,
        allowed: Collection[str] = (),
        concurrency: int = CONCURRENCY,
        patience: float = PATIENCE,
        budget: float = BUDGET,
        timeout: float = TIMEOUT,
        logins: Sequence[LoginSource] = (),
        limits: Mapping[Category, Limit] | None = None,
    ) -> None:
        self.registry = registry
        self._transport = Transport(
            own_registry(registry, allowed),
            concurrency=concurrency,
            patience=patience,
            budget=budget,
            timeout=timeout,
            logins=logins,
            limits=limits,
        )
        self._single_post = True
        self._referrers_api = True
        self._repository = lru_cache(KEPT)(self._parsed)
        self._mounting = lru_cache(KEPT)(
            lambda repository, source: self._transport.scope(_scope(repository), f"repository:{source}:pull")
        )

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    @property
    def traffic(self) -> Traffic:
        return self._transport.traffic

    @property
    def referrers_api(self) -> bool:
        """Whether the registry lists referrers itself, so far as is known: not once a list was read from a tag, or
        written."""
        return self._referrers_api

    async def blob_exists(self, repository: str, digest: str) -> bool:
        at = self._repository(repository)
        # 307: some registries keep blobs elsewhere, and say where only for those that they have.
        answer = await self._transport.request(
            "HEAD", at.blobs + digest, category="read", expect=(200, 307, 404), credentials=at.scope
        )
        return answer.status != 404

    async def upload_blob(self, repository: str, blob: Content) -> None:
        """One request where the registry takes it, else a second one to where it says."""
        at = self._repository(repository)
        request = self._transport.request
        digest = f"digest={blob.descriptor.digest}"
        if self._single_post and len(blob.data) <= SINGLE_POST_LIMIT:
            answer = await request(
                "POST",
                f"{at.uploads}?{digest}",
                category="write",
                expect=(201, 202),
                data=blob.data,
                fields=OCTETS,
                credentials=at.scope,
            )
            if answer.status == 201:
                return
            self._single_post = False
        else:
            answer = await request("POST", at.uploads, category="write", expect=(202,), credentials=at.scope)
        location = answer.header("location")
        if location is None:
            raise RegistryError(
                f"The registry {self.registry} began an upload to {repository} and did not say "
                "where it goes (no Location). It does not keep to the distribution specification."
            )
        path = self._transport.path(location, at.uploads)
        await request(
            "PUT",
            f"{path}{'&' if '?' in path else '?'}{digest}",
            category="write",
            expect=(201,),
            data=blob.data,
            fields=OCTETS,
            credentials=at.scope,
        )

    async def mount_blob(self, repository: str, source: str, digest: str) -> bool:
        """Let a repository have a blob of the repository ``source`` without its bytes; whether the registry did."""
        answer = await self._transport.request(
            "POST",
            f"{self._repository(repository).uploads}?mount={digest}&from={quote(source, safe='/')}",
            category="write",
            expect=(201, 202),  # 202: it began an upload instead, which is left to the registry to end
            credentials=self._mounting(repository, source),
        )
        return answer.status == 201

    async def delete_blob(self, repository: str, digest: str) -> None:
        """Delete a blob; one that is not there is fine. RegistryError where the registry deletes none."""
        at = self._repository(repository)
        try:
            answer = await self._transport.request(
                "DELETE",
                at.blobs + digest,
                category="delete",
                expect=(200, 202, 204, 404, 405),
                credentials=at.scope,
            )
        except RegistryError as error:
            raise RegistryError(
                f"{error} Images of the kind missing-blob need the right to delete: on Azure the role AcrDelete (in "
                "ABAC mode Container Registry Repository Contributor)."
            ) from error
        if answer.status == 405:
            raise RegistryError(
                f"The registry {self.registry} deletes no blobs (405), without which images of the kind missing-blob "
                "cannot be made. Allow deletion there, or leave the kind out of scenario.negatives."
            )

    async def put_manifest(self, repository: str, reference: str, manifest: Content) -> bool:
        """Push by tag or digest; whether the registry will list it as a referrer of its subject."""
        at = self._repository(repository)
        answer = await self._transport.request(
            "PUT",
            at.manifests + reference,
            category="write",
            expect=(201,),
            data=manifest.data,
            fields=_content_type(manifest.descriptor.media_type),
            credentials=at.scope,
        )
        return b"oci-subject" in answer.fields

    async def head_manifest(self, repository: str, reference: str) -> str | None:
        """The digest that the registry states for a tag, None if there is no such manifest."""
        answer = await self._manifest("HEAD", repository, reference)
        return None if answer.status == 404 else answer.header("docker-content-digest")

    async def get_manifest(self, repository: str, reference: str) -> Content | None:
        """The manifest as it is stored; its digest is computed from what came."""
        answer = await self._manifest("GET", repository, reference)
        if answer.status == 404:
            return None
        return Content.of(answer.header("content-type") or IMAGE_MANIFEST, answer.body)

    async def _manifest(self, method: str, repository: str, reference: str) -> Answer:
        at = self._repository(repository)

        def whole(answer: Answer) -> str | None:
            named = reference if DIGEST.fullmatch(reference) else answer.header("docker-content-digest")
            return None if answer.status == 404 or is_of(answer.body, named) else f"sent what is not {quoted(named)}"

        return await self._transport.request(
            method,
            at.manifests + reference,
            category="read",
            expect=(200, 404),
            fields=MANIFESTS,
            credentials=at.scope,
            check=whole if method == "GET" else None,
        )

    async def delete_manifest(self, repository: str, digest: str) -> None:
        """Delete a manifest and its tags; one that is not there is fine."""
        at = self._repository(repository)
        answer = await self._transport.request(
            "DELETE", at.manifests + digest, category="delete", expect=(200, 202, 404, 405), credentials=at.scope
        )
        if answer.status == 405:
            raise RegistryError(
                f"The registry {self.registry} deletes no manifests (405). Allow deletion there, or start with an "
                "empty repository."
            )

    async def repositories(self) -> list[str] | None:
        """Every repository; None where the registry does not tell, or not to whoever asks."""
        try:
            pages = await self._pages("/v2/_catalog", self._transport.scope("registry:catalog:*"), "read")
        except RegistryError:
            return None
        return None if pages is None else [name for page in pages for name in page.get("repositories") or ()]

    async def tags(self, repository: str) -> list[str] | None:
        """Every tag of a repository; None if there is no such repository."""
        at = self._repository(repository)
        pages = await self._pages(at.tags, at.scope, "read")
        return None if pages is None else [tag for page in pages for tag in page.get("tags") or ()]

    async def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """The descriptors of everything that has the manifest ``digest`` as its subject."""
        if self._referrers_api:
            at = self._repository(repository)
            path = at.referrers + digest
            pages = await self._pages(path, at.scope, "list_referrers")
            if pages is not None:
                return [entry for page in pages for entry in descriptors(page, self.registry, path)]
        tag = _referrers_tag(digest)
        index = await self.get_manifest(repository, tag)
        if index is None:
            return []
        self._referrers_api = False  # nobody writes such a tag where there is the API
        return descriptors(read_object(index.data), self.registry, f"{repository}:{tag}")

    async def put_referrers(self, repository: str, digest: str, entries: Iterable[dict[str, Any]]) -> None:
        """Write the list of referrers of ``digest`` where the registry keeps none itself.

        It replaces the list: whoever adds to it passes what ``referrers`` gave as well.
        """
        self._referrers_api = False
        index = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": list(entries)}
        await self.put_manifest(repository, _referrers_tag(digest), Content.of_json(IMAGE_INDEX, index))

    async def _pages(self, path: str, scope: Scope | None, category: Category) -> list[dict[str, Any]] | None:
        """All pages of a list, following the links; None if there is no such list."""
        pages: list[dict[str, Any]] = []
        following: str | None = path
        seen: set[str] = set()
        while following is not None:
            if following in seen:
                raise RegistryError(
                    f"The registry {self.registry} answered {path} with the same page again and again. It does not "
                    "keep to the distribution specification."
                )
            seen.add(following)
            answer = await self._transport.request(
                "GET", following, category=category, expect=(200, 404), credentials=scope, check=list_problem
            )
            if answer.status == 404:
                return None
            document = read_object(answer.body)
            pages.append(document or {})
            link = next_page(answer)
            following = self._transport.path(link, following) if link else None
        return pages

    def _parsed(self, repository: str) -> _Repository:
        name = quote(Container(f"{self.registry}/{repository}").api_prefix, safe="/")
        base = f"/v2/{name}"
        return _Repository(
            blobs=f"{base}/blobs/",
            uploads=f"{base}/blobs/uploads/",
            manifests=f"{base}/manifests/",
            tags=f"{base}/tags/list",
            referrers=f"{base}/referrers/",
            scope=self._transport.scope(_scope(repository)),
        )


def _scope(repository: str) -> str:
    """What the one token for a repository covers."""
    return f"repository:{repository}:pull,push,delete,metadata_read"


@lru_cache(64)
def _content_type(media_type: str) -> bytes:
    return f"content-type: {media_type}\r\n".encode()


def _referrers_tag(digest: str) -> str:
    """The tag of the list in the referrers tag schema (distribution spec 1.1)."""
    return digest.replace(":", "-")

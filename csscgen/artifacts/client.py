"""A registry, as far as seeding needs it: blobs, manifests, tags, and the referrers of an image.

It speaks the OCI distribution specification 1.1, and falls back where a registry lacks a part of
it: to two requests for a blob where one is not taken, and to the referrers tag schema where there is
no referrers API. It exists because the bulk path of oras is sequential and gives up at a 429; oras
still parses references. It refuses hosts that are neither loopback nor named by the caller as the
stack's own, and those that everybody shares, whoever names them: load goes to nobody else's registry.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import orjson
from oras.container import Container  # type: ignore[import-untyped]
from yarl import URL

from analysis.shapes import Fault, entries, fault, items, maybe, text, values
from csscgen.artifacts.descriptors import IMAGE_INDEX, IMAGE_MANIFEST, Content
from csscgen.artifacts.logins import LoginSource
from csscgen.artifacts.transport import Answer, Traffic, Transport
from workloads.errors import RegistryError, UsageError, named, quoted
from workloads.registries import Category, Limit, is_loopback, public_host

CONCURRENCY = 32
"""Requests at a time; more gain nothing against one registry and cost memory."""
PATIENCE = 300.0
"""Seconds that one request waits in all for a registry that answers 429."""
SINGLE_POST_LIMIT = 64 * 1024
"""Blobs above this size, in bytes, always take two requests: a registry that refuses the one with
the blob in it need not read it, and may cut the connection."""
LONGEST_HOST = 253
"""Characters of a name of the DNS."""
ADDRESS = re.compile(r"(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(:(?P<port>[0-9]{1,5}))?", re.IGNORECASE)


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


class RegistryClient:
    """An async context manager for one registry, given as ``host`` or ``host:port``.

    Plain HTTP on loopback, HTTPS with verification otherwise. ``logins`` are those who ask, in turn; none for a
    registry that asks for no login. ``limits`` is what it admits in a minute, which is never asked for more. Every
    method raises RegistryError when the registry refuses for good or cannot be reached.
    """

    def __init__(
        self,
        registry: str,
        *,
        allowed: Collection[str] = (),
        concurrency: int = CONCURRENCY,
        patience: float = PATIENCE,
        logins: Sequence[LoginSource] = (),
        limits: Mapping[Category, Limit] | None = None,
    ) -> None:
        base = own_registry(registry, allowed)
        self.registry = registry
        self._transport = Transport(base, concurrency=concurrency, patience=patience, logins=logins)
        self.limits = limits
        self._single_post = True
        self._referrers_api = True
        self._container = cache(lambda repository: Container(f"{registry}/{repository}"))
        self._scheme = base.scheme

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
        url = self._url(self._container(repository).get_blob_url(digest))
        # 307: some registries keep blobs elsewhere, and say where only for those that they have.
        answer = await self._transport.request("HEAD", url, expect=(200, 307, 404), scope=_scope(repository))
        return answer.status != 404

    async def upload_blob(self, repository: str, blob: Content) -> None:
        """One request where the registry takes it, else a second one to where it says."""
        scope = _scope(repository)
        uploads = self._url(self._container(repository).upload_blob_url())
        digest = f"digest={quote(blob.descriptor.digest, safe='')}"
        headers = {"Content-Type": "application/octet-stream"}
        if self._single_post and len(blob.data) <= SINGLE_POST_LIMIT:
            answer = await self._transport.request(
                "POST", f"{uploads}?{digest}", expect=(201, 202), data=blob.data, headers=headers, scope=scope
            )
            if answer.status == 201:
                return
            self._single_post = False
        else:
            answer = await self._transport.request("POST", uploads, expect=(202,), scope=scope)
        location = answer.headers.get("Location")
        if location is None:
            raise RegistryError(
                f"The registry {self.registry} began an upload to {repository} and did not say "
                "where it goes (no Location). It does not keep to the distribution specification."
            )
        target = f"{location}{'&' if '?' in location else '?'}{digest}"
        await self._transport.request("PUT", target, expect=(201,), data=blob.data, headers=headers, scope=scope)

    async def mount_blob(self, repository: str, source: str, digest: str) -> bool:
        """Let a repository have a blob of the repository ``source`` without its bytes; whether the registry did."""
        url = self._url(self._container(repository).upload_blob_url())
        query = f"mount={quote(digest, safe='')}&from={quote(source, safe='/')}"
        scope = f"{_scope(repository)} repository:{source}:pull"
        # 202: it began an upload instead, which is left to the registry to end.
        answer = await self._transport.request("POST", f"{url}?{query}", expect=(201, 202), scope=scope)
        return answer.status == 201

    async def delete_blob(self, repository: str, digest: str) -> None:
        """Delete a blob; one that is not there is fine. RegistryError where the registry deletes none."""
        url = self._url(self._container(repository).get_blob_url(digest))
        try:
            answer = await self._transport.request(
                "DELETE", url, expect=(200, 202, 204, 404, 405), scope=_scope(repository)
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
        answer = await self._transport.request(
            "PUT",
            self._url(self._container(repository).manifest_url(reference)),
            expect=(201,),
            data=manifest.data,
            headers={"Content-Type": manifest.descriptor.media_type},
            scope=_scope(repository),
        )
        return "OCI-Subject" in answer.headers

    async def head_manifest(self, repository: str, reference: str) -> str | None:
        """The digest that the registry states for a tag, None if there is no such manifest."""
        answer = await self._manifest("HEAD", repository, reference)
        return None if answer.status == 404 else answer.headers.get("Docker-Content-Digest")

    async def get_manifest(self, repository: str, reference: str) -> Content | None:
        """The manifest as it is stored; its digest is computed from what came."""
        answer = await self._manifest("GET", repository, reference)
        if answer.status == 404:
            return None
        return Content.of(answer.headers.get("Content-Type", IMAGE_MANIFEST), answer.body)

    async def _manifest(self, method: str, repository: str, reference: str) -> Answer:
        return await self._transport.request(
            method,
            self._url(self._container(repository).manifest_url(reference)),
            expect=(200, 404),
            headers={"Accept": f"{IMAGE_MANIFEST}, {IMAGE_INDEX}"},
            scope=_scope(repository),
        )

    async def delete_manifest(self, repository: str, digest: str) -> None:
        """Delete a manifest and its tags; one that is not there is fine."""
        url = self._url(self._container(repository).manifest_url(digest))
        answer = await self._transport.request("DELETE", url, expect=(200, 202, 404, 405), scope=_scope(repository))
        if answer.status == 405:
            raise RegistryError(
                f"The registry {self.registry} deletes no manifests (405). Allow deletion there, or start with an "
                "empty repository."
            )

    async def tags(self, repository: str) -> list[str] | None:
        """Every tag of a repository; None if there is no such repository."""
        url = self._url(self._container(repository).tags_url())
        pages = await self._pages(url, repository)
        return None if pages is None else [tag for page in pages for tag in page.get("tags") or ()]

    async def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """The descriptors of everything that has the manifest ``digest`` as its subject."""
        if self._referrers_api:
            url = self._url(f"{self.registry}/v2/{repository}/referrers/{digest}")
            pages = await self._pages(url, repository)
            if pages is not None:
                return [entry for page in pages for entry in self._descriptors(page, url)]
        tag = _referrers_tag(digest)
        index = await self.get_manifest(repository, tag)
        if index is None:
            return []
        self._referrers_api = False  # nobody writes such a tag where there is the API
        document = self._document(index.data, f"{repository}:{tag}")
        return self._descriptors(document, f"{repository}:{tag}")

    async def put_referrers(self, repository: str, digest: str, entries: Iterable[dict[str, Any]]) -> None:
        """Write the list of referrers of ``digest`` where the registry keeps none itself.

        It replaces the list: whoever adds to it passes what ``referrers`` gave as well.
        """
        self._referrers_api = False
        index = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": list(entries)}
        await self.put_manifest(repository, _referrers_tag(digest), Content.of_json(IMAGE_INDEX, index))

    async def _pages(self, url: str, repository: str) -> list[dict[str, Any]] | None:
        """All pages of a list, following the links; None if there is no such list."""
        pages: list[dict[str, Any]] = []
        following: URL | str | None = url
        seen: set[str] = set()
        while following is not None:
            if str(following) in seen:
                raise RegistryError(
                    f"The registry {self.registry} answered {url} with the same page again and again. It does not "
                    "keep to the distribution specification."
                )
            seen.add(str(following))
            answer = await self._transport.request("GET", following, expect=(200, 404), scope=_scope(repository))
            if answer.status == 404:
                return None
            pages.append(self._document(answer.body, following))
            following = answer.next
        return pages

    def _document(self, body: bytes, source: URL | str) -> dict[str, Any]:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise RegistryError(
                f"The registry {self.registry} answered {source} with something that is not a JSON "
                "object. It does not keep to the distribution specification, or is no registry."
            )
        return document

    def _descriptors(self, index: dict[str, Any], source: str) -> list[dict[str, Any]]:
        if problem := INDEX(index):
            raise RegistryError(
                f"The registry {self.registry} answered {source} with something that is not an index: {problem}. "
                "It does not keep to the distribution specification."
            )
        found: list[dict[str, Any]] = index.get("manifests") or []
        return found

    def _url(self, address: str) -> str:
        return f"{self._scheme}://{address}"


def own_registry(registry: str, allowed: Collection[str] = ()) -> URL:
    """The origin of a registry that load may go to; UsageError for any other.

    ``allowed`` has the hosts of the stack's own registries, spelled as ``registry`` is.
    """
    match = ADDRESS.fullmatch(registry)
    if match is None or int(match["port"] or 0) > 65535 or len(match["host"]) > LONGEST_HOST:
        told = registry.rpartition("@")[2]  # somebody may have put a password before the host
        raise UsageError(f"{quoted(told)} is not the address of a registry. Give a host, or host:port.")
    if is_loopback(match["host"]):
        return URL(f"http://{registry}")
    if public_host(registry):
        raise UsageError(
            f"The registry {named(registry)} is one that everybody shares: no place for load, name your own."
        )
    if registry in allowed:
        return URL(f"https://{registry}")
    own = ", ".join(sorted(allowed)) or "none beside those on loopback"
    raise UsageError(
        f"The registry {named(registry)} is not one of this stack's registries ({own}), and load goes to no other. "
        "Name a registry of the stack."
    )


def _scope(repository: str) -> str:
    """What the one token for a repository covers."""
    return f"repository:{repository}:pull,push,delete,metadata_read"


def _referrers_tag(digest: str) -> str:
    """The tag of the list in the referrers tag schema (distribution spec 1.1)."""
    return digest.replace(":", "-")

"""The Kubernetes API as the harness uses it: bulk reads, watches and creates over a few connections, JSON as it comes.

Requests are made with aiohttp, and not with the official client, because a watch of 20,000 pods must not be decoded
into model classes; who one is, is a kubeconfig's login (kubeconfigs.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import aiohttp
import orjson

from csscgen.kubeconfigs import Login
from csscgen.objects import UNFIT, Bookmark, Failure, Form, Object, decoded, lines, pages, told, unfit
from workloads.errors import ClusterError, brief

LIST_LIMIT = 500
WATCH_SECONDS = 300
REQUEST_SECONDS = 70
"""How long an answer is waited for; the API server itself gives a request up after 60."""
GONE = 410
TOO_MANY_REQUESTS = 429
MAX_FAILURES = 20
PAUSE_SECONDS = 0.05
LONGEST_LINE = 1 << 26
"""Bytes of a watch's line; etcd takes no object of more than 2^21."""


class ApiError(ClusterError):
    """The API server answered with an error status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Event(NamedTuple):
    """What a watch tells."""

    kind: str
    """``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``."""
    object: dict[str, Any]
    received: float
    """When its last byte came, epoch seconds by this machine's clock, before it was decoded."""


class Cluster:
    """A connection to one cluster; use it as an async context manager."""

    def __init__(self, kubeconfig: str) -> None:
        """``kubeconfig`` is its text. Raises ClusterError if it cannot be used."""
        self.login = Login(kubeconfig)
        self.server = self.login.server
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # A watch is ended by the server after WATCH_SECONDS; one that is silent for longer has lost its server.
        self._session = self.login.open(
            aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=WATCH_SECONDS + 30)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def request(
        self, method: str, path: str, body: object = None, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """One request; the answer as JSON. Raises ApiError for an error status, ClusterError if there is no answer."""
        text = await self._answer(method, path, body, params)
        answer = decoded(text)
        if answer is None:
            raise ClusterError(
                f"The API server at {self.server} answered {method} {path} with what is no JSON object: "
                f"{told(answer, text)!r}. Check that it is one."
            )
        return answer

    async def list(self, path: str, params: Mapping[str, str], form: Form = Object) -> tuple[list[dict[str, Any]], str]:
        """All items of a collection, page by page, and the resource version that a watch goes on from.

        Raises ApiError(410) if that took so long that the next page is gone, ClusterError for what is no list.
        """
        items: list[dict[str, Any]] = []
        page = {**params, "limit": str(LIST_LIMIT)}
        while True:
            text = await self._answer("GET", path, None, page)
            try:
                found = pages(form).decode(text)
            except UNFIT as error:
                raise ClusterError(
                    f"The API server at {self.server} answered GET {path} with what is no list: {unfit(error, text)}. "
                    "Check that it is one."
                ) from error
            items += found.items or ()
            token = found.metadata.get("continue")
            if not token:
                return items, found.metadata["resourceVersion"]
            if token == page.get("continue"):
                raise ClusterError(f"The API server at {self.server} lists the same page of {path} again and again.")
            page["continue"] = token

    async def watch(
        self, path: str, params: Mapping[str, str], version: str, form: Form = Object
    ) -> AsyncIterator[Event]:
        """The events after ``version`` until the server ends the watch.

        Raises ApiError(410) if ``version`` is too old, ClusterError for a line that is no event.
        """
        asked = {
            **params,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        decode = lines(form).decode
        async with self._get(path, asked) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                received = time.time()
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    try:
                        event = decode(line)
                    except UNFIT as error:
                        raise ClusterError(
                            f"The watch of {path} at {self.server} sent what is no event: {unfit(error, line)}."
                        ) from error
                    if isinstance(event, Failure):
                        raise ApiError(str(event.object.get("message")), event.object.get("code") or 500)
                    kind = "BOOKMARK" if isinstance(event, Bookmark) else type(event).__name__
                    yield Event(kind, event.object, received)
                if len(rest) > LONGEST_LINE:
                    raise ClusterError(f"The watch of {path} at {self.server} sent a line that does not end.")

    async def read(self, path: str, params: Mapping[str, str], seconds: float) -> AsyncGenerator[bytes, None]:
        """What a path answers that is no JSON, piece by piece.

        Raises ApiError for an error status, ClusterError if the answer breaks off or is not through after ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds), self._get(path, params) as response:
                async for chunk in response.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterError(
                f"The API server at {self.server} did not answer GET {path} to its end: {brief(error)}."
            ) from error

    @asynccontextmanager
    async def _get(self, path: str, params: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read as it comes. Raises ApiError for an error status."""
        assert self._session is not None
        url, headers = f"{self.server}{path}", self.login.headers()
        async with self._session.get(url, params=params, headers=headers, allow_redirects=False) as response:
            if response.status >= 300:
                text = await response.read()
                raise ApiError(told(decoded(text), text), response.status)
            yield response

    async def _answer(self, method: str, path: str, body: object, params: Mapping[str, str] | None) -> bytes:
        """The answer's body. Raises ApiError for an error status, ClusterError if there is no answer."""
        assert self._session is not None
        headers = {**self.login.headers(), **({"Content-Type": "application/json"} if body is not None else {})}
        data = orjson.dumps(body) if body is not None else None
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=10)
        url = f"{self.server}{path}"
        try:
            async with self._session.request(
                method, url, data=data, params=params, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                text = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterError(
                f"The API server at {self.server} did not answer {method} {path}: {brief(error)}. Check that it runs."
            ) from error
        if response.status >= 300:
            raise ApiError(told(decoded(text), text), response.status)
        return text


OnEvent = Callable[[str, dict[str, Any], float], None]


class Watcher:
    """LIST, then WATCH for as long as it is awaited: resumed where it broke off, listed anew when that is too old.

    ``on_event`` is called with ``LISTED`` and the object for what was there at the first LIST, from then on with
    ``ADDED``, ``MODIFIED`` or ``DELETED``; after a second LIST with what the watch has missed. Of an object that went
    meanwhile only its uid and name are told. The third argument is when it was received (:class:`Event`).
    """

    def __init__(self, cluster: Cluster, path: str, params: Mapping[str, str], form: Form = Object) -> None:
        self.relists = 0
        """How often the watch had to start again from a LIST."""
        self.interruptions = 0
        """How often it, or a LIST, was refused or broke off for another reason, and was gone on with."""
        self._cluster = cluster
        self._path = path
        self._params = params
        self._form = form
        self._known: dict[str, str] = {}
        """The name of each object that is there, by its uid."""
        self.listed = asyncio.Event()
        """Set once the first LIST is through: from here on nothing is missed."""

    async def run(self, on_event: OnEvent) -> None:
        """Watches until cancelled. Raises ApiError if the API server refuses, ClusterError if it stays away."""
        version: str | None = None
        failures = 0
        while True:
            try:
                if version is None:
                    version = await self._relist(on_event)
                    failures = 0
                    self.listed.set()
                async for kind, item, received in self._cluster.watch(self._path, self._params, version, self._form):
                    version = item["metadata"]["resourceVersion"]
                    failures = 0
                    if kind != "BOOKMARK":
                        self._tell(on_event, kind, item, received)
                await asyncio.sleep(
                    PAUSE_SECONDS
                )  # so that a server that ends every watch at once is not asked on and on
            except (aiohttp.ClientError, ClusterError, TimeoutError) as error:
                code = error.code if isinstance(error, ApiError) else None
                if code == GONE:
                    version = None
                    self.relists += 1
                else:
                    self.interruptions += 1
                if code is not None and code != GONE and code != TOO_MANY_REQUESTS and code < 500:
                    raise ApiError(
                        f"The API server refuses the watch of {self._path} with {code}: {brief(error)}.", code
                    ) from error
                failures += 1
                if failures > MAX_FAILURES:
                    raise ClusterError(f"The watch of {self._path} broke off for good: {brief(error)}.") from error
                await asyncio.sleep(min(PAUSE_SECONDS * 2**failures, 2))

    async def _relist(self, on_event: OnEvent) -> str:
        items, version = await self._cluster.list(self._path, self._params, self._form)
        received = time.time()
        found = {item["metadata"]["uid"]: item for item in items}
        for uid, name in list(self._known.items()):
            if uid not in found:
                self._tell(on_event, "DELETED", {"metadata": {"uid": uid, "name": name}}, received)
        for uid, item in found.items():
            kind = "MODIFIED" if uid in self._known else "ADDED" if self.listed.is_set() else "LISTED"
            self._tell(on_event, kind, item, received)
        return version

    def _tell(self, on_event: OnEvent, kind: str, item: dict[str, Any], received: float) -> None:
        metadata = item["metadata"]
        if kind == "DELETED":
            self._known.pop(metadata["uid"], None)
        else:
            self._known[metadata["uid"]] = metadata["name"]
        on_event(kind, item, received)

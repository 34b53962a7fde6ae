"""The Kubernetes API as the harness uses it: bulk reads, watches and creates over a few connections, JSON as it comes.

Requests are made with aiohttp, and not with the official client, because a watch of 20,000 pods must not be decoded
into model classes; who one is, is a kubeconfig's login (kubeconfigs.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import orjson

from csscgen.kubeconfigs import Login
from csscgen.objects import OBJECT, decoded, told
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
        assert self._session is not None
        headers = {**self.login.headers(), **({"Content-Type": "application/json"} if body is not None else {})}
        data = orjson.dumps(body) if body is not None else None
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=10)
        try:
            async with self._session.request(
                method,
                f"{self.server}{path}",
                data=data,
                params=params,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                text = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterError(
                f"The API server at {self.server} did not answer {method} {path}: {brief(error)}. Check that it runs."
            ) from error
        answer = decoded(text)
        if response.status >= 300:
            raise ApiError(told(answer, text), response.status)
        if answer is None:
            raise ClusterError(
                f"The API server at {self.server} answered {method} {path} with what is no JSON object: "
                f"{told(answer, text)!r}. Check that it is one."
            )
        return answer

    async def list(self, path: str, params: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
        """All items of a collection, page by page, and the resource version that a watch goes on from.

        Raises ApiError(410) if that took so long that the next page is gone, ClusterError for what is no list.
        """
        items: list[dict[str, Any]] = []
        page = {**params, "limit": str(LIST_LIMIT)}
        while True:
            answer = await self.request("GET", path, params=page)
            try:
                found = answer["items"] or []
                token, version = answer["metadata"].get("continue"), answer["metadata"]["resourceVersion"]
                sound = isinstance(version, str) and isinstance(token or "", str) and token != page.get("continue", "")
            except (KeyError, TypeError, AttributeError):
                sound = False
            if not sound or not isinstance(found, list):
                raise ClusterError(f"The API server at {self.server} answered GET {path} with what is no list.")
            if problem := next((told for item in found if (told := OBJECT(item))), None):
                raise ClusterError(f"The API server at {self.server} listed what is no object of {path}: {problem}.")
            items += found
            if not token:
                return items, version
            page["continue"] = token

    async def watch(self, path: str, params: Mapping[str, str], version: str) -> AsyncIterator[dict[str, Any]]:
        """The events after ``version`` until the server ends the watch; each has a type and an object with metadata.

        Raises ApiError(410) if ``version`` is too old, ClusterError for a line that is no event.
        """
        asked = {
            **params,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with self._get(path, asked) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield self._event(path, line)
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

    def _event(self, path: str, line: bytes) -> dict[str, Any]:
        try:
            event: dict[str, Any] = orjson.loads(line)
            if event["type"] == "ERROR":
                raise ApiError(str(event["object"].get("message")), int(event["object"].get("code") or 500))
            problem = None if event["type"] == "BOOKMARK" else OBJECT(event["object"])
            sound = isinstance(event["object"]["metadata"]["resourceVersion"], str)
        except (ValueError, KeyError, TypeError, AttributeError):
            problem, sound = None, False
        if problem or not sound:
            told = problem or f"{line[:80].decode(errors='replace')!r}"
            raise ClusterError(f"The watch of {path} at {self.server} sent what is no event: {told}.")
        return event


class Watcher:
    """LIST, then WATCH for as long as it is awaited: resumed where it broke off, listed anew when that is too old.

    ``on_event`` is called with ``LISTED`` and the object for what was there at the first LIST, from then on with
    ``ADDED``, ``MODIFIED`` or ``DELETED``; after a second LIST with what the watch has missed.
    """

    def __init__(self, cluster: Cluster, path: str, params: Mapping[str, str]) -> None:
        self.relists = 0
        """How often the watch had to start again from a LIST."""
        self.interruptions = 0
        """How often it, or a LIST, was refused or broke off for another reason, and was gone on with."""
        self._cluster = cluster
        self._path = path
        self._params = params
        self._known: dict[str, dict[str, Any]] = {}
        self.listed = asyncio.Event()
        """Set once the first LIST is through: from here on nothing is missed."""

    async def run(self, on_event: Any) -> None:
        """Watches until cancelled. Raises ApiError if the API server refuses, ClusterError if it stays away."""
        version: str | None = None
        failures = 0
        while True:
            try:
                if version is None:
                    version = await self._relist(on_event)
                    failures = 0
                    self.listed.set()
                async for event in self._cluster.watch(self._path, self._params, version):
                    version = event["object"]["metadata"]["resourceVersion"]
                    failures = 0
                    if event["type"] != "BOOKMARK":
                        self._tell(on_event, event["type"], event["object"])
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

    async def _relist(self, on_event: Any) -> str:
        items, version = await self._cluster.list(self._path, self._params)
        found = {item["metadata"]["uid"]: item for item in items}
        for uid, item in list(self._known.items()):
            if uid not in found:
                self._tell(on_event, "DELETED", item)
        for uid, item in found.items():
            kind = "MODIFIED" if uid in self._known else "ADDED" if self.listed.is_set() else "LISTED"
            self._tell(on_event, kind, item)
        return version

    def _tell(self, on_event: Any, kind: str, item: dict[str, Any]) -> None:
        self._remember(kind, item)
        on_event(kind, item)

    def _remember(self, kind: str, item: dict[str, Any]) -> None:
        """Keeps what tells an object apart, and not the object: 20,000 pods would be 300 MB."""
        metadata = item["metadata"]
        if kind == "DELETED":
            self._known.pop(metadata["uid"], None)
        else:
            kept = {key: metadata.get(key) for key in ("uid", "name", "namespace", "labels", "creationTimestamp")}
            self._known[metadata["uid"]] = {"metadata": kept}

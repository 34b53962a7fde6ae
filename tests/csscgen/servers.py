"""A small API server and metrics pages on loopback, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from workloads.ratify.objects import Plan

Server = TypeVar("Server", bound=AbstractAsyncContextManager[Any])
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
PODS = "/api/v1/pods"


def plan(**changes: Any) -> Plan:
    """One Deployment of three pods, unless told otherwise."""
    values: dict[str, Any] = {
        "kind": "deployment",
        "shards": 1,
        "replicas": 3,
        "containers": 1,
        "signatures": 1,
        "namespaces": 1,
        "unique_images": False,
        "job_seconds": 1,
        "run_id": "run-1",
    }
    return Plan(**(values | changes))


def kubeconfig(server: str, token: str | None = None) -> str:
    """The text of a kubeconfig for an API server at ``server``."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": token} if token else {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def status(code: int, message: str) -> web.Response:
    """An error as the API server tells it."""
    return web.json_response({"kind": "Status", "code": code, "message": message}, status=code)


def listed(*items: dict[str, Any], **metadata: Any) -> web.Response:
    """A page of a LIST, whose objects have a version."""
    found = [{**item, "metadata": {"resourceVersion": "1", **item["metadata"]}} for item in items]
    page = {"metadata": {"resourceVersion": "1", **metadata}, "items": found}
    return web.Response(body=orjson.dumps(page), content_type="application/json")


def event(kind: str, item: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return orjson.dumps({"type": kind, "object": item}) + b"\n"


@dataclass
class ApiServer:
    """LIST and WATCH of collections, and creates; an async context manager.

    ``items`` are what a LIST gives. Each WATCH of a path takes the next of its ``watches``: bytes are sent and then the
    watch ends, a response is the answer. When there are none left a watch stays open, and sends what is put into
    ``later``.
    """

    items: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    watches: dict[str, list[list[bytes] | web.Response]] = field(default_factory=lambda: defaultdict(list))
    later: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[str, list[web.Response]] = field(default_factory=lambda: defaultdict(list))
    """Answers to LISTs of a path before the true ones."""
    pages: dict[str, Answer] = field(default_factory=dict)
    """What is answered at paths that are no collection: what the API server proxies, logs, its version."""
    on_create: Answer | None = None
    on_delete: Answer | None = None
    deleted: list[str] = field(default_factory=list)
    """The path of every object that was to be deleted."""
    version: int = 100
    lists: list[dict[str, str]] = field(default_factory=list)
    watched: list[dict[str, str]] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Every path that was got."""

    async def __aenter__(self) -> ApiServer:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._get)
        app.router.add_post("/{path:.*}", self._post)
        app.router.add_delete("/{path:.*}", self._delete)
        self._closing = asyncio.Event()
        self._server = TestServer(app, host="127.0.0.1")
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    @property
    def kubeconfig(self) -> str:
        return kubeconfig(self.url)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        self.asked.append(request.path)
        if page := self.pages.get(request.path):
            return await page(request)
        if request.query.get("watch"):
            return await self._watch(request)
        if "limit" not in request.query:
            return status(404, f"there is nothing at {request.path}")
        self.lists.append({"path": request.path, **request.query})
        if self.faults[request.path]:
            return self.faults[request.path].pop(0)
        begin, size = int(request.query.get("continue", 0)), int(request.query["limit"])
        found = self.items[request.path]
        metadata: dict[str, Any] = {"resourceVersion": str(self.version)}
        if begin + size < len(found):
            metadata |= {"continue": str(begin + size), "remainingItemCount": len(found) - begin - size}
        return listed(*found[begin : begin + size], **metadata)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watched.append({"path": request.path, **request.query})
        script = self.watches[request.path].pop(0) if self.watches[request.path] else None
        if isinstance(script, web.Response):
            return script
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in script or ():
            await response.write(chunk)
            await asyncio.sleep(0.005)
        while script is None and not self._closing.is_set():
            while self.later[request.path]:
                await response.write(self.later[request.path].pop(0))
            await asyncio.sleep(0.01)
        return response

    async def _post(self, request: web.Request) -> web.StreamResponse:
        self.created.append({"path": request.path, **request.query, "body": await request.json()})
        if self.on_create is not None:
            return await self.on_create(request)
        return web.json_response({}, status=201)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self.deleted.append(request.path)
        return await self.on_delete(request) if self.on_delete is not None else web.json_response({})


@dataclass
class Pages:
    """Metrics pages by name; an async context manager. ``answers`` may be changed at any time."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def __aenter__(self) -> Pages:
        app = web.Application()
        app.router.add_get("/{name}", self._get)
        self._server = TestServer(app, host="127.0.0.1")
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def url(self, name: str) -> str:
        return str(self._server.make_url(f"/{name}"))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked[name] += 1
        return await self.answers[name](request)


def text(page: str, code: int = 200) -> Answer:
    """An answer that is always the same."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=page, status=code)

    return answer


@contextmanager
def in_background(server: Server) -> Iterator[Server]:
    """The server in a thread of its own, for what is called from code that is not asynchronous."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

"""What a registry does to requests, and that they outlast it: at random, for seconds, or for good."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from csscgen.artifacts import transport
from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.descriptors import IMAGE_LAYER, IMAGE_MANIFEST, Content
from infra.local.registry.protocol import Answer, Request
from infra.local.registry.server import Connection
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from tests.csscgen.artifacts.test_client import BLOB, REPOSITORY, first
from tests.csscgen.artifacts.test_logins import Emulated
from workloads.errors import RegistryError
from workloads.registries import CATEGORIES, Limit, RegistrySize

ANSWERS = {
    "429": Answer(429, [(b"retry-after", b"0")]),
    "500": Answer(500),
    "503": Answer(503),
    "401": Answer(401, [(b"www-authenticate", b'Bearer realm="http://HOST/oauth2/token",service="HOST"')]),
}
BROKEN = ("reset", "hung", "truncated")


class Unruly(Emulated):
    """An emulated registry that does to a share of the requests, at random, what registries do to requests."""

    share = 0.0
    away = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.random = random.Random(5)
        self.done: Counter[str] = Counter()

    def connection(self) -> Connection:
        there = self

        class Broken(Connection):
            def _write(self, pieces: list[bytes], close: bool) -> None:
                fate = there.fate(BROKEN)
                if there.away or fate == "reset":
                    self._transport.abort()
                elif fate == "truncated":
                    whole = b"".join(pieces)
                    self._transport.write(whole[: there.random.randrange(len(whole))])
                    self._transport.close()
                elif fate != "hung":
                    super()._write(pieces, close)

        return Broken(self._answer)

    def fate(self, kinds: tuple[str, ...]) -> str | None:
        if self.random.random() >= self.share / 2:
            return None
        kind = self.random.choice(kinds)
        self.done[kind] += 1
        return kind

    def _answer(self, request: Request) -> Answer:
        answer = ANSWERS.get(self.fate(tuple(ANSWERS)) or "")
        if answer is None:
            return super()._answer(request)
        fields = [(name, value.replace(b"HOST", self.host.encode())) for name, value in answer.headers]
        return Answer(answer.status, fields)


@asynchronous
async def test_a_registry_that_fails_a_fifth_of_all_requests_and_goes_away_twice_gets_all_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "BACKOFF", (0.02, 0.5))
    manifests = [Content.of_json(IMAGE_MANIFEST, {"schemaVersion": 2, "number": n, "config": None}) for n in range(150)]
    async with Unruly(tmp_path) as there:
        logins = [there.login(), there.login()]
        async with RegistryClient(there.host, logins=logins, timeout=0.3, concurrency=16) as client:
            there.share = 0.2

            async def push(number: int) -> None:
                blob = Content.of(IMAGE_LAYER, f"blob {number}".encode())
                repository = f"repository-{number % 3}"
                await client.upload_blob(repository, blob)
                assert await client.blob_exists(repository, blob.descriptor.digest)
                document = {
                    "schemaVersion": 2,
                    "mediaType": IMAGE_MANIFEST,
                    "config": blob.descriptor.as_json(),
                    "layers": [],
                }
                manifest = manifests[number] = Content.of_json(IMAGE_MANIFEST, document)
                await client.put_manifest(repository, str(number), manifest)

            async def absences() -> None:
                for _ in range(2):
                    await asyncio.sleep(0.5)
                    there.away = True
                    await asyncio.sleep(0.7)
                    there.away = False

            await asyncio.gather(absences(), *(push(number) for number in range(len(manifests))))
            for number, manifest in enumerate(manifests):
                assert await client.get_manifest(f"repository-{number % 3}", str(number)) == manifest
            tags = [tag for n in range(3) for tag in await client.tags(f"repository-{n}") or ()]
            assert sorted(tags, key=int) == [str(number) for number in range(len(manifests))]
            assert client.traffic.retries > 50 and client.traffic.throttled > 5
    assert set(there.done) == {*ANSWERS, *BROKEN}


@asynchronous
async def test_a_registry_is_waited_for_since_the_first_failure_and_for_its_budget(monkeypatch):
    monkeypatch.setattr(transport, "BACKOFF", (0.02, 0.1))
    async with FakeRegistry() as registry, RegistryClient(registry.host, budget=0.6) as client:
        await client.upload_blob(REPOSITORY, BLOB)
        ends = time.monotonic() + 0.4

        async def away(_: web.Request) -> web.Response | None:
            return web.Response(status=503) if time.monotonic() < ends else None

        registry.fault = away
        assert await client.blob_exists(REPOSITORY, BLOB.descriptor.digest)
        ends += 60
        started = time.monotonic()
        with pytest.raises(RegistryError, match=r"after \d+ attempts it answered 503"):
            await client.blob_exists(REPOSITORY, BLOB.descriptor.digest)
        assert 0.4 < time.monotonic() - started < 2


@asynchronous
async def test_a_wrong_port_is_told_soon(monkeypatch):
    monkeypatch.setattr(transport, "FIRST_BUDGET", 0.3)
    async with RegistryClient("127.0.0.1:1") as client:
        started = time.monotonic()
        with pytest.raises(RegistryError, match=r"after \d attempts the connection failed .*[Cc]onnect"):
            await client.tags(REPOSITORY)
        assert time.monotonic() - started < 1


@asynchronous
async def test_a_registry_that_hangs_is_asked_again_soon():
    hung = 0

    async def hang(_: web.Request) -> None:
        nonlocal hung
        hung += 1
        if hung == 1:
            await asyncio.sleep(5)

    async with FakeRegistry(fault=hang) as registry, RegistryClient(registry.host, timeout=0.1) as client:
        started = time.monotonic()
        await client.upload_blob(REPOSITORY, BLOB)
        assert time.monotonic() - started < 2
        assert client.traffic.retries == 1


@asynchronous
async def test_a_server_that_closes_idle_connections_costs_nobody_an_error():
    async def close(request: web.Request) -> None:
        transport = request.transport
        assert transport is not None
        asyncio.get_running_loop().call_later(0.02, transport.close)

    async with FakeRegistry(fault=close) as registry, RegistryClient(registry.host) as client:
        for _ in range(20):
            await client.upload_blob(REPOSITORY, BLOB)
            await asyncio.sleep(random.uniform(0.015, 0.025))
        assert registry.seen["POST blobs"] >= 20


@asynchronous
@pytest.mark.parametrize("wrong", [b"{", b"[]", b'{"tags": ["1"]', b""])
async def test_a_list_that_is_cut_short_is_asked_for_again(wrong):
    async with FakeRegistry() as registry, RegistryClient(registry.host) as client:
        await client.put_manifest(REPOSITORY, "1", Content.of_json(IMAGE_MANIFEST, {}))
        registry.fault = first(1, web.Response(status=200, body=wrong))
        assert await client.tags(REPOSITORY) == ["1"]
        assert client.traffic.retries == 1


@asynchronous
@pytest.mark.parametrize("by", ["digest", "tag"])
async def test_a_manifest_that_is_not_what_its_digest_says_is_asked_for_again(by):
    manifest = Content.of_json(IMAGE_MANIFEST, {"a": "b"})
    digest = manifest.descriptor.digest
    async with FakeRegistry() as registry, RegistryClient(registry.host, budget=0.1) as client:
        await client.put_manifest(REPOSITORY, "1", manifest)
        wrong = web.Response(status=200, body=b"{}", headers={"Docker-Content-Digest": digest})
        registry.fault = first(1, wrong)
        assert await client.get_manifest(REPOSITORY, digest if by == "digest" else "1") == manifest
        registry.fault = first(100, wrong)
        with pytest.raises(RegistryError, match=f"it sent what is not '{digest}"):
            await client.get_manifest(REPOSITORY, digest if by == "digest" else "1")


@asynchronous
async def test_a_429_closes_its_category_and_no_other():
    async def throttle(request: web.Request) -> web.Response | None:
        if request.method == "POST" and registry.seen["POST blobs"] == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return None

    async with FakeRegistry() as registry, RegistryClient(registry.host) as client:
        registry.fault = throttle
        started = time.monotonic()
        writing = asyncio.create_task(client.upload_blob(REPOSITORY, BLOB))
        while not client.traffic.throttled:
            await asyncio.sleep(0.01)
        assert not await client.blob_exists(REPOSITORY, BLOB.descriptor.digest)
        assert time.monotonic() - started < 0.9
        await writing
        assert client.traffic.throttled_s == pytest.approx(1, abs=0.2)


@asynchronous
async def test_limits_are_kept_and_the_waiting_counted():
    limits = {category: Limit(60) for category in CATEGORIES}
    async with FakeRegistry() as registry, RegistryClient(registry.host, limits=limits) as client:
        started = time.monotonic()
        await asyncio.gather(*(client.blob_exists(REPOSITORY, BLOB.descriptor.digest) for _ in range(60)))
        assert time.monotonic() - started > 0.5  # 59 at once: what is on the way is allowed for
        assert registry.seen["HEAD blobs"] == 60
        assert client.traffic.paced_s > 0.5 and client.traffic.throttled_s == 0


@asynchronous
async def test_identities_ask_in_turn_each_within_its_own_limits(tmp_path):
    limits = {category: Limit(1000, 20) for category in CATEGORIES}

    class Two(Emulated):
        def restart(self) -> None:
            self._size = RegistrySize("L", limits)
            super().restart()

    async with Two(tmp_path) as there:
        logins = [there.login("push"), there.login("pull")]
        async with RegistryClient(there.host, logins=logins, limits=limits) as client:
            for _ in range(35):
                await client.blob_exists("one", BLOB.descriptor.digest)
        used = [
            20 - buckets["read"].tokens(time.monotonic_ns()) for buckets in there.registry.throttle.identities.values()
        ]
        assert all(16 < each < 20 for each in used)
        assert client.traffic.throttled == 0


@asynchronous
@pytest.mark.parametrize(
    "target", ["http://[::1", "/a b", "/\u00e9", "//elsewhere.example/x", "ftp://HOST/", "http://HOST:1/"]
)
async def test_where_a_registry_sends_requests_is_checked(target):
    async with FakeRegistry(single_post=False) as registry, RegistryClient(registry.host) as client:
        location = target.replace("HOST", registry.host if target.startswith("ftp") else "127.0.0.1")
        registry.fault = first(1, web.Response(status=202, headers={"Location": location}))
        with pytest.raises(RegistryError, match="sent a request on to"):
            await client.upload_blob(REPOSITORY, BLOB)


@asynchronous
async def test_a_link_may_be_relative_and_stand_among_others():
    pages: list[Any] = [
        web.json_response({"tags": ["1"]}, headers={"Link": '<list?n=1>; rel="first", <list?last=1&n=1>; rel=next'}),
        web.json_response({"tags": ["2"]}, headers={"Link": "<list?x>; rel=prev"}),
    ]
    seen: list[str] = []

    async def page(request: web.Request) -> web.Response:
        seen.append(request.path_qs)
        answer: web.Response = pages.pop(0)
        return answer

    async with FakeRegistry(fault=page) as registry, RegistryClient(registry.host) as client:
        assert await client.tags("a") == ["1", "2"]
    assert seen == ["/v2/a/tags/list", "/v2/a/tags/list?last=1&n=1"]

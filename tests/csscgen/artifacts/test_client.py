from __future__ import annotations

import asyncio
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from csscgen.artifacts.addresses import own_registry
from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.descriptors import IMAGE_LAYER, IMAGE_MANIFEST, Content
from infra.local.certificates import authority
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from workloads.errors import RegistryError, UsageError

BLOB = Content.of(IMAGE_LAYER, b"a blob")
LARGE = Content.of(IMAGE_LAYER, b"x" * 100_000)
REPOSITORY = "2-containers-1-referrers"


def first(times: int, answer: web.Response):
    """A fault that answers the first requests, and lets the others through."""
    left = times

    async def fault(request: web.Request) -> web.Response | None:
        nonlocal left
        if left == 0:
            return None
        left -= 1
        headers = {**answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    return fault


@asynchronous
async def test_a_blob_takes_one_request_where_the_registry_allows_it():
    async with FakeRegistry() as registry, RegistryClient(registry.host) as client:
        assert not await client.blob_exists(REPOSITORY, BLOB.descriptor.digest)
        await client.upload_blob(REPOSITORY, BLOB)
        assert await client.blob_exists(REPOSITORY, BLOB.descriptor.digest)
        assert registry.seen["POST blobs"] == 1
        assert registry.seen["PUT blobs"] == 0


@asynchronous
async def test_a_blob_takes_two_requests_elsewhere_and_the_first_stays_empty_from_then_on():
    async with FakeRegistry(single_post=False) as registry, RegistryClient(registry.host) as client:
        await client.upload_blob(REPOSITORY, BLOB)
        await client.upload_blob(REPOSITORY, LARGE)
        assert registry.blobs[REPOSITORY, LARGE.descriptor.digest] == LARGE.data
        assert (registry.seen["POST blobs"], registry.seen["PUT blobs"]) == (2, 2)


@asynchronous
async def test_a_large_blob_is_not_sent_to_a_registry_that_may_not_read_it():
    async with FakeRegistry() as registry, RegistryClient(registry.host) as client:
        await client.upload_blob(REPOSITORY, LARGE)
        assert registry.seen["PUT blobs"] == 1


@asynchronous
async def test_a_manifest_is_found_by_tag_and_digest():
    manifest = Content.of_json(IMAGE_MANIFEST, {"schemaVersion": 2})
    async with FakeRegistry() as registry, RegistryClient(registry.host) as client:
        assert await client.head_manifest(REPOSITORY, "1") is None
        assert await client.get_manifest(REPOSITORY, "1") is None
        assert await client.put_manifest(REPOSITORY, "1", manifest) is False
        assert await client.head_manifest(REPOSITORY, "1") == manifest.descriptor.digest
        assert await client.get_manifest(REPOSITORY, manifest.descriptor.digest) == manifest


@asynchronous
async def test_lists_are_read_to_their_last_page():
    async with FakeRegistry(page_size=2) as registry, RegistryClient(registry.host) as client:
        for number in range(5):
            manifest = Content.of_json(IMAGE_MANIFEST, {"number": number})
            await client.put_manifest(REPOSITORY, str(number), manifest)
        assert await client.tags(REPOSITORY) == ["0", "1", "2", "3", "4"]
        assert registry.seen["GET tags"] == 3


@asynchronous
async def test_referrers_are_kept_by_tag_where_there_is_no_api():
    digest = BLOB.descriptor.digest
    async with (
        FakeRegistry(referrers_api=False) as registry,
        RegistryClient(registry.host) as client,
    ):
        assert await client.referrers(REPOSITORY, digest) == []
        await client.put_referrers(REPOSITORY, digest, [{"digest": digest}])
        assert await client.referrers(REPOSITORY, digest) == [{"digest": digest}]
        assert await client.tags(REPOSITORY) == [digest.replace(":", "-")]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_request_waits_as_long_as_the_registry_asks(form):
    @asynchronous
    async def scenario() -> None:
        # A date has no fraction, so two seconds from now it is between one and two away.
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        after = "1" if form == "seconds" else date
        throttle = first(1, web.Response(status=429, headers={"Retry-After": after}))
        async with (
            FakeRegistry(fault=throttle) as registry,
            RegistryClient(registry.host) as client,
        ):
            started = time.monotonic()
            await client.upload_blob(REPOSITORY, BLOB)
            assert time.monotonic() - started >= 1 - 0.02
            assert (client.traffic.throttled, client.traffic.retries) == (1, 0)
            assert client.traffic.requests == 2

    scenario()


@asynchronous
async def test_while_one_request_is_refused_no_other_is_sent():
    arrived: list[float] = []

    async def throttle(request: web.Request) -> web.Response | None:
        arrived.append(time.monotonic())
        if len(arrived) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return None

    async with FakeRegistry(fault=throttle) as registry, RegistryClient(registry.host) as client:
        refused = asyncio.create_task(client.blob_exists(REPOSITORY, "sha256:0"))
        while not client.traffic.throttled:
            await asyncio.sleep(0.01)
        await client.blob_exists(REPOSITORY, "sha256:1")
        await refused
        assert arrived[1] - arrived[0] >= 1 - 0.02


@asynchronous
async def test_a_registry_that_throttles_for_too_long_is_given_up():
    throttle = first(10**6, web.Response(status=429, headers={"Retry-After": "60"}))
    async with (
        FakeRegistry(fault=throttle) as registry,
        RegistryClient(registry.host, patience=30) as client,
    ):
        with pytest.raises(RegistryError, match="429 and would keep .* more than 30 seconds"):
            await client.upload_blob(REPOSITORY, BLOB)
        assert client.traffic.requests == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_transient_answer_is_outlasted(status):
    @asynchronous
    async def scenario() -> None:
        fault = first(2, web.Response(status=status))
        async with FakeRegistry(fault=fault) as registry, RegistryClient(registry.host) as client:
            await client.upload_blob(REPOSITORY, BLOB)
            assert client.traffic.retries == 2

    scenario()


@asynchronous
async def test_a_dropped_connection_is_outlasted():
    dropped = 0

    async def drop(request: web.Request) -> None:
        nonlocal dropped
        dropped += 1
        if dropped == 1:
            assert request.transport is not None
            request.transport.abort()

    async with FakeRegistry(fault=drop) as registry, RegistryClient(registry.host) as client:
        await client.upload_blob(REPOSITORY, BLOB)
        assert client.traffic.retries == 1


@asynchronous
async def test_a_registry_that_stays_broken_is_given_up():
    fault = first(10**6, web.Response(status=503))
    async with FakeRegistry() as registry, RegistryClient(registry.host, budget=0.1) as client:
        assert not await client.blob_exists(REPOSITORY, BLOB.descriptor.digest)
        registry.fault = fault
        with pytest.raises(RegistryError, match="after 5 attempts it answered 503"):
            await client.upload_blob(REPOSITORY, BLOB)
        assert (client.traffic.requests, client.traffic.retries) == (6, 4)


@asynchronous
async def test_a_refusal_is_final_and_told_in_the_registry_s_words():
    body = b'{"errors":[{"code":"DENIED","message":"not yours"}]}'
    fault = first(1, web.Response(status=403, body=body))
    async with FakeRegistry(fault=fault) as registry, RegistryClient(registry.host) as client:
        with pytest.raises(RegistryError, match=r"it answered 403 \(DENIED: not yours\)"):
            await client.upload_blob(REPOSITORY, BLOB)
        assert client.traffic.requests == 1


@asynchronous
@pytest.mark.parametrize("where", ["", "http://HOST"])
async def test_an_upload_goes_on_where_the_registry_says_with_its_address_or_without(where):
    async with FakeRegistry(single_post=False) as registry, RegistryClient(registry.host) as client:
        location = f"{where.replace('HOST', registry.host)}/v2/{REPOSITORY}/blobs/uploads/1?_state=a%3D%3D"
        registry.fault = first(1, web.Response(status=202, headers={"Location": location}))
        await client.upload_blob(REPOSITORY, BLOB)
        assert (REPOSITORY, BLOB.descriptor.digest) in registry.blobs


@asynchronous
async def test_a_blob_that_is_kept_elsewhere_is_there_and_not_fetched_from_there():
    """ACR answers a HEAD with 307 to its storage, where a request with its token would be refused."""
    elsewhere = {"Location": "http://storage.example/blob"}
    fault = first(1, web.Response(status=307, headers=elsewhere))
    async with FakeRegistry(fault=fault) as registry, RegistryClient(registry.host) as client:
        assert await client.blob_exists(REPOSITORY, BLOB.descriptor.digest)
        assert client.traffic.requests == 1


@asynchronous
async def test_a_registry_whose_certificate_nobody_vouches_for_is_not_talked_to(tmp_path, monkeypatch):
    """Only what is not on loopback is asked by HTTPS: the name of one that is stands for it."""
    name = "own.azurecr.example"
    key, certificate = authority("nobody").issue(name, dns=[name])
    (tmp_path / "both.pem").write_text(key + certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "both.pem")
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1000))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    def resolve(_host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    host = f"{name}:{port}"
    async with server, RegistryClient(host, allowed=[host], patience=0) as client:
        with pytest.raises(RegistryError, match="the connection failed .*certificate"):
            await client.blob_exists(REPOSITORY, BLOB.descriptor.digest)
    assert not any(seen)


@asynchronous
async def test_an_upload_is_not_sent_on_to_another_host():
    location = "http://registry.example/v2/x/blobs/uploads/1"
    fault = first(1, web.Response(status=202, headers={"Location": location}))
    async with FakeRegistry(fault=fault) as registry, RegistryClient(registry.host) as client:
        with pytest.raises(RegistryError, match=r"on to the host 'registry\.example'"):
            await client.upload_blob(REPOSITORY, BLOB)


@asynchronous
async def test_what_is_no_registry_is_told_so():
    fault = first(10**6, web.Response(status=200, body=b"<html>"))
    async with FakeRegistry(fault=fault) as registry, RegistryClient(registry.host, budget=0.1) as client:
        with pytest.raises(RegistryError, match="not a JSON object"):
            await client.tags(REPOSITORY)


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "[::1]:5000", "127.9.9.9"])
def test_loopback_is_always_allowed_by_plain_http(host):
    assert str(own_registry(host)).rstrip("/") == f"http://{host}"


def test_a_registry_of_the_stack_is_reached_by_https():
    own = own_registry("own.azurecr.example", ["own.azurecr.example"])
    assert str(own).rstrip("/") == "https://own.azurecr.example"


@pytest.mark.parametrize("host", ["mcr.microsoft.com", "docker.io", "index.docker.io:443", "GHCR.io"])
def test_a_registry_that_everybody_shares_is_refused_whoever_names_it(host):
    with pytest.raises(UsageError, match="is one that everybody shares: no place for load"):
        RegistryClient(host, allowed=[host])


@pytest.mark.parametrize("host", ["registry.example", "localhost.example:5000", "10.0.0.1:5000"])
def test_a_registry_of_somebody_else_is_refused(host):
    with pytest.raises(UsageError, match="not one of this stack's registries"):
        RegistryClient(host, allowed=["own.azurecr.example"])


@pytest.mark.parametrize(
    "host", ["", "a/b", "user:pass@127.0.0.1", "http://127.0.0.1", "127.0.0.1:x", "a b", ":5000", "127.0.0.1:65536"]
)
def test_what_is_no_address_is_refused(host):
    with pytest.raises(UsageError, match="is not the address of a registry") as caught:
        RegistryClient(host, allowed=[host])
    assert "pass" not in str(caught.value)

"""Logging in to a registry: against the emulator, in the same event loop, and against registries that misbehave."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest
from aiohttp import web

from csscgen.artifacts import transport
from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.descriptors import IMAGE_LAYER, Content
from csscgen.artifacts.logins import TOKEN_USER, Login, read_login
from csscgen.artifacts.seeder import seed
from csscgen.artifacts.targets import Target
from infra.local.registry.access import Access
from infra.local.registry.identities import Identity
from infra.local.registry.protocol import Answer, Request
from infra.local.registry.server import Connection
from infra.local.registry.service import Registry
from infra.local.registry.tokens import Tokens
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from workloads.errors import RegistryError, UsageError
from workloads.naming import ImageSet
from workloads.registries import CATEGORIES, Limit, RegistrySize

PASSWORD = "not-to-be-seen"
PUSH = Identity("push", frozenset({"pull", "push", "metadata_read"}), password=PASSWORD)
PULL = Identity("pull", frozenset({"pull"}), password=PASSWORD)
BLOB = Content.of(IMAGE_LAYER, b"a blob")


class Emulated:
    """An emulated registry with logins on a free port; an async context manager."""

    def __init__(self, folder: Path, *, seconds: float = 60, limit: int = 10**6) -> None:
        self._folder = folder
        self._seconds = seconds
        self._size = RegistrySize("L", {category: Limit(limit) for category in CATEGORIES})

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.connection, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.restart()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.01)
        self._server.close()

    def connection(self) -> Connection:
        return Connection(self._answer)

    def _answer(self, request: Request) -> Answer:
        return self.registry.answer(request)

    def restart(self) -> None:
        """Another process: what was issued before is worth nothing."""
        tokens = Tokens(self.host, self._seconds)
        access = Access({each.name: each for each in (PUSH, PULL)}, tokens, anonymous=False)
        self.registry = Registry(self._size, "eastus2", access=access)

    def login(self, user: str = "push", password: str = PASSWORD) -> Login:
        return read_login(config(self._folder, self.host, f"{user}:{password}"), self.host)

    def count(self, category: str) -> int:
        return sum(n for (what, _), n in self.registry.requests.items() if what == category)


def config(folder: Path, host: str, userinfo: str) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": {host: {"auth": b64encode(userinfo.encode()).decode()}}}))
    return file


@asynchronous
async def test_one_token_serves_all_requests_for_a_repository(tmp_path):
    async with Emulated(tmp_path) as there, RegistryClient(there.host, logins=[there.login()]) as client:
        for repository in ("one", "two"):
            await asyncio.gather(*(client.blob_exists(repository, BLOB.descriptor.digest) for _ in range(20)))
            await client.upload_blob(repository, BLOB)
        assert there.count("oauth") == 2


@asynchronous
async def test_images_are_seeded_through_a_login(tmp_path, signer, waiter):
    async with Emulated(tmp_path) as there:
        report = await seed([ImageSet(2, 2)], Target(there.host, logins=[there.login()]), signer=signer, waiter=waiter)
        assert (report.images, report.signatures, report.retries) == (2, 4, 0)


@asynchronous
async def test_a_token_is_renewed_before_it_expires(tmp_path):
    async with Emulated(tmp_path, seconds=1) as there, RegistryClient(there.host, logins=[there.login()]) as client:
        for _ in range(3):
            await client.blob_exists("one", BLOB.descriptor.digest)
            await asyncio.sleep(0.85)
        assert there.count("oauth") == 3
        assert there.registry.requests["read", 401] == 1  # the first, which asked for the login


@asynchronous
async def test_a_token_that_is_not_taken_any_more_is_replaced(tmp_path):
    async with Emulated(tmp_path) as there, RegistryClient(there.host, logins=[there.login()]) as client:
        await client.upload_blob("one", BLOB)
        there.restart()
        await asyncio.gather(*(client.upload_blob("one", BLOB) for _ in range(10)))
        assert there.count("oauth") == 1
        assert await client.blob_exists("one", BLOB.descriptor.digest)


@asynchronous
async def test_a_token_endpoint_that_throttles_is_waited_for(tmp_path):
    async with Emulated(tmp_path, limit=1) as there:
        there.registry.throttle.debit("oauth", None, 0)
        client = RegistryClient(there.host, logins=[there.login()], patience=1)
        async with client:
            with pytest.raises(RegistryError, match="answers 429"):
                await client.blob_exists("one", BLOB.descriptor.digest)
        assert client.traffic.throttled == 1


@asynchronous
@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        ("push", "wrong", r"GET /oauth2/token: it answered 401 \(UNAUTHORIZED"),
        ("nobody", PASSWORD, r"GET /oauth2/token: it answered 401 \(UNAUTHORIZED"),
        ("pull", PASSWORD, r"POST /v2/one/blobs/uploads/: it answered 403 \(DENIED"),
    ],
)
async def test_a_login_that_is_not_enough_is_told(tmp_path, user, password, said):
    async with (
        Emulated(tmp_path) as there,
        RegistryClient(there.host, logins=[there.login(user, password)]) as client,
    ):
        with pytest.raises(RegistryError, match=said) as raised:
            await client.upload_blob("one", BLOB)
        assert PASSWORD not in str(raised.value)


@asynchronous
async def test_a_login_without_the_right_to_delete_is_told_what_needs_it(tmp_path):
    async with Emulated(tmp_path) as there, RegistryClient(there.host, logins=[there.login()]) as client:
        await client.upload_blob("one", BLOB)
        with pytest.raises(RegistryError, match=r"it answered 40[13].* the kind missing-blob need the right to delete"):
            await client.delete_blob("one", BLOB.descriptor.digest)
        assert await client.blob_exists("one", BLOB.descriptor.digest)


@asynchronous
async def test_a_registry_that_asks_for_a_login_and_gets_none_is_told(tmp_path):
    async with Emulated(tmp_path) as there, RegistryClient(there.host) as client:
        with pytest.raises(RegistryError, match="it answered 401; it asks for a login, and there is none for it"):
            await client.blob_exists("one", BLOB.descriptor.digest)
        assert there.count("oauth") == 0


@asynccontextmanager
async def misbehaving(tmp_path: Path, challenge: str, token: web.Response | None = None):
    """A client of a registry whose logins are wrong, and every request that the registry saw."""
    seen: list[web.Request] = []

    async def fault(request: web.Request) -> web.Response:
        seen.append(request)
        if request.path.startswith("/v2/token/") and token is not None:
            return web.Response(status=token.status, body=token.body)
        return web.Response(status=401, headers={"WWW-Authenticate": challenge.replace("HOST", registry.host)})

    async with FakeRegistry(fault=fault) as registry:
        login = read_login(config(tmp_path, registry.host, f"push:{PASSWORD}"), registry.host)
        async with RegistryClient(registry.host, logins=[login]) as client:
            yield client, seen


@asynchronous
async def test_a_token_that_came_in_part_is_asked_for_again(tmp_path):
    """As a registry sends it that cuts an answer and states the length of what is left."""
    bodies = iter([b'{"access_token": "wh', b'{"access_token": "whole"}'])

    async def fault(request: web.Request) -> web.Response | None:
        if request.path.startswith("/v2/token/"):
            return web.Response(body=next(bodies))
        if request.headers.get("Authorization") == "Bearer whole":
            return None
        challenge = f'Bearer realm="http://{registry.host}/v2/token/1",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    async with FakeRegistry(fault=fault) as registry:
        login = read_login(config(tmp_path, registry.host, f"push:{PASSWORD}"), registry.host)
        async with RegistryClient(registry.host, logins=[login]) as client:
            assert not await client.blob_exists("one", BLOB.descriptor.digest)
            assert client.traffic.retries == 1


@asynchronous
@pytest.mark.parametrize("challenge", ["", "Basic realm=x", "Bearer", 'Bearer service="x"', "Negotiate"])
async def test_a_challenge_that_is_none_is_the_end(tmp_path, challenge):
    async with misbehaving(tmp_path, challenge) as (client, seen):
        with pytest.raises(RegistryError, match="it answered 401"):
            await client.blob_exists("one", BLOB.descriptor.digest)
        assert len(seen) == 1


@asynchronous
@pytest.mark.parametrize("realm", ["http://127.0.0.1:9/token", "https://HOST/token", "http://elsewhere.example/token"])
async def test_a_password_goes_to_the_registry_itself_only(tmp_path, realm):
    async with misbehaving(tmp_path, f'Bearer realm="{realm}",service="x"') as (client, seen):
        with pytest.raises(RegistryError, match="Passwords go to the registry itself only"):
            await client.blob_exists("one", BLOB.descriptor.digest)
        assert not any("Authorization" in request.headers for request in seen)


@asynchronous
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"access_token": 5}', b'{"token": "t", "expires_in": "soon"}'])
async def test_an_answer_that_is_no_token_is_told(tmp_path, monkeypatch, body):
    monkeypatch.setattr(transport, "FIRST_BUDGET", 0.0)
    challenge = 'Bearer realm="http://HOST/v2/token/1",service="x"'
    async with misbehaving(tmp_path, challenge, web.Response(body=body)) as (client, _):
        with pytest.raises(RegistryError, match="something that is no token"):
            await client.blob_exists("one", BLOB.descriptor.digest)


@asynchronous
async def test_a_registry_that_takes_no_token_is_asked_a_few_times_and_not_for_ever(tmp_path):
    challenge = 'Bearer realm="http://HOST/v2/token/1",service="x"'
    async with misbehaving(tmp_path, challenge, web.Response(body=b'{"token": "t"}')) as (client, seen):
        with pytest.raises(RegistryError, match="it answered 401, 5 times"):
            await client.blob_exists("one", BLOB.descriptor.digest)
        assert len(seen) == 9


@asynchronous
async def test_tokens_that_expire_again_and_again_are_renewed(tmp_path, monkeypatch):
    """Others use the same token, so that one request can find it expired many times."""
    monkeypatch.setattr(transport, "BACKOFF", (0.001, 0.001))
    refusals = iter(range(20))

    async def fault(request: web.Request) -> web.Response | None:
        if request.path.startswith("/v2/token/"):
            return web.Response(body=b'{"access_token": "t"}')
        challenge = f'Bearer realm="http://{registry.host}/v2/token/1",service="x",error="invalid_token"'
        refused = next(refusals, None) is not None
        return web.Response(status=401, headers={"WWW-Authenticate": challenge}) if refused else None

    async with FakeRegistry(fault=fault) as registry:
        login = read_login(config(tmp_path, registry.host, f"push:{PASSWORD}"), registry.host)
        async with RegistryClient(registry.host, logins=[login]) as client:
            assert not await client.blob_exists("one", BLOB.descriptor.digest)


@pytest.mark.parametrize(
    "content",
    [
        "",
        PASSWORD,
        "[]",
        "{}",
        '{"auths": {}}',
        '{"auths": {"127.0.0.1:5000": {}}}',
        '{"auths": {"127.0.0.1:5000": {"auth": 5}}}',
        '{"auths": {"127.0.0.1:5000": {"auth": "not base64"}}}',
        json.dumps({"auths": {"127.0.0.1:5000": {"auth": b64encode(PASSWORD.encode()).decode()}}}),
        json.dumps({"auths": {"127.0.0.1:5001": {"auth": b64encode(b"a:b").decode()}}}),
    ],
)
def test_a_file_without_a_login_is_told_without_its_content(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UsageError, match="has no login to 127.0.0.1:5000") as raised:
        read_login(tmp_path / "config.json", "127.0.0.1:5000")
    assert PASSWORD not in str(raised.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_login(tmp_path / "none", "127.0.0.1:5000")


def test_a_password_may_hold_colons_and_is_not_shown(tmp_path):
    login = read_login(config(tmp_path, "127.0.0.1:5000", f"push:{PASSWORD}:x"), "127.0.0.1:5000")
    assert login == Login("push", f"{PASSWORD}:x")
    assert PASSWORD not in repr(login)


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A docker credential helper of the name ``test``, alone on the PATH but for the system's programs."""
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\nhost=$(cat)\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


HOST = "127.0.0.1:5000"
ANSWERS = 'printf \'{"Username": "%s", "Secret": "from the helper for %s"}\' push "$host"'


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_a_login_may_come_from_a_credential_helper(tmp_path, monkeypatch, key):
    helper(tmp_path, monkeypatch, ANSWERS)
    named = {"credHelpers": {HOST: "test"}, "credsStore": "test"}[key]
    (tmp_path / "config.json").write_text(json.dumps({"auths": {HOST: {}}, key: named}))
    assert read_login(tmp_path / "config.json", HOST) == Login("push", f"from the helper for {HOST}")


def test_the_file_s_own_login_goes_before_the_store_s(tmp_path, monkeypatch):
    helper(tmp_path, monkeypatch, "exit 1")
    file = config(tmp_path, HOST, f"push:{PASSWORD}")
    file.write_text(json.dumps({**json.loads(file.read_text()), "credsStore": "test"}))
    assert read_login(file, HOST) == Login("push", PASSWORD)


@pytest.mark.parametrize("auth", ["", b64encode(b"00000000-0000-0000-0000-000000000000:").decode()])
def test_what_az_acr_login_leaves_is_a_login(tmp_path, auth):
    content = {"auths": {HOST: {"auth": auth, "identitytoken": "a-refresh-token"}}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    assert read_login(tmp_path / "config.json", HOST) == Login(TOKEN_USER, "a-refresh-token")


def test_a_helper_may_give_a_token_for_a_password(tmp_path, monkeypatch):
    helper(tmp_path, monkeypatch, ANSWERS.replace(" push ", " '<token>' "))
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "test"}))
    assert read_login(tmp_path / "config.json", HOST).user == TOKEN_USER


@pytest.mark.parametrize(
    "script", ["echo a-secret >&2; exit 1", "echo a-secret", "echo '{\"Username\": 5}'", "echo '[]'", "exit 0"]
)
def test_a_helper_that_has_no_login_is_told_without_what_it_says(tmp_path, monkeypatch, capfd, script):
    helper(tmp_path, monkeypatch, script)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "test"}))
    with pytest.raises(UsageError, match=f"docker-credential-test, to which .* leaves the login to {HOST}, has none"):
        read_login(tmp_path / "config.json", HOST)
    assert "secret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing-one", "docker-credential-missing-one, which is not on the PATH"),
        ("../x", "no name of one"),
        (5, "no name"),
    ],
)
def test_a_helper_that_is_not_there_is_told(tmp_path, name, said):
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {HOST: name}}))
    with pytest.raises(UsageError, match=said):
        read_login(tmp_path / "config.json", HOST)


@asynchronous
async def test_a_mount_has_a_token_for_both_repositories(tmp_path):
    async with Emulated(tmp_path) as there, RegistryClient(there.host, logins=[there.login()]) as client:
        await client.upload_blob("one", BLOB)
        assert await client.mount_blob("two", "one", BLOB.descriptor.digest)
        assert await client.blob_exists("two", BLOB.descriptor.digest)
        assert there.registry.requests["write", 401] == 1


class Renewed:
    """A source whose login is another each time, and what it was told."""

    def __init__(self, *logins: Login) -> None:
        self.logins = list(logins)
        self.refused: list[Login | None] = []

    async def login(self, refused: Login | None = None) -> Login:
        self.refused.append(refused)
        return self.logins.pop(0)


@asynchronous
async def test_a_login_that_is_refused_is_renewed(tmp_path):
    old, new = Login("push", "expired"), Login("push", PASSWORD)
    source = Renewed(old, new)
    async with Emulated(tmp_path) as there, RegistryClient(there.host, logins=[source]) as client:
        await client.upload_blob("one", BLOB)
    assert source.refused == [None, old]

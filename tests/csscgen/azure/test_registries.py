"""The login to ACR, against the emulator's own exchange of tokens, and against registries that misbehave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from azure.identity import CredentialUnavailableError

from csscgen.artifacts.client import RegistryClient
from csscgen.artifacts.logins import TOKEN_USER, Login
from csscgen.azure.registries import SCOPE, SECONDS, EntraLogin, _life
from infra.local.registry.access import Access
from infra.local.registry.identities import Identity
from infra.local.registry.service import Registry
from infra.local.registry.tokens import Tokens
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry
from tests.csscgen.artifacts.test_logins import BLOB, Emulated
from tests.csscgen.azure.vaults import TOKEN, Credential
from workloads.errors import AzureError, RegistryError, UsageError

PUSH = Identity("push", frozenset({"pull", "push", "metadata_read"}), aad_token=TOKEN)


class Acr(Emulated):
    """An emulated registry that knows who comes from Azure, and nobody by a password."""

    refresh_seconds = 3600.0

    def restart(self) -> None:
        tokens = Tokens(self.host, 60, refresh_seconds=self.refresh_seconds)
        access = Access({"push": PUSH}, tokens, anonymous=False)
        self.registry = Registry(self._size, "eastus2", access=access)


@asynchronous
async def test_a_token_of_azure_becomes_a_login(tmp_path):
    who = Credential()
    async with Acr(tmp_path) as there:
        source = EntraLogin(there.host, who, tenant="a-tenant")
        async with RegistryClient(there.host, logins=[source]) as client:
            await client.upload_blob("one", BLOB)
            assert await client.blob_exists("one", BLOB.descriptor.digest)
        made = await source.login()
    assert (made.user, who.scopes) == (TOKEN_USER, [SCOPE])
    assert TOKEN not in made.password and made.password not in repr(made)


@asynchronous
async def test_a_login_is_renewed_before_it_ends_and_not_sooner(tmp_path):
    who = Credential()
    async with Acr(tmp_path) as there:
        there.refresh_seconds = 2
        there.restart()
        source = EntraLogin(there.host, who)
        first = await source.login()
        assert await asyncio.gather(*(source.login() for _ in range(5))) == [first] * 5
        await asyncio.sleep(1.65)
        second = await source.login()
        assert second.password != first.password
        assert await source.login() == second
        assert len(who.scopes) == 2


@asynchronous
async def test_a_login_that_a_registry_has_forgotten_is_renewed(tmp_path):
    """A registry that was started anew takes neither its tokens of before nor the login that they came from."""
    who = Credential()
    async with Acr(tmp_path) as there:
        async with RegistryClient(there.host, logins=[EntraLogin(there.host, who)]) as client:
            await client.upload_blob("one", BLOB)
            there.restart()
            await client.upload_blob("one", BLOB)
            assert await client.blob_exists("one", BLOB.descriptor.digest)
        assert len(who.scopes) == 2


def test_the_life_of_a_refresh_token_is_in_it_or_three_hours():
    ends = Tokens("x", 60, refresh_seconds=100).refresh_token("push")
    assert _life(ends) == pytest.approx(100, abs=5)
    for token in ("opaque", "a.b.c", "a..c", f"a.{'e' * 8}.c"):
        assert _life(token) == SECONDS


@asynchronous
async def test_an_identity_that_the_registry_does_not_know_is_told(tmp_path):
    stranger = "somebody-else-s-token"
    async with Acr(tmp_path) as there:
        with pytest.raises(RegistryError, match="it answered 401. Give it AcrPush on the registry") as raised:
            await EntraLogin(there.host, Credential(stranger)).login()
    assert stranger not in str(raised.value)


class NoCredential(Credential):
    def get_token(self, *scopes: str, **_: Any) -> Any:
        raise CredentialUnavailableError("nothing is configured")


def test_without_a_login_to_azure_the_registry_is_not_asked():
    with pytest.raises(AzureError, match="logging in to the registry 127.0.0.1:9: no login to it works"):
        asyncio.run(EntraLogin("127.0.0.1:9", NoCredential()).login())


@pytest.mark.parametrize("host", ["own.azurecr.example", "mcr.microsoft.com", "user@own.azurecr.example"])
def test_a_token_goes_to_registries_of_the_stack_only(host):
    who = Credential()
    with pytest.raises(UsageError):
        EntraLogin(host, who, allowed=["other.azurecr.example", "mcr.microsoft.com"])
    assert not who.scopes


@asynchronous
@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"refresh_token": 5}', r'{"refresh_token": "a\nb"}', '{"refresh_token": ""}']
)
async def test_an_answer_that_is_no_token_is_told(body):
    async def fault(_request: web.Request) -> web.Response:
        return web.Response(text=body)

    async with Exchange(fault) as registry:
        with pytest.raises(RegistryError, match="something that is no refresh token") as raised:
            await EntraLogin(registry.host, Credential()).login()
    assert TOKEN not in str(raised.value)


@asynchronous
async def test_a_busy_registry_is_waited_for_and_a_broken_one_is_told():
    answers = [web.Response(status=429, headers={"Retry-After": "0"}), web.json_response({"refresh_token": "good"})]

    async def busy(_request: web.Request) -> web.Response:
        return answers.pop(0)

    async def broken(_request: web.Request) -> web.Response:
        return web.Response(status=404, text=TOKEN)

    async with Exchange(busy) as registry:
        assert await EntraLogin(registry.host, Credential()).login() == Login(TOKEN_USER, "good")
    async with Exchange(broken) as registry:
        with pytest.raises(RegistryError, match="failed at POST /oauth2/exchange: it answered 404") as raised:
            await EntraLogin(registry.host, Credential()).login()
    assert TOKEN not in str(raised.value)


class Exchange(FakeRegistry):
    """A registry that answers every request by a function; an async context manager."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._by = answer

    @web.middleware
    async def _observe(self, request: web.Request, handler: Any) -> web.StreamResponse:
        assert (request.method, request.path) == ("POST", "/oauth2/exchange")
        form = await request.post()
        assert (form["grant_type"], form["service"], form["access_token"]) == ("access_token", self.host, TOKEN)
        answer: web.StreamResponse = await self._by(request)
        return answer

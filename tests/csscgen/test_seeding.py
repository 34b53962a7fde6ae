"""The seed step: what it takes from the outputs of the shared stack, and that it takes nothing else."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from csscgen.assignments import of_stack
from csscgen.seeding import seed
from infra.local import tools
from tests.csscgen.azure.vaults import SHARED as AZURE
from tests.csscgen.azure.vaults import TOKEN, Credential, Vault
from tests.csscgen.worlds import RUN, SHARED, World, world
from workloads.errors import RegistryError, UsageError
from workloads.registries import sizes


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in which the shared stack alone is up."""
    with world(tmp_path, monkeypatch) as made:
        made.engine.there[SHARED] = dict(made.engine.made[SHARED])
        yield made


def test_the_stack_itself_need_not_be_up(there: World):
    report = seed(there.context())
    assert (report["images"], report["pushed"]) == (2, 6)
    assert RUN not in there.engine.there
    assert seed(there.context())["pushed"] == 0


def test_without_the_shared_stack_it_says_how_to_bring_it_up(there: World):
    del there.engine.there[SHARED]
    with pytest.raises(UsageError, match=f"Stack {SHARED} is not up. `csscgen up --stack {RUN}` brings it up."):
        seed(there.context())


def test_images_go_to_the_registry_of_the_size_that_is_asked_for(there: World):
    hosts = [{"size": "S", "host": "127.0.0.1:1"}, {"size": "M", "host": there.registry.host}]
    there.engine.there[SHARED]["registries"] = hosts
    assert seed(there.context("registry.size=M"))["images"] == 2
    with pytest.raises(UsageError, match=f"{SHARED} has no registry of size XS: it has S, M"):
        seed(there.context("registry.size=XS"))


@pytest.mark.parametrize("host", ["registry.example", "docker.io"])
def test_no_registry_gets_load_by_a_word_in_an_output_of_another_shape(there: World, host: str):
    there.engine.there[SHARED]["registries"] = [{"size": "L", "host": f"user@{host}"}]
    with pytest.raises(UsageError, match="is not the address of a registry"):
        seed(there.context("registry.size=L"))


def test_a_public_registry_in_the_outputs_is_refused(there: World):
    there.engine.there[SHARED]["registries"] = [{"size": "L", "host": "docker.io"}]
    with pytest.raises(UsageError, match="is one that everybody shares"):
        seed(there.context("registry.size=L"))


def test_outputs_of_another_shape_are_told(there: World):
    there.engine.there[SHARED]["registries"] = "L"
    with pytest.raises(UsageError, match="outputs that are none of this program's: its registries is 'L'"):
        seed(there.context())


def test_the_content_of_the_images_is_built_if_it_is_not_there(there: World, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    monkeypatch.setattr(
        "infra.local.tools.builds.install", lambda needed, _: asked.extend(tool.name for tool in needed)
    )
    seed(there.context())
    assert asked == ["waiter"] and tools.TOOLS["waiter"].target == "linux/amd64"


@contextmanager
def azure_login() -> Iterator[Credential]:
    yield Credential()


def on_azure(there: World, vault: Vault) -> dict[str, Any]:
    """A seeding of the world as if its shared stack were in Azure, with all that it asked the registry for."""

    async def exchange(request: web.Request) -> web.Response | None:
        if request.path == "/oauth2/exchange":
            form = await request.post()
            assert (form["access_token"], form["tenant"], form["service"]) == (TOKEN, "a-tenant", there.registry.host)
            return web.json_response({"refresh_token": "refresh"})
        return None

    there.registry.fault = exchange
    registries = [{"region": "eastus2", "size": "L", "host": there.registry.host, "id": "/x", "name": "acr"}]
    there.engine.there[SHARED] = {**AZURE, "registries": registries, "tenantId": "a-tenant"}
    return seed(there.context(), azure_login=azure_login, transport=vault.transport())


def test_on_azure_the_vault_signs_and_a_login_of_azure_s_pushes(there: World):
    vault = Vault()
    report = on_azure(there, vault)
    assert (report["images"], report["signatures"], report["pushed"]) == (2, 4, 6)
    assert on_azure(there, vault)["pushed"] == 0
    assert vault.seen.count("POST /certificates/signing/create") == 1
    assert vault.certificate is not None
    envelopes = [blob for blob in there.registry.blobs.values() if b'"x5c"' in blob]
    assert len(envelopes) == 4
    assert all(json.loads(blob)["header"]["x5c"] for blob in envelopes)


def test_on_azure_a_registry_that_takes_no_login_is_told(there: World):
    vault = Vault()
    on_azure(there, vault)

    async def refuse(_request: web.Request) -> web.Response:
        challenge = f'Bearer realm="http://{there.registry.host}/oauth2/token",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    there.registry.fault = refuse
    with pytest.raises(RegistryError, match="takes no login of the identity that Azure knows you by"):
        seed(there.context(), azure_login=azure_login, transport=vault.transport())


def test_all_who_may_push_do_and_the_emulator_s_size_is_what_is_asked_of_it(there: World, tmp_path: Path):
    host = there.registry.host
    files = {}
    for name in ("push", "push-2", "pull"):
        auth = b64encode(f"{name}:a-password".encode()).decode()
        files[name] = str(tmp_path / f"{name}.json")
        Path(files[name]).write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    there.engine.there[SHARED] = {**there.engine.there[SHARED], "credentials": files}
    (target,) = of_stack(there.context()).targets
    assert [asyncio.run(source.login()).user for source in target.logins] == ["push", "push-2"]
    assert target.limits == sizes()["L"].limits

"""The login to a registry of Azure: a token of Microsoft Entra ID becomes a refresh token of the registry.

The protocol is ACR's (github.com/Azure/acr, docs/AAD-OAuth.md): POST /oauth2/exchange, on the registry's own host. The
refresh token is then the password of a user of all zeros, and from there on it is a login like any other. It is good
for three hours; a seeding that takes longer is completed by the next.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import orjson

from csscgen.artifacts.client import PATIENCE, own_registry
from csscgen.artifacts.logins import Login
from csscgen.artifacts.transport import Answer, Transport
from csscgen.azure.credentials import told
from csscgen.interruptions import run
from workloads.errors import RegistryError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

SCOPE = "https://containerregistry.azure.net/.default"
USER = "00000000-0000-0000-0000-000000000000"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def login(
    host: str,
    credential: TokenCredential,
    *,
    allowed: Collection[str] = (),
    tenant: str | None = None,
    patience: float = PATIENCE,
) -> Login:
    """The login to the registry at ``host``, which has to be on loopback or one of ``allowed``.

    Raises AzureError if there is no login to Azure, RegistryError if the registry takes none of its.
    """
    base = own_registry(host, allowed)
    with told(f"logging in to the registry {host}", "the role AcrPush on the registry"):
        token = credential.get_token(SCOPE).token
    form = {"grant_type": "access_token", "service": host, "access_token": token}
    body = urlencode({**form, **({"tenant": tenant} if tenant else {})}).encode()

    async def exchange() -> Answer:
        async with Transport(base, concurrency=1, patience=patience) as transport:
            return await transport.request("POST", "/oauth2/exchange", expect=(200, 401, 403), data=body, headers=FORM)

    answer = run(exchange())
    if answer.status != 200:
        raise RegistryError(
            f"The registry {host} takes no login of the identity that Azure knows you by: it answered {answer.status}. "
            "Give it AcrPush on the registry (in ABAC mode: Container Registry Repository Writer), or be another."
        )
    return Login(USER, _refresh_token(answer.body, host))


def _refresh_token(body: bytes, host: str) -> str:
    try:
        token = orjson.loads(body)["refresh_token"]
        if isinstance(token, str) and token and token.isascii() and token.isprintable():
            return token
    except (ValueError, LookupError, TypeError):
        pass
    raise RegistryError(f"The registry {host} answered a login with something that is no refresh token.")

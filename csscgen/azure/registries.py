"""The login to a registry of Azure: a token of Microsoft Entra ID becomes a refresh token of the registry, in time.

The protocol is ACR's (github.com/Azure/acr, docs/AAD-OAuth.md): POST /oauth2/exchange, on the registry's own host. The
refresh token is then the password of a user of all zeros, and from there on it is a login like any other. It is good
for three hours, and says so itself where it is a JSON Web Token (RFC 7519).
"""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64decode
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import orjson

from csscgen.artifacts.addresses import own_registry
from csscgen.artifacts.client import PATIENCE
from csscgen.artifacts.logins import SHARE, TOKEN_USER, Login
from csscgen.artifacts.transport import Transport
from csscgen.azure.credentials import told
from workloads.errors import RegistryError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

SCOPE = "https://containerregistry.azure.net/.default"
SECONDS = 3 * 3600.0
"""Life of a refresh token that does not say how long it lives."""
FORM = b"content-type: application/x-www-form-urlencoded\r\n"


class EntraLogin:
    """A :class:`~csscgen.artifacts.logins.LoginSource`: whoever ``credential`` is, at the registry at ``host``.

    That has to be on loopback or one of ``allowed``; UsageError if it is not.
    """

    def __init__(
        self,
        host: str,
        credential: TokenCredential,
        *,
        allowed: Collection[str] = (),
        tenant: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._origin = own_registry(host, allowed)
        self._host = host
        self._credential = credential
        self._tenant = {"tenant": tenant} if tenant else {}
        self._patience = patience
        self._login: Login | None = None
        self._good_until = 0.0  # monotonic
        self._renewing = asyncio.Lock()

    async def login(self, refused: Login | None = None) -> Login:
        """The login as it is now. Raises AzureError if there is no login to Azure, RegistryError if the registry takes
        none of its."""
        async with self._renewing:
            if self._login is None or self._login == refused or time.monotonic() >= self._good_until:
                asked = time.monotonic()
                token = await self._exchange(await asyncio.to_thread(self._entra_token))
                self._login = Login(TOKEN_USER, token)
                self._good_until = asked + _life(token) * SHARE
            return self._login

    def _entra_token(self) -> str:
        with told(f"logging in to the registry {self._host}", "the role AcrPush on the registry"):
            return self._credential.get_token(SCOPE).token

    async def _exchange(self, token: str) -> str:
        form = {"grant_type": "access_token", "service": self._host, "access_token": token, **self._tenant}
        async with Transport(self._origin, concurrency=1, patience=self._patience) as transport:
            answer = await transport.request(
                "POST",
                "/oauth2/exchange",
                category="oauth",
                expect=(200, 401, 403),
                data=urlencode(form).encode(),
                fields=FORM,
            )
        if answer.status != 200:
            raise RegistryError(
                f"The registry {self._host} takes no login of the identity that Azure knows you by: it answered "
                f"{answer.status}. Give it AcrPush on the registry (in ABAC mode: Container Registry Repository "
                "Writer), or be another."
            )
        return _refresh_token(answer.body, self._host)


def _refresh_token(body: bytes, host: str) -> str:
    try:
        token = orjson.loads(body)["refresh_token"]
        if isinstance(token, str) and token and token.isascii() and token.isprintable():
            return token
    except (ValueError, LookupError, TypeError):
        pass
    raise RegistryError(f"The registry {host} answered a login with something that is no refresh token.")


def _life(token: str) -> float:
    """Seconds that a refresh token is good for from now on."""
    try:
        claims = token.split(".")[1]
        return float(orjson.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]) - time.time()
    except (ValueError, LookupError, TypeError):
        return SECONDS

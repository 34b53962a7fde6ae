"""Logins to a registry: from a docker config.json to bearer tokens, one per repository.

The protocol is the CNCF distribution registry's (distribution.github.io/distribution/spec/auth/token): a request
without a token is answered 401 with the address of the token endpoint, which is asked with Basic auth. The endpoint has
to be on the registry's own host, as ACR's is: a password goes nowhere else. Nothing here is ever logged or shown.
"""

from __future__ import annotations

import asyncio
import binascii
import json
import re
import time
from base64 import b64decode
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp
import orjson
from yarl import URL

from workloads.errors import RegistryError, UsageError

DEFAULT_SECONDS = 60
"""Life of a token that does not say how long it lives (the protocol's)."""
SHARE = 0.8
"""The part of its life after which a token is not used any more."""
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Login:
    """A user of a registry."""

    user: str
    password: str = field(repr=False)

    async def login(self) -> Login:
        """Itself: a login that does not change is its own source."""
        return self


class LoginSource(Protocol):
    """A user of a registry whose password is renewed in time."""

    async def login(self) -> Login:
        """The login as it is now. Raises a ProjectError if it cannot be renewed."""


def read_login(file: Path, registry: str) -> Login:
    """The login to a registry in a docker config.json. Raises UsageError, which quotes nothing of the content."""
    try:
        encoded = json.loads(file.read_text())["auths"][registry]["auth"]
        user, colon, password = b64decode(encoded, validate=True).decode().partition(":")
    except OSError as error:
        raise UsageError(f"The registry logins in {file} cannot be read: {error.strerror}.") from None
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error):
        user = colon = password = ""
    if not (user and colon):
        raise UsageError(
            f"{file} has no login to {registry}: it has to be a docker config.json with an `auth` for that host."
        )
    return Login(user, password)


@dataclass(frozen=True)
class _Token:
    value: str = field(repr=False)
    good_until: float
    """By time.monotonic()."""


class Logins:
    """The tokens of one login to the registry at ``base``, by scope; each is asked for once, and again in time.

    ``ask`` sends a GET with header fields and returns the body of a 200, or raises RegistryError.
    """

    def __init__(self, base: URL, login: LoginSource, ask: Callable[[URL, dict[str, str]], Awaitable[bytes]]) -> None:
        self._base = base
        self._login = login
        self._ask = ask
        self._endpoint: URL | None = None
        self._tokens: dict[str, _Token] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def token(self, scope: str) -> str | None:
        """A token for a scope; None as long as the registry has not asked for any."""
        if self._endpoint is None:
            return None
        async with self._asking[scope]:
            known = self._tokens.get(scope)
            if known is None or known.good_until < time.monotonic():
                known = self._tokens[scope] = await self._fetch(self._endpoint, scope)
            return known.value

    def refused(self, scope: str, token: str | None, challenge: str) -> bool:
        """Take note of an answer 401 to a request with this token; whether there is another way to ask."""
        scheme, _, rest = challenge.partition(" ")
        parameters = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in parameters:
            return False
        try:
            realm = URL(parameters["realm"])
            elsewhere = realm.origin() != self._base.origin()
        except ValueError:  # no address, or one without a host
            return False
        if elsewhere:
            raise RegistryError(
                f"The registry {self._base.authority} sends logins on to the host {realm.authority}. Passwords go to "
                "the registry itself only; check its address."
            )
        self._endpoint = realm.update_query(service=parameters.get("service", ""))
        known = self._tokens.get(scope)
        if known is not None and known.value == token:
            del self._tokens[scope]
        return True

    async def _fetch(self, endpoint: URL, scope: str) -> _Token:
        login = await self._login.login()
        basic = aiohttp.encode_basic_auth(login.user, login.password)
        body = await self._ask(endpoint.update_query(scope=scope), {"Authorization": basic})
        try:
            document = orjson.loads(body)
            value = document.get("access_token") or document["token"]
            seconds = float(document.get("expires_in") or DEFAULT_SECONDS)
            if not (isinstance(value, str) and value.isascii() and value.isprintable()):
                raise TypeError
        except (ValueError, LookupError, TypeError, AttributeError):
            raise RegistryError(
                f"The registry {self._base.authority} answered a login with something that is no token."
            ) from None
        return _Token(value, time.monotonic() + seconds * SHARE)

"""Logins to a registry: from a docker config.json to bearer tokens, for each identity and set of repositories.

The protocol is the CNCF distribution registry's (distribution.github.io/distribution/spec/auth/token): a request
without a token is answered 401 with the address of the token endpoint, which is asked with Basic auth. The endpoint has
to be on the registry's own host, as ACR's is: a password goes nowhere else. Nothing here is ever logged or shown.
"""

from __future__ import annotations

import asyncio
import binascii
import json
import re
import shutil
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import orjson

from csscgen.connections import Answer, Origin
from workloads.errors import RegistryError, UsageError, quoted

DEFAULT_SECONDS = 60
"""Life of a token that does not say how long it lives (the protocol's)."""
SHARE = 0.8
"""The part of its life after which a token is not used any more."""
TOKEN_USER = "00000000-0000-0000-0000-000000000000"
"""Who logs in to ACR with a refresh token for a password."""
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Login:
    """A user of a registry."""

    user: str
    password: str = field(repr=False)

    async def login(self, refused: Login | None = None) -> Login:
        """Itself: a login that does not change is its own source."""
        return self


class LoginSource(Protocol):
    """A user of a registry whose password is renewed in time."""

    async def login(self, refused: Login | None = None) -> Login:
        """The login as it is now; another than ``refused``, which the registry takes no more, if there can be one.

        Raises a ProjectError if it cannot be renewed.
        """


def read_login(file: Path, registry: str) -> Login:
    """The login to a registry in a docker config.json: in ``auths``, or from the helper that it names for the host.

    Raises UsageError, which quotes nothing of the content but the name of the helper.
    """
    try:
        content = json.loads(file.read_text())
        entry = content.get("auths", {}).get(registry) or {}
        helper = content.get("credHelpers", {}).get(registry) or content.get("credsStore")
        encoded, token = entry.get("auth"), entry.get("identitytoken")
    except OSError as error:
        raise UsageError(f"The registry logins in {file} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, AttributeError, RecursionError):
        helper = encoded = token = None
    if helper and not encoded:
        encoded = _from_helper(file, helper, registry)
    try:
        user, colon, password = b64decode(encoded or b"", validate=True).decode().partition(":")
    except (ValueError, TypeError, binascii.Error):
        user = colon = password = ""
    if isinstance(token, str) and token:  # what `az acr login` and docker leave of a login without a password
        user, colon, password = user or TOKEN_USER, ":", token
    if not (user and colon):
        raise UsageError(
            f"The file {file} has no login to {registry}: it has to be a docker config.json with an `auth` for that "
            "host, or a credential helper."
        )
    return Login(TOKEN_USER if user == "<token>" else user, password)


def _from_helper(file: Path, name: Any, registry: str) -> str:
    """What a docker credential helper knows of a host, in the form of an ``auth``. oras asks it."""
    from oras.auth.base import AuthBackend  # type: ignore[import-untyped]
    from oras.logger import logger  # type: ignore[import-untyped]

    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
        raise UsageError(
            f"The file {file} names {quoted(name)} as the credential helper for {registry}, which is no name of one."
        )
    program = f"docker-credential-{name}"
    if shutil.which(program) is None:
        raise UsageError(
            f"The file {file} leaves the login to {registry} to {program}, which is not on the PATH. Install it, or "
            "log in with a password."
        )
    logger.quiet = True  # it would print what the helper says
    try:
        auth = AuthBackend()._get_auth_from_creds_store(name, registry)
    except (OSError, ValueError, LookupError, TypeError):
        auth = None
    if not isinstance(auth, str):
        raise UsageError(
            f"The helper {program}, to which {file} leaves the login to {registry}, has none. Log in to the registry, "
            f"or run `echo {registry} | {program} get` to see why."
        )
    return auth


class Credentials(Protocol):
    """What a request has to carry, by the number of the identity that sends it."""

    def known(self, who: int) -> bytes | None:
        """A header line, or nothing; None if it has to be fetched."""

    async def fetch(self, who: int) -> bytes:
        """That header line. Raises RegistryError."""

    def refused(self, who: int, sent: bytes, challenge: str) -> bool:
        """Take note of an answer 401 to a request that carried ``sent``; whether there is another way to ask."""


Ask = Callable[[str, Credentials, Callable[[Answer], str | None]], Awaitable[Answer]]
"""Sends a GET of a path, with credentials, and returns the answer 200, or raises RegistryError."""


class Logins:
    """Those who log in to the registry at ``origin``, by their numbers, and where it gives them their tokens."""

    def __init__(self, origin: Origin, sources: Sequence[LoginSource], ask: Ask) -> None:
        self.origin = origin
        self.sources = sources
        self.ask = ask
        self.endpoint: str | None = None
        """The path of the token endpoint, with the service; None as long as the registry has asked for no token."""

    def challenged(self, challenge: str) -> None:
        """Learn the token endpoint from a challenge, if it names one. Raises RegistryError if it is elsewhere."""
        scheme, _, rest = challenge.partition(" ")
        parameters = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in parameters:
            return
        try:
            realm = urlsplit(parameters["realm"])
            port = realm.port or (443 if realm.scheme == "https" else 80)
        except ValueError:
            return
        if not realm.hostname:
            return
        if (realm.scheme == "https", realm.hostname, port) != (self.origin.tls, self.origin.host, self.origin.port):
            raise RegistryError(
                f"The registry {self.origin.authority} sends logins on to the host {quoted(realm.netloc)}. Passwords "
                "go to the registry itself only; check its address."
            )
        query = f"{realm.query}&" if realm.query else ""
        service = quote(parameters.get("service", ""), safe="")
        self.endpoint = f"{quote(realm.path or '/', safe='/%')}?{query}service={service}"


class Scope:
    """The tokens for one set of repositories: each identity asks for its own once, and again in time."""

    def __init__(self, logins: Logins, scopes: Sequence[str]) -> None:
        self._logins = logins
        self._query = "".join(f"&scope={quote(scope, safe='/:,')}" for scope in scopes)
        self._tokens: dict[int, tuple[bytes, float]] = {}  # header line, and until when it is good (monotonic)
        self._asking: dict[int, asyncio.Lock] = {}

    def known(self, who: int) -> bytes | None:
        token = self._tokens.get(who)
        if token is not None:
            return token[0] if time.monotonic() < token[1] else None
        return b"" if self._logins.endpoint is None else None

    async def fetch(self, who: int) -> bytes:
        async with self._asking.setdefault(who, asyncio.Lock()):
            known = self.known(who)
            if known is None:
                asked = time.monotonic()
                answer = await self._logins.ask(
                    f"{self._logins.endpoint}{self._query}", _Basic(self._logins.sources[who]), _no_token
                )
                value, seconds = _token(answer.body)
                known = f"authorization: Bearer {value}\r\n".encode()
                self._tokens[who] = known, asked + seconds * SHARE
            return known

    def refused(self, who: int, sent: bytes, challenge: str) -> bool:
        self._logins.challenged(challenge)
        token = self._tokens.get(who)
        if token is not None and token[0] == sent:
            del self._tokens[who]
        return self._logins.endpoint is not None


def _token(body: bytes) -> tuple[str, float]:
    """A token, and for how many seconds it is good. Raises one of several errors if there is none."""
    document = orjson.loads(body)
    value = document.get("access_token") or document["token"]
    if not (isinstance(value, str) and value.isascii() and value.isprintable()):
        raise TypeError
    return value, float(document.get("expires_in") or DEFAULT_SECONDS)


def _no_token(answer: Answer) -> str | None:
    """What is wrong with the answer to a login; its body may have been cut short, and another is asked for."""
    try:
        _token(answer.body)
    except (ValueError, LookupError, TypeError, AttributeError):
        return "answered a login with something that is no token"
    return None


class _Basic:
    """A login as one request for a token carries it; whoever asks, it is this one's."""

    def __init__(self, source: LoginSource) -> None:
        self._source = source
        self._login: Login | None = None
        self._refused: Login | None = None

    def known(self, who: int) -> bytes | None:
        if self._login is None:
            return None
        return b"authorization: Basic %b\r\n" % b64encode(f"{self._login.user}:{self._login.password}".encode())

    async def fetch(self, who: int) -> bytes:
        self._login = await self._source.login(self._refused)
        return self.known(who) or b""

    def refused(self, who: int, sent: bytes, challenge: str) -> bool:
        self._refused, self._login = self._login, None
        return True

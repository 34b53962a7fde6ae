"""Tokens as ACR issues them: signed statements of who may do what until when, which only this process can make.

The form is a JSON Web Token with HS256 (RFC 7519, RFC 7515); clients may read it and must not rely on it. The key is
made when the process starts, so a token ends with the registry that issued it, as all do sooner or later: a client
that is answered 401 asks for another.
"""

from __future__ import annotations

import hmac
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

Kind = Literal["access_token", "refresh_token"]
Access = Mapping[str, frozenset[str]]
"""``repository:<name>`` or ``registry:catalog`` → actions."""

REFRESH_SECONDS = 3 * 3600
"""Life of a refresh token: ACR's."""
REMEMBERED = 20_000
"""Access tokens that are known without a look at their signature; what is more is verified."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token is good for."""

    identity: str
    access: Access
    expires: float


class Tokens:
    """Issues and reads the tokens of one registry. ``seconds`` is the life of an access token, ``refresh_seconds`` that
    of a refresh token, ``clock`` wall time."""

    def __init__(
        self,
        service: str,
        seconds: float,
        clock: Callable[[], float] = time.time,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self.service = service
        self.seconds = seconds
        self.refresh_seconds = refresh_seconds
        self.clock = clock
        self.issued: dict[Kind, int] = {"access_token": 0, "refresh_token": 0}
        self._key = os.urandom(32)
        self._known: dict[bytes, Grant] = {}

    def access_token(self, identity: str, access: Access) -> str:
        expires = self.clock() + self.seconds
        token = self._issue("access_token", identity, expires, access)
        self._remember(token.encode(), Grant(identity, access, expires))
        return token

    def refresh_token(self, identity: str) -> str:
        return self._issue("refresh_token", identity, self.clock() + self.refresh_seconds, {})

    def grant(self, token: bytes) -> Grant | None:
        """What an access token grants now; None if it is not one of ours, or has expired."""
        grant = self._known.get(token)
        if grant is None:
            claims = self._read("access_token", token)
            if claims is None:
                return None
            access = {f"{each['type']}:{each['name']}": frozenset(each["actions"]) for each in claims["access"]}
            grant = Grant(claims["sub"], access, claims["exp"])
            self._remember(token, grant)
        return grant if grant.expires > self.clock() else None

    def holder(self, token: str) -> str | None:
        """The identity that a refresh token was issued to; None if it is not one of ours, or has expired."""
        claims = self._read("refresh_token", token.encode("utf-8", "replace"))
        return claims["sub"] if claims and claims["exp"] > self.clock() else None

    def _remember(self, token: bytes, grant: Grant) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[token] = grant

    def _issue(self, kind: Kind, identity: str, expires: float, access: Access) -> str:
        self.issued[kind] += 1
        claims = {
            "iss": "ratify-perf registry emulator",
            "aud": self.service,
            "sub": identity,
            "exp": expires,
            "jti": os.urandom(8).hex(),
            "grant_type": kind,
            "access": [
                {"type": kind, "name": name, "actions": sorted(actions)}
                for (kind, _, name), actions in ((scope.partition(":"), actions) for scope, actions in access.items())
            ],
        }
        said = _HEADER + b"." + _encode(orjson.dumps(claims))
        return (said + b"." + _encode(hmac.digest(self._key, said, "sha256"))).decode()

    def _read(self, kind: Kind, token: bytes) -> dict[str, Any] | None:
        said, _, signature = token.rpartition(b".")
        if not hmac.compare_digest(_encode(hmac.digest(self._key, said, "sha256")), signature):
            return None
        body = said.partition(b".")[2]
        claims: dict[str, Any] = orjson.loads(urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
        return claims if claims["grant_type"] == kind else None


def _encode(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


_HEADER = _encode(b'{"alg":"HS256","typ":"JWT"}')

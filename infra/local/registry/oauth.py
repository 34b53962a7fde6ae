"""The endpoints where a login becomes a token, as ACR has them on the registry's own host.

CNCF distribution's token protocol (distribution.github.io/distribution/spec/auth/token and /oauth), with the exchange
that ACR adds (github.com/Azure/acr, docs/AAD-OAuth.md):

- ``GET /oauth2/token?service=&scope=`` with Basic auth: name and password, or the user of all zeros with a refresh
  token as its password; without, where anonymous pull is on.
- ``POST /oauth2/token`` with grant_type refresh_token or password.
- ``POST /oauth2/exchange`` with grant_type access_token: a token of Microsoft Entra ID becomes a refresh token.

An access token holds what was asked for and the identity may do.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from hmac import compare_digest
from urllib.parse import parse_qsl

import orjson

from infra.local.registry.identities import ANONYMOUS, Identity
from infra.local.registry.protocol import Answer, Refusal, Request
from infra.local.registry.storage import is_name
from infra.local.registry.tokens import Access, Tokens

REFRESH_USER = "00000000-0000-0000-0000-000000000000"
"""The user whose password is a refresh token."""
_JSON = (b"content-type", b"application/json")
_REPOSITORY_ACTIONS = ["pull", "push", "delete", "metadata_read"]


class TokenEndpoints:
    """Gives the identities of a registry its tokens; one of them may be ANONYMOUS."""

    def __init__(self, identities: Mapping[str, Identity], tokens: Tokens) -> None:
        self._identities = identities
        self._tokens = tokens

    def answer(self, request: Request) -> Answer:
        """The answer of one of the token endpoints; raises Refusal."""
        if request.path == "/oauth2/token" and request.method == "GET":
            fields = parse_qsl(request.query)
            return self._access_token(self._basic(request), fields)
        if request.path not in ("/oauth2/token", "/oauth2/exchange"):
            raise Refusal("UNSUPPORTED", "no such path", status=404)
        if request.method != "POST":
            raise Refusal("UNSUPPORTED", request.method, headers=[(b"allow", b"GET, POST")])
        fields = parse_qsl(request.body.decode("utf-8", "replace"))
        form = dict(fields)
        if request.path == "/oauth2/exchange":
            return self._exchange(form)
        identity = self._login(form)
        offline = form.get("grant_type") == "password" and form.get("access_type") == "offline"
        return self._access_token(identity, fields, refresh=offline)

    def _exchange(self, form: Mapping[str, str]) -> Answer:
        if form.get("grant_type") != "access_token":
            raise _malformed("grant_type has to be access_token: the others need a tenant, and there is none here")
        self._check_service(form)
        given = form.get("access_token", "")
        return self._json(refresh_token=self._tokens.refresh_token(self._find("aad_token", given).name))

    def _login(self, form: Mapping[str, str]) -> Identity:
        match form.get("grant_type"):
            case "refresh_token":
                return self._holder(form.get("refresh_token", ""))
            case "password":
                return self._named(form.get("username", ""), form.get("password", ""))
        raise _malformed("grant_type has to be refresh_token or password")

    def _basic(self, request: Request) -> Identity:
        header = request.header(b"authorization")
        if header is None:
            if ANONYMOUS.name in self._identities:
                return ANONYMOUS
            raise Refusal("UNAUTHORIZED", "anonymous pull is off: log in with Basic auth")
        scheme, _, encoded = header.partition(b" ")
        try:
            user, _, password = b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
        if scheme.lower() != b"basic":
            raise Refusal("UNAUTHORIZED", "only Basic auth is known here")
        return self._holder(password) if user == REFRESH_USER else self._named(user, password)

    def _named(self, user: str, password: str) -> Identity:
        identity = self._identities.get(user)
        if identity is None or not _same(identity.password, password):
            raise Refusal("UNAUTHORIZED", "no such user, or another password")
        return identity

    def _holder(self, refresh_token: str) -> Identity:
        name = self._tokens.holder(refresh_token)
        if name is None:
            raise Refusal("UNAUTHORIZED", "the refresh token is not one of this registry's, or has expired")
        return self._identities[name]

    def _find(self, key: str, secret: str) -> Identity:
        for identity in self._identities.values():
            if _same(getattr(identity, key), secret):
                return identity
        raise Refusal("UNAUTHORIZED", "the access token is nobody's")

    def _access_token(self, identity: Identity, fields: list[tuple[str, str]], *, refresh: bool = False) -> Answer:
        """``fields`` may name several scopes, in one value or in several."""
        self._check_service(dict(fields))
        access = _granted(identity, [scope for key, value in fields if key == "scope" for scope in value.split()])
        answer: dict[str, object] = {
            "access_token": self._tokens.access_token(identity.name, access),
            "expires_in": int(self._tokens.seconds),
        }
        if refresh:
            answer["refresh_token"] = self._tokens.refresh_token(identity.name)
        return self._json(**answer)

    def _check_service(self, wanted: Mapping[str, str]) -> None:
        if wanted.get("service") != self._tokens.service:
            raise _malformed(f"service has to be {self._tokens.service}")

    @staticmethod
    def _json(**fields: object) -> Answer:
        return Answer(200, [_JSON, (b"cache-control", b"no-store")], orjson.dumps(fields))


def _granted(identity: Identity, scopes: Iterable[str]) -> Access:
    """What an identity gets of the scopes that it asks for; a scope that it may do nothing with is left out."""
    granted: dict[str, frozenset[str]] = {}
    for scope in scopes:
        resource, _, words = scope.rpartition(":")
        kind, _, name = resource.partition(":")
        actions = words.split(",")
        if kind == "repository" and is_name(name):
            wanted = _REPOSITORY_ACTIONS if "*" in actions else actions
        elif resource == "registry:catalog":
            wanted = ["*"]
        else:
            raise _malformed("scope has to be repository:NAME:ACTIONS or registry:catalog:*")
        allowed = frozenset(action for action in wanted if identity.may(kind, name, action))
        if allowed:
            granted[resource] = granted.get(resource, frozenset()) | allowed
    return granted


def _same(secret: str, given: str) -> bool:
    """Whether they are the same, in a time that does not tell; no secret is like none."""
    return bool(secret) and compare_digest(secret.encode(), given.encode("utf-8", "replace"))


def _malformed(detail: str) -> Refusal:
    return Refusal("UNSUPPORTED", detail, status=400)

"""Who may do what: the challenge of ``/v2/``, and the endpoints where a login becomes a token.

Bearer tokens as the CNCF distribution registry defines them (distribution.github.io/distribution/spec/auth/token and
/oauth), with ACR's two endpoints on the registry's own host (github.com/Azure/acr, docs/AAD-OAuth.md):

- ``GET /oauth2/token?service=&scope=`` with Basic auth: name and password, or the user of all zeros with a refresh
  token as its password; without, where anonymous pull is on.
- ``POST /oauth2/token`` with grant_type refresh_token or password.
- ``POST /oauth2/exchange`` with grant_type access_token: a token of Microsoft Entra ID becomes a refresh token.

A token holds what was asked for and the identity may do. A request that its token does not cover gets 401 with
insufficient_scope if the identity could have a token for it, and 403 DENIED if it could not.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hmac import compare_digest
from urllib.parse import parse_qsl

import orjson

from infra.local.registry.identities import ANONYMOUS, Identity
from infra.local.registry.protocol import Answer, Refusal, Request
from infra.local.registry.routes import Target, right
from infra.local.registry.storage import is_name
from infra.local.registry.tokens import Access as Granted
from infra.local.registry.tokens import Grant, Kind, Tokens

REFRESH_USER = "00000000-0000-0000-0000-000000000000"
"""The user whose password is a refresh token."""
_JSON = (b"content-type", b"application/json")
_REPOSITORY_ACTIONS = ["pull", "push", "delete", "metadata_read"]


class Access:
    """The logins of one registry, whose name (host and port) is the tokens' service."""

    def __init__(self, identities: Mapping[str, Identity], tokens: Tokens, *, anonymous: bool) -> None:
        self._identities = {**identities, **({ANONYMOUS.name: ANONYMOUS} if anonymous else {})}
        self._tokens = tokens
        self._challenge = f'Bearer realm="http://{tokens.service}/oauth2/token",service="{tokens.service}"'

    @property
    def names(self) -> list[str]:
        """The identities that a request can be of."""
        return list(self._identities)

    @property
    def issued(self) -> Mapping[Kind, int]:
        """Tokens issued, by kind."""
        return self._tokens.issued

    def authorize(self, request: Request, target: Target) -> Grant:
        """The grant that covers a request. Raises Refusal: 401 with a challenge, or 403."""
        header = request.header(b"authorization")
        action = right(request.method, target)
        scope = f"repository:{target.name}" if target.name else "registry:catalog"
        grant = self._tokens.grant(header[7:]) if header is not None and header[:7].lower() == b"bearer " else None
        if grant is not None and (action is None or action in grant.access.get(scope, ())):
            return grant
        scopes = _challenged(scope, action) + _challenged(f"repository:{mounted_from(request, target) or ''}", "pull")
        if grant is None:
            raise self._unauthorized(scopes, "invalid_token" if header else None)
        if target.name and not is_name(target.name):
            raise Refusal("NAME_INVALID", target.name)
        if self._may(grant, scope, str(action)):
            raise self._unauthorized(scopes, "insufficient_scope")
        raise Refusal("DENIED", f"{grant.identity} may not {action} {scope}")

    def mounting(self, request: Request, target: Target, grant: Grant) -> Request:
        """A request that this grant covers, as it may be carried out: one that would mount a blob from a repository
        that the identity may not pull is the start of an upload. That is how a mount fails (spec), and it does not tell
        whether the blob is there. Raises Refusal (401) if it may, and the token does not say so."""
        source = mounted_from(request, target)
        scope = f"repository:{source}"
        if source is None or "pull" in grant.access.get(scope, ()):
            return request
        if self._may(grant, scope, "pull"):
            scopes = _challenged(f"repository:{target.name}", "push") + _challenged(scope, "pull")
            raise self._unauthorized(scopes, "insufficient_scope")
        return replace(request, query="")

    def _may(self, grant: Grant, scope: str, action: str) -> bool:
        kind, _, name = scope.partition(":")
        return self._identities[grant.identity].may(kind, name, action)

    def _unauthorized(self, scopes: list[str], error: str | None) -> Refusal:
        challenge = self._challenge
        if scopes:
            challenge += f',scope="{" ".join(scopes)}"'
        if error:
            challenge += f',error="{error}"'
        detail = scopes or "any valid token will do"
        return Refusal("UNAUTHORIZED", detail, headers=[(b"www-authenticate", challenge.encode())])

    def answer(self, request: Request) -> Answer:
        """The answer of one of the token endpoints; raises Refusal."""
        if request.path == "/oauth2/token" and request.method == "GET":
            wanted, scopes = request.parameters(), request.values("scope")
            return self._access_token(self._basic(request), wanted, scopes)
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
        return self._access_token(identity, form, [v for k, v in fields if k == "scope"], refresh=offline)

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

    def _access_token(
        self, identity: Identity, wanted: Mapping[str, str], scopes: Iterable[str], *, refresh: bool = False
    ) -> Answer:
        self._check_service(wanted)
        access = _granted(identity, [scope for words in scopes for scope in words.split()])
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


def mounted_from(request: Request, target: Target) -> str | None:
    """The repository that an upload would mount a blob from."""
    if target.kind != "uploads" or "mount=" not in request.query:
        return None
    return request.parameters().get("from")


def _challenged(scope: str, action: str | None) -> list[str]:
    """The scope that a client has to ask for, if that can be said."""
    resource, _, name = scope.partition(":")
    if action is None or (resource == "repository" and not is_name(name)):
        return []
    return [f"{scope}:{'pull,push' if action == 'push' else action}"]


def _granted(identity: Identity, scopes: Iterable[str]) -> Granted:
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

"""Who may do what: the tokens that requests of ``/v2/`` carry, and the challenges for those that carry none.

Bearer challenges as CNCF distribution defines them (distribution.github.io/distribution/spec/auth/token). A request
that its token does not cover gets 401 with insufficient_scope if the identity could have a token for it, and 403 DENIED
if it could not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from infra.local.registry.identities import ANONYMOUS, Identity
from infra.local.registry.oauth import TokenEndpoints
from infra.local.registry.protocol import Refusal, Request
from infra.local.registry.routes import Target, right
from infra.local.registry.storage import is_name
from infra.local.registry.tokens import Grant, Kind, Tokens


class Access:
    """The logins of one registry, whose name (host and port) is the tokens' service."""

    def __init__(self, identities: Mapping[str, Identity], tokens: Tokens, *, anonymous: bool) -> None:
        self._identities = {**identities, **({ANONYMOUS.name: ANONYMOUS} if anonymous else {})}
        self._tokens = tokens
        self.endpoints = TokenEndpoints(self._identities, tokens)
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

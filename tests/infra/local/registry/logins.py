"""A registry with logins, and a client that logs in as ACR's do."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

from infra.local.registry.access import Access
from infra.local.registry.identities import Identity
from infra.local.registry.protocol import Answer
from infra.local.registry.service import Registry
from infra.local.registry.tokens import Tokens
from tests.infra.local.registry.helpers import AMPLE, Client, header

HOST = "127.0.0.1:5000"
PUSH = Identity(
    "push", frozenset({"pull", "push", "delete", "metadata_read", "catalog"}), "*", "push-secret", "entra-1"
)
PULL = Identity("pull", frozenset({"pull", "metadata_read"}), "*", "pull-secret")
TEAM = Identity("team", frozenset({"pull", "push"}), "team/*", "team-secret")


class Wall:
    """Wall time that a test moves."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def registry(*, anonymous: bool = False, seconds: float = 60, wall: Wall | None = None, **options: Any) -> Registry:
    identities = {identity.name: identity for identity in (PUSH, PULL, TEAM)}
    access = Access(identities, Tokens(HOST, seconds, wall or Wall()), anonymous=anonymous)
    clock = options.pop("clock", time.monotonic_ns)
    return Registry(options.pop("size", AMPLE), "eastus2", clock, access=access, **options)


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def challenge(answer: Answer) -> dict[str, str]:
    """The parameters of a 401's challenge."""
    assert answer.status == 401
    said = header(answer, "www-authenticate")
    assert said is not None and said.startswith("Bearer ")
    return dict(re.findall(r'(\w+)="([^"]*)"', said))


def ask_token(client: Client, authorization: str | None, *scopes: str, service: str = HOST) -> Answer:
    query = urlencode([("service", service), *(("scope", scope) for scope in scopes)])
    if authorization is None:
        return client.ask("GET", f"/oauth2/token?{query}")
    return client.ask("GET", f"/oauth2/token?{query}", authorization=authorization)


def token(client: Client, identity: Identity | None, *scopes: str) -> str:
    """The Authorization header of a token that an identity (None: nobody) got for these scopes."""
    answer = ask_token(client, basic(identity.name, identity.password) if identity else None, *scopes)
    assert answer.status == 200, answer.body
    return "Bearer " + str(json.loads(answer.body)["access_token"])


def post(client: Client, path: str, **form: str) -> Answer:
    return client.ask("POST", path, urlencode(form).encode())

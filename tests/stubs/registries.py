"""Asks a registry as Ratify does, in plain HTTP, and keeps every answer's status.

An operation is a request that is refused, a token, and the request again: Ratify 1.4 keeps no token. Bearer tokens as
CNCF distribution defines them (distribution.github.io/distribution/spec/auth/token).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"


def login_of(config: Mapping[str, Any], host: str) -> str | None:
    """The login to a registry, as Basic auth has it, by Ratify's configuration; None if nobody logs in there."""
    provider = config["store"]["plugins"][0].get("authProvider")
    if not provider:
        return None
    with open(provider["configPath"]) as file:
        entry = json.load(file)["auths"].get(host)
    return entry and f"Basic {entry['auth']}"


class Repository(AbstractContextManager["Repository"]):
    """One operation on the repository of an image. ``asked`` has category and status of each answer."""

    def __init__(self, image: str, config: Mapping[str, Any]) -> None:
        host, _, rest = image.partition("/")
        self.asked: list[tuple[str, str]] = []
        self._name, _, self._digest = rest.partition("@")
        if not self._digest:
            self._name, _, self._tag = rest.rpartition(":")
        self._host = host
        self._login = login_of(config, host)
        self._token: str | None = None
        self._connection = HTTPConnection(host, timeout=10)

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def resolve(self) -> str:
        """The digest that the image's tag stands for; "" if the registry does not say."""
        return self._ask("HEAD", f"manifests/{self._tag}", "read").get("docker-content-digest", "")

    def list_referrers(self) -> None:
        """Asks for the referrers of the image, which is given by its digest."""
        self._ask("GET", f"referrers/{self._digest}", "list_referrers")

    def _ask(self, method: str, path: str, category: str) -> Mapping[str, str]:
        url = f"/v2/{self._name}/{path}"
        status, headers, _ = self._send(method, url, category, self._token)
        if status == 401 and self._token is None and self._login:
            query = urlencode({"service": self._host, "scope": f"repository:{self._name}:pull"})
            _, _, body = self._send("GET", f"/oauth2/token?{query}", "oauth", self._login)
            self._token = f"Bearer {json.loads(body)['access_token']}"
            _, headers, _ = self._send(method, url, category, self._token)
        return headers

    def _send(
        self, method: str, url: str, category: str, authorization: str | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": MANIFESTS, **({"Authorization": authorization} if authorization else {})}
        self._connection.request(method, url, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        self.asked.append((category, str(answer.status)))
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, body

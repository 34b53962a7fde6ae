"""One Kubernetes API server as the provider needs it: requests, discovery of a kind's path, and what may be retried.

The official client reads the kubeconfig, authenticates and holds the connections; its generated models are passed by,
because any object of any kind must go through as it was written.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from infra.engine.cancellation import pause
from infra.engine.values import Properties
from workloads.errors import EngineError

T = TypeVar("T")
APPLY = "application/apply-patch+yaml"
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 60.0
_TRANSIENT_STATUS = {429, 503, 504}
_TRANSIENT_TEXTS = ("failed calling webhook", "connection refused", "etcdserver", "leader changed")


class ApiError(EngineError):
    """The API server refused a request."""

    def __init__(self, status: int, body: Properties, text: str) -> None:
        super().__init__(text)
        self.status = status
        details = body.get("details")
        self.details: Properties = details if isinstance(details, dict) else {}

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed in a moment."""
        failing = self.status == 500 and any(t in str(self) for t in _TRANSIENT_TEXTS)
        return failing or self.status in _TRANSIENT_STATUS


class UnknownKindError(EngineError):
    """The API server does not know the kind, perhaps not yet."""


class UnreachableError(EngineError):
    """Nothing answers at the address of the API server."""


class Cluster:
    """A connection to one API server. Safe for threads.

    ``kubeconfig`` is the text of one; an empty ``context`` means its current one.
    """

    def __init__(self, kubeconfig: str, context: str) -> None:
        import yaml
        from kubernetes import client, config

        self.address, self.namespace = context_of(kubeconfig, context)
        settings: Any = type.__call__(client.Configuration)
        settings.connection_pool_maxsize = 32
        load: Any = config.load_kube_config_from_dict
        try:
            load(yaml.safe_load(kubeconfig), context or None, settings, persist_config=False)
        except config.ConfigException as error:
            raise EngineError(f"A kubeconfig cannot be used: {error}.") from None
        self._settings = settings
        self._client: Any = client.ApiClient(settings)
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def request(
        self,
        method: str,
        path: str,
        body: Properties | None = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Properties:
        """The JSON that the server answers; raises ``ApiError`` or ``UnreachableError``."""
        import urllib3

        headers = {"Accept": "application/json", "Content-Type": content_type}
        for auth in self._settings.auth_settings().values():
            headers[auth["key"]] = auth["value"]
        url = self.address + path + (f"?{urlencode(query)}" if query else "")
        try:
            answer = self._client.rest_client.pool_manager.request(
                method,
                url,
                headers=headers,
                body=json.dumps(body).encode() if body is not None else None,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"The Kubernetes API at {self.address} does not answer ({type(error).__name__}). "
                "See that the cluster is running."
            ) from error
        return _parsed(answer.status, answer.data, method, path)

    def collection(self, api_version: str, kind: str) -> tuple[str, bool]:
        """The path of a kind's collection, with ``{namespace}`` to fill in, and whether it is namespaced.

        Raises ``UnknownKindError`` if the server has no such kind now; asks it anew each time until it has.
        """
        with self._lock:
            known = self._kinds.get((api_version, kind))
        if known is not None:
            return known
        base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            listed = self.request("GET", base).get("resources", [])
        except ApiError as error:
            if error.status != 404:
                raise
            listed = []
        with self._lock:
            for item in _dicts(listed):
                if "/" not in str(item["name"]):
                    middle = "/namespaces/{namespace}" if item["namespaced"] else ""
                    path = f"{base}{middle}/{item['name']}"
                    self._kinds[api_version, str(item["kind"])] = (path, bool(item["namespaced"]))
            known = self._kinds.get((api_version, kind))
        if known is None:
            raise UnknownKindError(
                f"The Kubernetes API at {self.address} has no kind {kind} in {api_version}. "
                "Declare what defines it, and depend on that."
            )
        return known


_connections: dict[tuple[str, str], Cluster] = {}
_connecting = threading.Lock()


def connected(kubeconfig: str, context: str) -> Cluster:
    """The connection to a cluster: one, however many objects and runs use it."""
    with _connecting:
        key = (kubeconfig, context)
        if key not in _connections:
            _connections[key] = Cluster(kubeconfig, context)
        return _connections[key]


def retried(call: Callable[[], T], deadline: float) -> T:
    """Calls until it works; what is no passing trouble, or lasts beyond ``deadline`` (monotonic), is raised."""
    for delay in _delays():
        try:
            return call()
        except ApiError as error:
            if not error.transient or time.monotonic() + delay > deadline:
                raise
        except (UnknownKindError, UnreachableError):
            if time.monotonic() + delay > deadline:
                raise
        pause(delay)
    raise AssertionError("unreachable: the delays never end")


def polled(check: Callable[[], T | None], deadline: float) -> T | None:
    """Calls until it returns something; None when ``deadline`` (monotonic) has passed."""
    for delay in _delays():
        found = check()
        if found is not None or time.monotonic() + delay > deadline:
            return found
        pause(delay)
    return None


def _delays() -> Iterator[float]:
    delay = 0.05
    while True:
        yield delay
        delay = min(delay * 1.5, 0.3)


def _parsed(status: int, data: bytes, method: str, path: str) -> Properties:
    try:
        body = json.loads(data) if data else {}
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    if status >= 400:
        message = body.get("message") or data.decode(errors="replace")[:200] or "no reason given"
        raise ApiError(status, body, f"The Kubernetes API answered {method} {path} with {status}: {message}")
    return body


def _dicts(value: object) -> list[Properties]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


class Context(NamedTuple):
    """Where a kubeconfig points."""

    server: str
    namespace: str


def context_of(kubeconfig: str, context: str) -> Context:
    """The server and the namespace of a context (empty: the current one). Raises ``EngineError``."""
    import yaml

    try:
        loaded = yaml.safe_load(kubeconfig)
        name = context or loaded["current-context"]
        (chosen,) = [c["context"] for c in loaded["contexts"] if c["name"] == name]
        (cluster,) = [c["cluster"] for c in loaded["clusters"] if c["name"] == chosen["cluster"]]
        return Context(str(cluster["server"]).rstrip("/"), str(chosen.get("namespace") or "default"))
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        what = f"context {context}" if context else "current context"
        raise EngineError(
            f"A kubeconfig cannot be used: its {what} cannot be read ({type(error).__name__}). "
            "See its contexts and clusters."
        ) from None

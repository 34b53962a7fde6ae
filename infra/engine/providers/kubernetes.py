"""The Kubernetes provider: objects by server-side apply, with a field manager per stack.

It follows pulumi-kubernetes where a program can tell: automatic names, ids, annotations (``skipAwait``,
``timeoutSeconds``, ``patchForce``, ``deletionPropagationPolicy``), refusing to take over what exists, waiting until an
object is ready (readiness.py) or gone. It differs in three things: there is no default provider, so that no object goes
to whatever cluster a shell points at; ConfigMaps and Secrets are updated in place; the wait is a minute, not ten.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from infra.engine.providers import Diff, Made, NotMadeError, PartlyMadeError
from infra.engine.providers.cluster import (
    APPLY,
    ApiError,
    Cluster,
    UnknownKindError,
    UnreachableError,
    connected,
    polled,
    retried,
)
from infra.engine.providers.kubernetes_config import kubeconfig_text
from infra.engine.providers.readiness import NeverReadyError, unready
from infra.engine.values import UNKNOWN, Properties, get_path, parse_path, set_path
from workloads.errors import EngineError

_TIMEOUT = 60.0
_DELETE_RETRY = 5.0
_AUTONAMED = "pulumi.com/autonamed"
_OWNER = "pulumi.com/embedded-owner"
"""On every object, because the API server forgets a field manager that owns no field."""
_REFUSED = {403, 409, 422}
_IMMUTABLE = {
    "/Pod": ("spec",),
    "/PersistentVolumeClaim": ("spec",),
    "/Secret": ("type",),
    "/Service": ("spec.clusterIP",),
    "apps/DaemonSet": ("spec.selector",),
    "apps/Deployment": ("spec.selector",),
    "apps/ReplicaSet": ("spec.selector",),
    "apps/StatefulSet": ("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"),
    "batch/Job": ("spec.completionMode", "spec.completions", "spec.selector", "spec.template"),
    "rbac.authorization.k8s.io/ClusterRoleBinding": ("roleRef",),
    "rbac.authorization.k8s.io/RoleBinding": ("roleRef",),
    "apiextensions.k8s.io/CustomResourceDefinition": ("spec.group", "spec.names", "spec.scope"),
}
"""Fields that no update can change, by group and kind."""


class Kubernetes:
    """Objects of one type in one cluster.

    ``config`` has the inputs of the provider resource; ``manager`` owns the fields.
    """

    def __init__(self, type_: str, config: Properties | None, manager: str) -> None:
        self._type = type_
        self._config = config
        self._manager = manager

    def check(self, name: str, old: Properties | None, new: Properties, dry: bool) -> Properties:
        metadata = new.get("metadata", {})
        if not isinstance(metadata, dict) or "name" in metadata or "generateName" in metadata:
            return new
        before = get_path(old, ["metadata"]) if old else None
        named: Any
        if isinstance(before, dict) and _autonamed(old):
            named = before["name"]
        else:
            named = UNKNOWN if dry else f"{name}-{secrets.token_hex(4)[:7]}"
        annotations = {**(metadata.get("annotations") or {}), _AUTONAMED: "true"}
        return {**new, "metadata": {**metadata, "name": named, "annotations": annotations}}

    def diff(self, identifier: str, old: Properties, outputs: Properties, new: Properties) -> Diff:
        if old == new:
            return Diff()
        fixed = ["kind", "metadata.name", "metadata.namespace", *_IMMUTABLE.get(_group_kind(new), ())]
        if old.get("immutable") is True:
            fixed += ["data", "stringData", "binaryData", "immutable"]
        changed = [p for p in fixed if _at(old, p) != _at(new, p)]
        moved = {"kind", "metadata.name", "metadata.namespace"} & set(changed)
        if _group_kind(old).partition("/")[0] != _group_kind(new).partition("/")[0]:
            return Diff(changed=True, replace=True)
        return Diff(True, bool(changed), delete_first=not moved and not _autonamed(old))

    def create(self, inputs: Properties, timeout: float | None) -> Made:
        deadline = _deadline(inputs, timeout)
        try:
            path = retried(lambda: self._path(inputs), deadline)
            self._refuse_foreign(path, inputs, deadline)
            live = self._applied(path, inputs, deadline)
        except ApiError as error:
            if error.status in _REFUSED and not error.transient:
                raise NotMadeError(str(error)) from error
            raise
        return self._ready(path, live, deadline)

    def update(
        self,
        identifier: str,
        old: Properties,
        outputs: Properties,
        new: Properties,
        timeout: float | None,
    ) -> Properties:
        deadline = _deadline(new, timeout)
        path = retried(lambda: self._path(new), deadline)
        return self._ready(path, self._applied(path, new, deadline), deadline).outputs

    def delete(self, identifier: str, inputs: Properties, outputs: Properties, timeout: float | None) -> None:
        uid = get_path(outputs, ["metadata", "uid"])
        self._delete(inputs, uid if isinstance(uid, str) else None, timeout)

    def read(self, identifier: str) -> Properties:
        _, module, kind = self._type.split(":")
        group, _, version = module.rpartition("/")
        namespace, _, name = identifier.rpartition("/")
        api_version = version if group in ("", "core") else f"{group}/{version}"
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        path = self._path({"apiVersion": api_version, "kind": kind, "metadata": metadata})
        return _outputs(self._cluster().request("GET", path))

    def recover(self, inputs: Properties) -> None:
        """Deletes the object if this stack made it."""
        try:
            live = self._get(self._path(inputs))
        except UnknownKindError:
            return
        if live is not None and self._is_ours(live):
            self._delete(inputs, str(get_path(live, ["metadata", "uid"])), None)

    def secret_outputs(self, inputs: Properties) -> frozenset[str]:
        secret = _group_kind(inputs) == "/Secret"
        return frozenset({"data", "stringData"}) if secret else frozenset()

    def _cluster(self) -> Cluster:
        if self._config is None:
            raise NotMadeError(
                f"A {self._type} was declared without a Kubernetes provider. Give it one that has a kubeconfig: "
                "the embedded engine has no default cluster."
            )
        return connected(kubeconfig_text(self._config), str(self._config.get("context", "")))

    def _path(self, inputs: Properties) -> str:
        """The path of an object. Raises ``UnknownKindError`` while the server does not know its kind."""
        cluster = self._cluster()
        config = self._config or {}
        path, _ = cluster.collection(str(inputs["apiVersion"]), str(inputs["kind"]))
        namespace = _at(inputs, "metadata.namespace") or config.get("namespace") or cluster.namespace
        return f"{path.format(namespace=namespace)}/{_at(inputs, 'metadata.name')}"

    def _get(self, path: str) -> Properties | None:
        try:
            return self._cluster().request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def _is_ours(self, live: Properties) -> bool:
        managers = get_path(live, ["metadata", "managedFields"])
        return isinstance(managers, list) and any(m["manager"] == self._manager for m in managers)

    def _refuse_foreign(self, path: str, inputs: Properties, deadline: float) -> None:
        live = retried(lambda: self._get(path), deadline)
        if live is None or self._is_ours(live) or self._switch("upsertExistingObjects"):
            return
        raise NotMadeError(
            f"{inputs['kind']} {_at(inputs, 'metadata.name')} exists already and was not made by this stack. "
            "Delete it, or choose another name."
        )

    def _applied(self, path: str, inputs: Properties, deadline: float) -> Properties:
        force = self._switch("enablePatchForce") or _annotation(inputs, "patchForce") == "true"
        query = {"fieldManager": self._manager, "force": str(force).lower()}

        body = set_path(inputs, ["metadata", "annotations", _OWNER], self._manager)
        assert isinstance(body, dict)

        def apply() -> Properties:
            try:
                return self._cluster().request("PATCH", path, body, query=query, content_type=APPLY)
            except ApiError as error:
                # A kind that was defined a moment ago is listed before it is served.
                if error.status == 404 and error.details.get("kind") != "namespaces":
                    raise UnknownKindError(str(error)) from error
                raise

        return retried(apply, deadline)

    def _ready(self, path: str, live: Properties, deadline: float) -> Made:
        missing: str | None = None

        def check() -> Properties | None:
            nonlocal live, missing
            if missing is not None:
                live = retried(lambda: self._cluster().request("GET", path), deadline)
            missing = unready(live)
            return live if missing is None else None

        try:
            if polled(check, deadline) is None:
                assert missing is not None
                raise NeverReadyError(f"{missing}, and its time is up")
        except NeverReadyError as error:
            message = f"{live['kind']} {_identifier(live)} was made but is not ready: {error}."
            raise PartlyMadeError(message, Made(_identifier(live), _outputs(live))) from None
        return Made(_identifier(live), _outputs(live))

    def _delete(self, inputs: Properties, uid: str | None, timeout: float | None) -> None:
        limit = _seconds(inputs, timeout)
        deadline = time.monotonic() + limit
        policy = _annotation(inputs, "deletionPropagationPolicy") or "background"
        body: Properties = {"propagationPolicy": policy.capitalize()}
        if uid is not None:
            body["preconditions"] = {"uid": uid}

        def request() -> str | None:
            try:
                path = self._path(inputs)
                self._cluster().request("DELETE", path, body)
            except UnknownKindError:
                return None
            except ApiError as error:
                if error.status in (404, 409):  # gone, or another object by the same name
                    return None
                raise
            return path

        def gone() -> bool | None:
            live = self._get(path) if path else None
            return True if live is None or get_path(live, ["metadata", "uid"]) != uid else None

        try:
            path = retried(request, min(deadline, time.monotonic() + _DELETE_RETRY))
        except UnreachableError:
            if self._switch("deleteUnreachable"):
                return
            raise
        if path and uid and polled(gone, deadline) is None:
            raise EngineError(
                f"{inputs['kind']} {_at(inputs, 'metadata.name')} is still there {limit:.0f} s after its delete. "
                "See its finalizers, and that the controllers which remove them are running."
            )

    def _switch(self, name: str) -> bool:
        return (self._config or {}).get(name) == "true"


def _at(properties: Properties, path: str) -> Any:
    return get_path(properties, parse_path(path))


def _group_kind(inputs: Properties) -> str:
    return f"{str(inputs.get('apiVersion', '')).rpartition('/')[0]}/{inputs.get('kind')}"


def _annotation(inputs: Properties, name: str) -> str | None:
    value = get_path(inputs, ["metadata", "annotations", f"pulumi.com/{name}"])
    return None if value is None else str(value)


def _autonamed(inputs: Properties | None) -> bool:
    return inputs is not None and _annotation(inputs, "autonamed") == "true"


def _seconds(inputs: Properties, timeout: float | None) -> float:
    annotated = _annotation(inputs, "timeoutSeconds")
    return timeout or (float(annotated) if annotated else _TIMEOUT)


def _deadline(inputs: Properties, timeout: float | None) -> float:
    return time.monotonic() + _seconds(inputs, timeout)


def _identifier(live: Properties) -> str:
    namespace, name = _at(live, "metadata.namespace"), _at(live, "metadata.name")
    return f"{namespace}/{name}" if namespace else str(name)


def _outputs(live: Properties) -> Properties:
    """The live object without its bookkeeping; without a definition's schema, which is large and read by nobody."""
    metadata = live.get("metadata")
    kept = dict(live)
    if live.get("kind") == "CustomResourceDefinition":
        kept.pop("spec", None)
    if isinstance(metadata, dict):
        kept["metadata"] = {k: v for k, v in metadata.items() if k != "managedFields"}
    return kept


def make(type_: str, config: Properties | None, owner: str) -> Kubernetes:
    """The provider of a type, in the cluster of ``config``, for the stack that ``owner`` names."""
    return Kubernetes(type_, config, f"pulumi-embedded-{owner}"[:128])

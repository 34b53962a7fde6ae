"""What the Kubernetes provider decides without a cluster, and how it talks to a flaky one."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.engine.providers import Diff, NotMadeError, PartlyMadeError, Registry, builtin
from infra.engine.providers.kubernetes import make
from infra.engine.providers.kubernetes_config import KubernetesConfig
from infra.engine.providers.readiness import NeverReadyError, unready
from infra.engine.values import UNKNOWN
from workloads.errors import EngineError


def config_map(**changes) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}, **changes}


provider = make("kubernetes:core/v1:ConfigMap", None, "perf-dev")


def test_a_missing_name_is_made_up_once_and_anew_for_a_replacement():
    declared = config_map(metadata={"labels": {"a": "b"}})
    first: Any = provider.check("settings", None, declared, False)
    name = first["metadata"]["name"]
    assert name.startswith("settings-") and len(name) == 16 and first["metadata"]["labels"] == {"a": "b"}
    assert provider.check("settings", first, declared, False) == first
    anew: Any = provider.check("settings", None, declared, False)
    assert anew["metadata"]["name"] != name
    planned: Any = provider.check("settings", None, declared, True)
    assert planned["metadata"]["name"] is UNKNOWN
    assert provider.check("settings", None, config_map(), False) == config_map()


def deployment(selector: str, replicas: int = 1) -> dict:
    spec = {"selector": selector, "replicas": replicas}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


@pytest.mark.parametrize(
    ("old", "new", "diff"),
    [
        (config_map(), config_map(), Diff()),
        (config_map(), config_map(data={}), Diff(True, delete_first=True)),
        (config_map(), config_map(metadata={"name": "d"}), Diff(True, True)),
        (config_map(), config_map(metadata={"name": "c", "namespace": "x"}), Diff(True, True)),
        (config_map(), config_map(metadata={"name": UNKNOWN}), Diff(True, True)),
        (config_map(), config_map(metadata=UNKNOWN), Diff(True, True)),
        (config_map(immutable=True), config_map(immutable=True, data={}), Diff(True, True, True)),
        (deployment("a"), deployment("a", 2), Diff(True, delete_first=True)),
        (deployment("a"), deployment("b"), Diff(True, True, True)),
        (config_map(kind="Service", apiVersion="serving.knative.dev/v1", spec={"clusterIP": "1"}),
         config_map(kind="Service", apiVersion="serving.knative.dev/v1", spec={"clusterIP": "2"}),
         Diff(True, delete_first=True)),
    ],
)  # fmt: skip
def test_diff(old, new, diff):
    found = provider.diff("c", old, {}, new)
    assert (found.changed, found.replace) == (diff.changed, diff.replace)
    if found.replace:
        assert found.delete_first == diff.delete_first


@pytest.mark.parametrize("text", ["", "[]", "a: b", "{", "current-context: x\ncontexts: []\nclusters: []"])
def test_a_broken_kubeconfig_is_told_in_one_sentence(text):
    broken = make("kubernetes:core/v1:ConfigMap", {"kubeconfig": f"{text}\n"}, "perf-dev")
    with pytest.raises(EngineError, match="its current context cannot be read"):
        broken.create(config_map(), None)


def test_what_was_named_automatically_is_replaced_side_by_side():
    old = provider.check("settings", None, config_map(metadata={}, immutable=True), False)
    new = provider.check("settings", old, config_map(metadata={}, immutable=True, data={}), False)
    assert provider.diff("c", old, {}, new) == Diff(True, True, delete_first=False)


def kubeconfig(server: str, token: str = "t") -> str:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "space"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    return json.dumps(content)


def test_a_provider_is_replaced_when_its_cluster_is_another():
    config = KubernetesConfig()
    here, there = kubeconfig("http://127.0.0.1:1"), kubeconfig("http://127.0.0.1:2")
    other_token: Any = {"kubeconfig": kubeconfig("http://127.0.0.1:1", "other")}
    assert config.diff("p", {"kubeconfig": here}, {}, {"kubeconfig": here}) == Diff()
    assert config.diff("p", {"kubeconfig": here}, {}, other_token) == Diff(True)
    assert config.diff("p", {"kubeconfig": here}, {}, {"kubeconfig": there}) == Diff(True, True)
    assert config.diff("p", {"kubeconfig": here}, {}, {"kubeconfig": UNKNOWN}) == Diff(True, True)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "has no kubeconfig"),
        ({"kubeconfig": "k", "renderYamlToDirectory": "x"}, "has renderYamlToDirectory"),
        ({"kubeconfig": "k", "enableServerSideApply": "false"}, "enableServerSideApply: false"),
    ],
)
def test_settings_that_are_not_known_are_refused(inputs, message):
    with pytest.raises(EngineError, match=message):
        KubernetesConfig().check("cluster", None, inputs, False)


def test_an_object_without_a_provider_is_refused():
    with pytest.raises(NotMadeError, match="has no default cluster"):
        provider.create(config_map(), None)


@pytest.mark.parametrize(
    "type_",
    ["kubernetes:helm.sh/v3:Release", "kubernetes:yaml/v2:ConfigGroup", "kubernetes:core/v1:ConfigMapPatch",
     "kubernetes:core/v1:ConfigMapList", "azure-native:resources:ResourceGroup"],
)  # fmt: skip
def test_types_that_only_the_real_provider_makes(type_):
    assert not Registry(builtin("perf-dev")).supports(type_)


def conditions(*met: str) -> dict:
    return {"conditions": [{"type": type_, "status": "True", "message": "why"} for type_ in met]}


@pytest.mark.parametrize(
    ("api_version", "kind", "status", "missing"),
    [
        ("v1", "Namespace", {"phase": "Active"}, None),
        ("v1", "Namespace", {}, "its phase is not set"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", conditions("Established"), None),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, "it is not established"),
        ("apps/v1", "Deployment", {"observedGeneration": 2, "updatedReplicas": 3, **conditions("Available")}, None),
        ("apps/v1", "Deployment", {"observedGeneration": 1}, "its controller has not seen it"),
        ("apps/v1", "Deployment", {"observedGeneration": 2, "updatedReplicas": 1},
         "1 of 3 replicas are up to date, 0 are available"),
        ("batch/v1", "Job", conditions("Complete"), None),
        ("batch/v1", "Job", {"succeeded": 2}, "2 of its pods have succeeded"),
        ("v1", "Pod", {"phase": "Running", **conditions("Ready")}, None),
        ("v1", "Pod", {"phase": "Succeeded"}, None),
        ("v1", "Pod", {"phase": "Pending"}, "its phase is Pending"),
        ("v1", "ConfigMap", {}, None),
        ("example.org/v1", "Deployment", {}, None),
    ],
)  # fmt: skip
def test_readiness(api_version, kind, status, missing):
    live = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"generation": 2},
        "spec": {"replicas": 3},
        "status": status,
    }
    assert unready(live) == missing
    live["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    assert unready(live) is None


@pytest.mark.parametrize(("kind", "api_version", "status"), [
    ("Job", "batch/v1", conditions("Failed")),
    ("Pod", "v1", {"phase": "Failed", "message": "why"}),
])  # fmt: skip
def test_what_failed_is_not_waited_for(kind, api_version, status):
    with pytest.raises(NeverReadyError, match="failed: why"):
        unready({"apiVersion": api_version, "kind": kind, "metadata": {}, "status": status})


class FakeApi(BaseHTTPRequestHandler):
    """Answers the requests of a method from a list of (status, body); the last one stays."""

    protocol_version = "HTTP/1.1"
    answers: dict[str, list]
    seen: list

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.seen.append((self.command, self.path, self.headers["Authorization"], self.rfile.read(length)))
        if self.path == "/api/v1":
            status, body = 200, {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]}
        else:
            queue = self.answers[self.command]
            status, body = queue.pop(0) if len(queue) > 1 else queue[0]
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PATCH = do_DELETE = answer

    def log_message(self, *args) -> None:
        pass


LIVE = config_map(metadata={"name": "c", "namespace": "space", "uid": "u1"})


@pytest.fixture
def api():
    handler: Any = type("Handler", (FakeApi,), {"answers": {"GET": [(404, {})], "PATCH": [(200, LIVE)]}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.provider = make(
        "kubernetes:core/v1:ConfigMap", {"kubeconfig": kubeconfig(f"http://127.0.0.1:{server.server_port}")}, "perf-dev"
    )
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_create_applies_as_the_stack_in_the_context_s_namespace(api):
    made = api.provider.create(config_map(), 5)
    assert made.id == "space/c"
    method, path, token, body = api.seen[-1]
    owned = {"name": "c", "annotations": {"pulumi.com/embedded-owner": "pulumi-embedded-perf-dev"}}
    assert (method, token) == ("PATCH", "Bearer t") and json.loads(body) == config_map(metadata=owned)
    assert path == "/api/v1/namespaces/space/configmaps/c?fieldManager=pulumi-embedded-perf-dev&force=false"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (500, 'failed calling webhook "w": connection refused'),
        (429, "slow down"),
        (503, ""),
        (500, "etcdserver: leader changed"),
    ],
)
def test_passing_trouble_is_retried(api, status, message):
    api.answers["PATCH"] = [(status, {"message": message}), (status, {"message": message}), (200, LIVE)]
    assert api.provider.create(config_map(), 5).id == "space/c"


def test_passing_trouble_that_lasts_is_an_error_in_time(api):
    api.answers["PATCH"] = [(503, {"message": "no"})]
    started = time.monotonic()
    with pytest.raises(EngineError, match="answered PATCH .* with 503: no"):
        api.provider.create(config_map(), 0.5)
    assert time.monotonic() - started < 1


def test_a_refusal_is_an_error_at_once_and_leaves_nothing_to_clean_up(api):
    api.answers["PATCH"] = [(403, {"message": "admission webhook denied the request"})]
    with pytest.raises(NotMadeError, match="admission webhook denied the request"):
        api.provider.create(config_map(), 5)


def test_a_cluster_that_is_gone_is_named(api):
    gone = make("kubernetes:core/v1:ConfigMap", {"kubeconfig": kubeconfig("http://127.0.0.1:9")}, "perf-dev")
    with pytest.raises(EngineError, match="at http://127.0.0.1:9 does not answer"):
        gone.create(config_map(), 0.2)


def test_an_object_that_does_not_go_away_is_named_with_its_time(api):
    api.answers |= {"DELETE": [(200, {})], "GET": [(200, LIVE)]}
    with pytest.raises(EngineError, match="ConfigMap c is still there 0 s after its delete. See its finalizers"):
        api.provider.delete("space/c", config_map(), LIVE, 0.3)


def test_an_object_that_never_becomes_ready_is_kept(api):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c", "uid": "u"}, "status": {}}
    api.answers |= {"PATCH": [(200, namespace)], "GET": [(404, {}), (200, namespace)]}
    with pytest.raises(PartlyMadeError, match="its phase is not set, and its time is up") as caught:
        api.provider.create(config_map(), 0.3)
    assert caught.value.made.id == "c"

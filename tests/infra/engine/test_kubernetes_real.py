"""The Kubernetes provider against a real API server."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from infra.engine.providers.cluster import ApiError, Cluster
from workloads.errors import EngineError

from .conftest import Project

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
]

HEAD = """
import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

config = pulumi.Config()
provider = k8s.Provider("cluster", kubeconfig=pulumi.Output.secret(config.require("kubeconfig")))
use = ResourceOptions(provider=provider)
space = config.require("space")
"""


class Api:
    """What is in the cluster."""

    def __init__(self, kubeconfig: str) -> None:
        self._cluster = Cluster(kubeconfig, "")

    def request(self, method: str, path: str, body: dict | None = None) -> Any:
        return self._cluster.request(method, path, body)

    def names(self, path: str) -> list[str]:
        return [item["metadata"]["name"] for item in self.request("GET", path)["items"]]


@pytest.fixture
def cluster(kubeconfig: str) -> Api:
    return Api(kubeconfig)


@pytest.fixture
def settings(kubeconfig: str) -> dict:
    return {"kubeconfig": kubeconfig, "space": f"test-{uuid.uuid4().hex[:8]}"}


def test_objects_are_made_in_order_and_gone_after_destroy(project: Project, cluster: Api, settings: dict):
    project.write(
        HEAD
        + """
namespace = k8s.core.v1.Namespace("space", metadata={"name": space}, opts=use)
made = k8s.core.v1.ConfigMap("settings", metadata={"namespace": namespace.metadata.name}, data={"a": "1"}, opts=use)
k8s.core.v1.Secret("secret", metadata={"name": "s", "namespace": namespace.metadata.name}, opts=use,
                   string_data={"password": pulumi.Output.secret("hush-hush")})
pulumi.export("name", made.metadata.name)
pulumi.export("version", made.metadata.resource_version)
"""
    )
    outcome = project.up(**settings)
    name = outcome.outputs["name"]
    assert name.startswith("settings-") and len(name) == len("settings-") + 7
    space = settings["space"]
    live = cluster.request("GET", f"/api/v1/namespaces/{space}/configmaps/{name}")
    assert live["data"] == {"a": "1"} and live["metadata"]["annotations"]["pulumi.com/autonamed"] == "true"
    assert live["metadata"]["resourceVersion"] == outcome.outputs["version"]
    assert project.resources()["settings"]["id"] == f"{space}/{name}"
    assert "hush-hush" not in project.state_text() and "token-of-the-tests" not in project.state_text()
    assert "aHVzaC1odXNo" not in project.state_text()

    assert project.up(**settings).changes == {"same": 5}
    destroyed = project.destroy()
    assert destroyed.changes == {"delete": 5}
    assert space not in cluster.names("/api/v1/namespaces")
    assert project.destroy().changes == {}
    assert not project.engine.exists("dev")


def test_an_update_keeps_the_object_and_removes_what_is_no_longer_declared(project, cluster, settings):
    source = (
        HEAD
        + """
k8s.core.v1.ConfigMap("settings", metadata={"name": space, "namespace": "default"}, data=DATA, opts=use)
"""
    )
    project.write(source.replace("DATA", "{'a': '1', 'b': '2'}")).up(**settings)
    path = f"/api/v1/namespaces/default/configmaps/{settings['space']}"
    before = cluster.request("GET", path)
    outcome = project.write(source.replace("DATA", "{'a': '3'}")).up(**settings)
    after = cluster.request("GET", path)
    assert outcome.changes == {"same": 2, "update": 1}
    assert after["data"] == {"a": "3"} and after["metadata"]["uid"] == before["metadata"]["uid"]
    project.destroy()


@pytest.mark.parametrize("change", ["name", "immutable"])
def test_what_cannot_be_updated_is_replaced(project, cluster, settings, change):
    source = (
        HEAD
        + """
k8s.core.v1.Secret("secret", metadata={"name": f"{space}SUFFIX", "namespace": "default"}, type="TYPE", opts=use,
                   string_data={"a": "b"})
"""
    )
    space = settings["space"]
    project.write(source.replace("SUFFIX", "").replace("TYPE", "Opaque")).up(**settings)
    suffix, kind = ("-new", "Opaque") if change == "name" else ("", "example.org/other")
    outcome = project.write(source.replace("SUFFIX", suffix).replace("TYPE", kind)).up(**settings)
    assert outcome.changes == {"same": 2, "replace": 1}
    found = [n for n in cluster.names("/api/v1/namespaces/default/secrets") if n.startswith(space)]
    assert found == [f"{space}{suffix}"]
    assert cluster.request("GET", f"/api/v1/namespaces/default/secrets/{space}{suffix}")["type"] == kind
    project.destroy()


DEFINITION = """
group = f"{space}.example.org"
definition = k8s.apiextensions.v1.CustomResourceDefinition("things", metadata={"name": f"things.{group}"}, spec={
    "group": group, "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"},
    "versions": [{"name": "v1", "served": True, "storage": True,
                  "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}],
}, opts=use)
"""
THING = """
k8s.apiextensions.CustomResource("thing", api_version=f"{group}/v1", kind="Thing", metadata={"name": "one"},
                                 spec={"replicas": 3}, opts=OPTS)
"""


def test_a_definition_and_its_object_can_be_declared_together(project, cluster, settings):
    unordered = THING.replace("OPTS", "use")
    project.write(HEAD + DEFINITION + unordered).up(**settings)
    thing = cluster.request("GET", f"/apis/{settings['space']}.example.org/v1/things/one")
    assert thing["spec"]["replicas"] == 3
    project.write(HEAD + DEFINITION).up(**settings)
    with pytest.raises(ApiError, match="404"):
        cluster.request("GET", f"/apis/{settings['space']}.example.org/v1/things/one")
    project.destroy()


def test_an_object_whose_definition_was_deleted_outside_can_be_destroyed(project, cluster, settings):
    ordered = THING.replace("OPTS", "ResourceOptions(provider=provider, depends_on=[definition])")
    project.write(HEAD + DEFINITION + ordered).up(**settings)
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    cluster.request("DELETE", f"{path}/things.{settings['space']}.example.org")
    project.destroy()
    assert not project.engine.exists("dev")


CONFIG_MAP = """
k8s.core.v1.ConfigMap("settings", metadata={"name": space, "namespace": "default"}, data={"a": "1"}, opts=use)
"""


def test_an_object_deleted_outside_is_made_again_by_an_update(project, cluster, settings):
    project.write(HEAD + CONFIG_MAP).up(**settings)
    path = f"/api/v1/namespaces/default/configmaps/{settings['space']}"
    cluster.request("DELETE", path)
    project.write(HEAD + CONFIG_MAP.replace('"1"', '"2"')).up(**settings)
    assert cluster.request("GET", path)["data"] == {"a": "2"}
    cluster.request("DELETE", path)
    project.destroy()


def test_what_somebody_else_made_is_not_taken_over(project, cluster, settings):
    path = "/api/v1/namespaces/default/configmaps"
    metadata = {"name": settings["space"]}
    cluster.request("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    with pytest.raises(EngineError, match="exists already and was not made by this stack"):
        project.write(HEAD + CONFIG_MAP).up(**settings)
    project.destroy()
    assert settings["space"] in cluster.names(path)
    cluster.request("DELETE", f"{path}/{settings['space']}")


@pytest.mark.parametrize("data", ['data={"a": "1"}', "data=None"])
def test_a_create_that_was_cut_off_is_cleaned_up(project, cluster, settings, data: str):
    """The state says that the create was begun; the object is there: destroy deletes it, up makes it anew."""
    project.write(HEAD + CONFIG_MAP.replace('data={"a": "1"}', data)).up(**settings)
    path = f"/api/v1/namespaces/default/configmaps/{settings['space']}"
    for end in ("up", "destroy"):
        before = cluster.request("GET", path)["metadata"]["uid"]
        file = project.state / "dev" / "state.json"
        state = json.loads(file.read_text())
        cut = next(item for item in state["resources"] if item["name"] == "settings")
        state["resources"].remove(cut)
        state["pending"] = {cut["urn"]: {"op": "create", "resource": {**cut, "id": "", "outputs": {}}}}
        file.write_text(json.dumps(state))
        if end == "up":
            assert project.up(**settings).changes == {"same": 2, "create": 1}
            assert cluster.request("GET", path)["metadata"]["uid"] != before
        else:
            project.destroy()
            assert settings["space"] not in cluster.names("/api/v1/namespaces/default/configmaps")


def test_what_does_not_become_ready_fails_and_is_cleaned_up(project, cluster, settings):
    project.write(
        HEAD
        + """
labels = {"app": space}
k8s.apps.v1.Deployment("slow", metadata={"name": space, "namespace": "default",
                       "annotations": {"pulumi.com/timeoutSeconds": "1"}}, opts=use,
    spec={"selector": {"match_labels": labels}, "template": {"metadata": {"labels": labels},
          "spec": {"containers": [{"name": "c", "image": "i"}]}}})
"""
    )
    with pytest.raises(EngineError, match="was made but is not ready: its controller has not seen it"):
        project.up(**settings)
    assert project.resources()["slow"]["init_error"]
    project.destroy()
    assert settings["space"] not in cluster.names("/apis/apps/v1/namespaces/default/deployments")


def test_skip_await_waives_readiness_and_read_finds_the_object(project, settings):
    source = (
        HEAD
        + """
labels = {"app": space}
made = k8s.apps.v1.Deployment("slow", metadata={"name": space, "namespace": "default",
                       "annotations": {"pulumi.com/skipAwait": "true"}}, opts=use,
    spec={"selector": {"match_labels": labels}, "template": {"metadata": {"labels": labels},
          "spec": {"containers": [{"name": "c", "image": "i"}]}}})
read = k8s.apps.v1.Deployment.get("read", made.id, opts=use)
pulumi.export("replicas", read.spec.replicas)
"""
    )
    outcome = project.write(source).up(**settings)
    assert outcome.outputs["replicas"] == 1 and outcome.changes["read"] == 1
    project.destroy()


def test_objects_deleted_with_something_else_are_only_forgotten(project, cluster, settings):
    project.write(
        HEAD
        + """
import pulumi_random
host = pulumi_random.RandomUuid("host")
k8s.core.v1.ConfigMap("settings", metadata={"name": space, "namespace": "default"},
                      opts=ResourceOptions(provider=provider, deleted_with=host))
"""
    )
    project.up(**settings)
    project.destroy()
    path = "/api/v1/namespaces/default/configmaps"
    assert settings["space"] in cluster.names(path)
    cluster.request("DELETE", f"{path}/{settings['space']}")


def test_the_objects_of_a_cluster_that_was_replaced_are_made_again(project, cluster, settings):
    """As with a local stack whose API server died: its process is replaced, and everything in it is declared anew."""
    project.write("""
import json
import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider

class Server(ResourceProvider):
    def create(self, props):
        return CreateResult("1", {**props, "address": props["kubeconfig"].replace("127.0.0.1", props["host"])})

    def diff(self, _id, olds, news):
        return DiffResult(changes=olds["host"] != news["host"], replaces=["host"], delete_before_replace=True
                          ) if olds["host"] != news["host"] else DiffResult(changes=False)

class Process(Resource):
    address: pulumi.Output[str]

config = pulumi.Config()
props = {"host": config.require("host"), "kubeconfig": config.require("kubeconfig"), "address": None}
process = Process(Server(), "apiserver", props)
provider = k8s.Provider("cluster", kubeconfig=pulumi.Output.secret(process.address))
made = k8s.core.v1.ConfigMap("settings", metadata={"name": config.require("space"), "namespace": "default"},
                             opts=ResourceOptions(provider=provider, deleted_with=process))
pulumi.export("name", made.metadata.name)
""")
    path = f"/api/v1/namespaces/default/configmaps/{settings['space']}"
    assert project.up(host="127.0.0.1", **settings).changes == {"create": 4}
    plan = project.preview(host="localhost", **settings)
    assert {s.name: s.op for s in plan.steps if s.op != "same"} == dict.fromkeys(
        ("apiserver", "cluster", "settings"), "replace"
    )
    changes = project.up(host="localhost", **settings).changes
    assert changes == {"same": 1, "replace": 1, "create": 2}
    assert cluster.request("GET", path)["metadata"]["name"] == settings["space"]
    assert project.up(host="localhost", **settings).changes == {"same": 4}
    assert project.destroy().changes == {"delete": 4}
    assert cluster.request("GET", path), "deleted with its cluster, so not deleted by itself"
    cluster.request("DELETE", path)

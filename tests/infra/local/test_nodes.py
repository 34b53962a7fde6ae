from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from infra.local import nodes


def stages(seconds: int = 7) -> dict[str, dict]:
    """The stages by name."""
    documents = yaml.safe_load_all(nodes.stages(seconds))
    return {body["metadata"]["name"]: body["spec"] for body in documents if body["kind"] == "Stage"}


def test_the_configuration_of_kwok_is_yaml_with_a_stage_for_nodes_and_three_for_pods():
    documents = list(yaml.safe_load_all(nodes.stages(7)))
    assert documents[0]["kind"] == "KwokConfiguration"
    assert documents[0]["options"]["podPlayStageParallelism"] > 4
    kinds = {name: spec["resourceRef"]["kind"] for name, spec in stages().items()}
    assert kinds == {"node-ready": "Node", "pod-ready": "Pod", "pod-complete": "Pod", "pod-delete": "Pod"}


@pytest.mark.parametrize("name", ["node-ready", "pod-ready", "pod-complete"])
def test_every_range_of_a_template_is_ended(name):
    template = stages()[name]["next"]["statusTemplate"]
    assert template.count("{{ range") == template.count("{{ end }}")


def test_only_a_job_s_pods_end_and_after_the_time_that_was_set():
    complete = stages(7)["pod-complete"]
    assert complete["delay"] == {"durationMilliseconds": 7_000}
    owners = [when for when in complete["selector"]["matchExpressions"] if "ownerReferences" in when["key"]]
    assert owners == [{"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]}]
    assert "delay" not in stages(0)["pod-complete"]


def test_a_pod_that_is_being_deleted_is_neither_made_ready_nor_completed():
    for name in ("pod-ready", "pod-complete"):
        when = stages()[name]["selector"]["matchExpressions"]
        assert {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"} in when
    assert stages()["pod-delete"]["next"] == {"delete": True}


def test_a_node_is_born_ready_with_the_resources_that_were_set():
    body = nodes.node(12, "64", "256Gi", 40)
    assert body["metadata"]["name"] == "node-0012"
    assert body["metadata"]["labels"][nodes.LABEL] == "true"
    assert body["status"]["allocatable"] == body["status"]["capacity"] == {"cpu": "64", "memory": "256Gi", "pods": "40"}
    assert {c["type"]: c["status"] for c in body["status"]["conditions"]} == {"Ready": "True"}


def test_node_objects_have_whole_numbers_and_names_of_their_own() -> None:
    as_the_cli_has_it: Any = 40.0
    assert nodes.node(0, "64", "256Gi", as_the_cli_has_it) == nodes.node(0, "64", "256Gi", 40)
    assert len({nodes.node(number, "1", "1Gi", 1)["metadata"]["name"] for number in range(5_000)}) == 5_000


@pytest.fixture
def cluster():
    """An API server that knows nodes only."""
    names: dict[str, dict] = {"somebody-else-s": {"metadata": {"name": "somebody-else-s", "labels": {}}}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            assert f"labelSelector={nodes.LABEL}" in unquote(self.path)
            items = [body for body in names.values() if nodes.LABEL in body["metadata"]["labels"]]
            self.answer({"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": items})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            names[body["metadata"]["name"]] = body
            self.answer(body)

        def do_DELETE(self):
            del names[self.path.rpartition("/")[2]]
            self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

        def answer(self, body):
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        yield names, json.dumps(config)
        server.shutdown()
        thread.join()


def test_nodes_are_made_and_removed_until_there_are_as_many_as_were_asked_for(cluster):
    names, kubeconfig = cluster
    provider = nodes._NodesProvider()
    shape = {"cpu": "64", "memory": "256Gi", "max_pods": 40}
    props = {"kubeconfig": kubeconfig, "count": 12, "shape": shape}
    provider.create(props)
    assert len(names) == 13
    names["node-0003"]["marked"] = True
    provider.update("nodes", props, {**props, "count": 5.0})
    assert sorted(names) == [*(f"node-{number:04d}" for number in range(5)), "somebody-else-s"]
    assert names["node-0003"]["marked"], "a node that is there is left as it is"
    provider.delete("nodes", props)
    assert list(names) == ["somebody-else-s"]


def test_another_shape_replaces_the_nodes_and_another_number_does_not():
    old = {"count": 5, "shape": {"cpu": "64"}}
    provider = nodes._NodesProvider()
    assert not provider.diff("", old, old).changes
    grown = provider.diff("", old, {**old, "count": 6})
    assert (grown.changes, grown.replaces) == (True, [])
    assert provider.diff("", old, {**old, "shape": {"cpu": "32"}}).replaces == ["shape"]

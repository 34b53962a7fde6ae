"""Platform kubeconfig against a real control plane: local-smoke without its policy is the cluster that was there.

The stack declares the policy and the load on it and takes them out again; it is measured by what a cluster has, which
is an API server and pages, and not by processes. Its pods' pages come through the real API server's pod proxy where
this machine has an address that it does not refuse.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from csscgen.cluster import ApiError, Cluster
from csscgen.prometheus import Prometheus
from infra.local import tools
from tests.end_to_end.conftest import ROOT, Place
from tests.end_to_end.relaying import Relays, addresses, stand_in_pods, stand_in_service
from workloads.errors import CollectError

pytestmark = pytest.mark.real

CONSTRAINTS = "/apis/constraints.gatekeeper.sh/v1beta1/ratifyverification"
WORKLOADS = "/apis/apps/v1/deployments"
LABELLED = {"labelSelector": "ratify-perf/run-id"}


class There:
    """A control plane that is up, and the words that make a stack of it."""

    def __init__(self, place: Place, *changes: str) -> None:
        self.place = place
        words = [word for change in ("policy.install=off", *changes) for word in ("--set", change)]
        up = place.csscgen("up", "--stack", "local-smoke", *words)
        assert up.returncode == 0, up.stderr
        shown = place.csscgen("outputs", "--stack", "local-smoke", "--show-secrets")
        self.outputs: dict[str, Any] = json.loads(shown.stdout)
        self.kubeconfig: str = self.outputs["kubeconfig"]
        self.processes = sorted(place.processes())
        file = place.folder / "kubeconfig"
        file.write_text(self.kubeconfig)
        file.chmod(0o600)
        self.words = ["--stack", "kubeconfig-smoke"]
        for change in (f"cluster.kubeconfig={file}", "sharedStack=local-shared"):
            self.words += ["--set", change]

    @property
    def pages(self) -> list[str]:
        """The words that name the metrics pages of the local Ratify and Gatekeeper."""
        pages = {name: self.outputs["targets"][name]["metrics"] for name in ("ratify-0", "gatekeeper")}
        return ["--set", f"monitoring.pages={json.dumps(pages)}"]

    def ask(self, path: str, params: dict[str, str] | None = None) -> list[str]:
        """The names of what is in a collection; none if there is no such kind."""

        async def names() -> list[str]:
            async with Cluster(self.kubeconfig) as cluster:
                try:
                    answer = await cluster.request("GET", path, params=params or {})
                except ApiError as error:
                    assert error.code == 404
                    return []
                return [item["metadata"]["name"] for item in answer["items"]]

        return asyncio.run(names())

    def assert_as_it_was(self) -> None:
        """Nothing of the stack is left in the cluster, and the local stack is untouched."""
        assert self.ask(CONSTRAINTS) == []
        assert self.ask("/apis/templates.gatekeeper.sh/v1/constrainttemplates") == []
        assert self.ask("/apis/config.gatekeeper.sh/v1alpha1/configs") == []
        assert self.ask(WORKLOADS, LABELLED) == []
        assert sorted(self.place.processes()) == self.processes
        again = self.place.csscgen("outputs", "--stack", "local-smoke", "--show-secrets")
        assert json.loads(again.stdout) == self.outputs

    def go(self) -> None:
        gone = self.place.csscgen("destroy", "--stack", "local-smoke", "--shared")
        assert gone.returncode == 0, gone.stderr
        assert self.place.leftovers() == []


@pytest.fixture
def there(place: Place) -> Iterator[There]:
    made = There(place)
    yield made
    made.go()


def test_a_run_declares_the_policy_measures_and_leaves_the_cluster_as_it_was(there: There) -> None:
    done = there.place.csscgen("run", *there.words, *there.pages, "--json")

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "pass"
    pods = summary["pods"]
    assert (pods["expected"], pods["ready"], pods["denied"], pods["failed"], pods["missing"]) == (5, 5, 0, 0, 0)
    assert summary["ratify"]["verification_requests"] > 0
    assert summary["gatekeeper"]["validation_requests"]["allow"] > 0
    assert summary["control_plane"]["webhook_fail_open"] == 0
    assert summary["platform"] == "kubeconfig"
    assert summary["cluster"]["version"].startswith("v1.")
    assert summary["cluster"]["nodes"] == 1
    assert "no audit log" in summary["missing"]["pods.unverified"]
    assert list(summary["ratify"]["by_replica"]) == ["ratify-0"]
    there.assert_as_it_was()


def test_unsigned_images_are_denied(there: There) -> None:
    done = there.place.csscgen("run", *there.words, *there.pages, "--set", "scenario.signatures=0")

    assert done.returncode == 3, done.stderr
    pods = there.place.summary()["pods"]
    assert (pods["ready"], pods["denied"], pods["missing"]) == (0, 5, 0)
    assert "verification failed for <image>" in pods["reasons"][0]["reason"]
    there.assert_as_it_was()


@pytest.mark.parametrize("kind", ["deployment", "job", "pod"])
def test_the_api_server_takes_what_genk8s_prints(there: There, kind: str) -> None:
    words = ["-t", kind, "--registry-host", "name.azurecr.io", "-c", "3", "--name", "one", "--group", "all"]
    # A namespace that Gatekeeper has no say in: its dry run would ask a registry that is not there.
    words += ["-n", "kube-system", "--requests", "cpu=10m", "--limits", "memory=16Mi", "--toleration", "a=b:NoSchedule"]
    words += ["--toleration", "other", "--node-selector", "a=b", "--label", "team=me", "--pull-secret", "login"]
    printed = there.place.csscgen("genk8s", *words, "--format", "jsonl")
    assert printed.returncode == 0, printed.stderr
    made = json.loads(printed.stdout)
    group = made["apiVersion"]
    path = f"/{'apis' if '/' in group else 'api'}/{group}/namespaces/kube-system/{kind}s"

    async def create() -> dict[str, Any]:
        async with Cluster(there.kubeconfig) as cluster:
            strictly = {"dryRun": "All", "fieldValidation": "Strict"}
            return await cluster.request("POST", path, made, strictly)

    answer = asyncio.run(create())

    assert answer["metadata"]["name"] == "one"


def test_what_was_loaded_without_csscgen_is_collected_afterwards_from_the_prometheus(place: Place) -> None:
    if lacking := tools.missing(tools.select(["prometheus"])):
        pytest.skip(f"{lacking[0].name} is not built; scripts/test builds it")
    there = There(place, "monitoring.prometheus=on")
    words = [*there.words, "--set", f"monitoring.prometheusUrl={there.outputs['prometheus']}"]
    assert place.csscgen("up", *words).returncode == 0
    assert place.csscgen("artifacts", "seed", *words).returncode == 0
    loaded = _load(place, words)
    assert loaded.returncode == 0, loaded.stderr

    done = place.csscgen("collect", *words, "--json")

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "pass"
    assert (summary["pods"]["expected"], summary["pods"]["ready"]) == (5, 5)
    assert summary["ratify"]["verification_requests"] > 0
    assert summary["ratify"]["registry_requests"]["200"] > 0
    assert summary["ratify"]["memory_bytes"]["peak"] > 0
    assert summary["gatekeeper"]["validation_requests"]["allow"] > 0
    assert summary["control_plane"]["webhook_fail_open"] == 0
    assert summary["control_plane"]["api_request_seconds"]["p99"] > 0
    assert summary["pod_startup_seconds"]["p99"] is None
    assert summary["missing"]["load.objects"].startswith("The run was collected afterwards")
    gone = place.csscgen("destroy", *words)
    assert gone.returncode == 0, gone.stderr
    there.assert_as_it_was()
    there.go()


def _load(place: Place, words: list[str]) -> subprocess.CompletedProcess[str]:
    """What `pulumi up` does: the program with its workloads, and nobody who watches until the pods are Ready."""
    code = (
        "import sys, time; from csscgen.context import open_context; words = sys.argv[1:];"
        "context = open_context('kubeconfig-smoke', [w for w in words[2:] if w != '--set'], 'embedded');"
        "context.engine.up(context.stack.name, context.stack.config); time.sleep(6)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        env=place.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_pods_are_read_each_by_itself_through_the_real_api_servers_pod_proxy(there: There) -> None:
    hosts = addresses()
    if not hosts:
        pytest.skip("this machine has loopback addresses only, and the API server's proxy refuses those")
    try:
        relays = Relays(hosts, there.outputs["targets"]["ratify-0"]["metrics"].removesuffix("/metrics"))
    except OSError as error:
        pytest.skip(f"port 8888 of {hosts} is not free: {error}")
    with relays, stand_in_pods(there.kubeconfig, hosts):
        done = there.place.csscgen("run", *there.words, "--json")

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert sorted(summary["ratify"]["by_replica"]) == [f"ratify-{number}" for number in range(len(hosts))]
    # Each stand-in has the one Ratify's page, so that each counts all of it.
    counts = [one["verification_requests"] for one in summary["ratify"]["by_replica"].values()]
    assert counts[0] > 0 and len(set(counts)) == 1
    assert summary["ratify"]["verification_requests"] == sum(counts)
    assert relays.asked_of == set(hosts)
    assert (summary["ratify"]["restarts"], summary["ratify"]["oom"]) == (0, 0)
    run = json.loads((there.place.run_folder() / "run.json").read_text())
    assert run["versions"]["ratify"] == "1.4.6"
    assert "The log of ratify-0 is empty." in done.stderr  # there is no kubelet behind these pods
    there.assert_as_it_was()


def test_a_prometheus_is_asked_through_the_real_api_servers_service_proxy(place: Place) -> None:
    hosts = [host for host in addresses() if ":" not in host]
    if not hosts:
        pytest.skip("this machine has no IPv4 address but loopback ones, and the API server's proxy refuses those")
    if lacking := tools.missing(tools.select(["prometheus"])):
        pytest.skip(f"{lacking[0].name} is not built; scripts/test builds it")
    there = There(place, "monitoring.prometheus=on")
    with (
        Relays(hosts[:1], there.outputs["prometheus"]),
        stand_in_service(there.kubeconfig, "prometheus", hosts[0]) as service,
    ):
        asked = Prometheus.of({"kubeconfig": there.kubeconfig, "prometheusService": service})
        assert asked is not None
        _await(lambda: asked.total("up{job='ratify-0'}", time.time()))
        (raw,) = asked.raw("up{job='ratify-0'}", time.time() - 60, time.time())
        assert raw.points
    there.go()


def _await(condition: Callable[[], Any]) -> None:
    """Returns when it holds; until the Service has its endpoint, the API server says that it has none."""
    end = time.monotonic() + 30
    while True:
        try:
            if condition():
                return
            problem = "it did not come to hold"
        except CollectError as error:
            problem = str(error)
        assert time.monotonic() < end, problem
        time.sleep(0.5)


def test_the_addresses_that_pods_are_given_are_this_machines_own() -> None:
    for host in addresses():
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass

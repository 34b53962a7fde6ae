"""Stacks of a cluster that is there already, declared without touching one: what they make, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.engine import select
from tests.infra.kubernetes.test_kubeconfig import config
from tests.infra.stacks import CERTIFICATE, ROOT, Declared, World
from workloads.errors import EngineError, UsageError

HA = {"mode": "ha", "replicas": 3, "cache": "on"}
TO_BE_PULLED = {"auths": {"registry.example:5000": {"auth": "bWU6YSBwYXNzd29yZA=="}}}


@pytest.fixture(autouse=True)
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user whose kubeconfig names two clusters."""
    file = tmp_path / "kubeconfig"
    file.write_text(config("mine", "another", current="mine"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return str(file)


def releases(declared: Declared) -> dict[str, Any]:
    return {step.name: step.inputs for step in declared.of_type(":Release")}


def outputs_of(declared: Declared) -> dict[str, Any]:
    return dict(declared.outcome.outputs)


def test_the_smoke_stack_is_the_policy_and_the_workloads_and_nothing_that_needs_helm(world: World):
    declared = world.up("kubeconfig-smoke")
    kinds = [step.type.rpartition(":")[2] for step in declared.outcome.steps if step.type.startswith("kubernetes:")]
    assert sorted(kinds) == ["Config", "ConstraintTemplate", "Deployment", "Namespace", "RatifyVerification", "Secret"]


def test_the_policy_is_the_same_on_every_platform(world: World):
    mine = world.up("kubeconfig-smoke")
    local = world.up("local-smoke")
    for name in ("policy-config", "policy-template", "policy-constraint"):
        assert mine.inputs(name)["spec"] == local.inputs(name)["spec"]


def test_nobody_else_s_pods_are_refused(world: World):
    spec = world.up("kubeconfig-smoke").inputs("policy-constraint")["spec"]
    (covered,) = spec["match"]["namespaces"]
    begin = covered.removesuffix("*")
    declared = world.up("kubeconfig-smoke", scenario={"namespaces": 2})
    names = [declared.inputs(f"namespaces-{number}")["metadata"]["name"] for number in range(2)]
    assert all(name.startswith(begin) for name in names)
    assert begin == "ratify-perf-"


def test_a_policy_that_is_there_is_left_alone(world: World):
    declared = world.up("kubeconfig-smoke", policy={"install": False})
    assert not [name for name in declared.steps if name.startswith("policy")]
    assert "namespaces-0" in declared.needs("workload-0")


def test_on_this_machine_the_webhooks_stay_without_a_policy(world: World):
    declared = world.up("local-smoke", policy={"install": False})
    assert not [name for name in declared.steps if name.startswith("policy")]
    assert {"admission-validating", "admission-mutating", "admission-ratify-provider"} <= set(declared.steps)
    assert declared.of_type(":Assign")
    assert "admission-validating" in declared.needs("workload-0")


def test_a_local_stack_without_policy_and_load_leaves_the_namespaces_to_the_stack_that_is_run_on_it(world: World):
    without = {"policy": {"install": False}, "load": {"start": False}}
    assert "namespaces-0" not in world.up("local-smoke", **without).steps
    assert "namespaces-0" in world.up("local-smoke", load={"start": False}).steps


def test_the_nodes_have_a_login_to_pull_with_in_every_namespace(world: World):
    declared = world.up("kubeconfig-smoke", scenario={"namespaces": 2, "shards": 2})
    for number in range(2):
        secret = declared.inputs(f"pull-{number}")
        assert (secret["type"], secret["stringData"]) == ("kubernetes.io/dockerconfigjson", "[secret]")
        workload = declared.inputs(f"workload-{number}")
        assert workload["metadata"]["namespace"] == secret["metadata"]["namespace"] == f"ratify-perf-{number}"
        named = workload["spec"]["template"]["spec"]["imagePullSecrets"]
        assert named == [{"name": secret["metadata"]["name"]}]
        assert {"pull-0", "pull-1"} <= declared.needs(f"workload-{number}")
    local = world.up("local-smoke")
    assert not [name for name in local.steps if name.startswith("pull-")]
    assert "imagePullSecrets" not in local.inputs("workload-0")["spec"]["template"]["spec"]


def test_the_load_comes_last_and_what_denies_it_before(world: World):
    declared = world.up("kubeconfig-S")
    assert {"gatekeeper", "ratify", "ratify-login", "policy-constraint", "namespaces-0"} <= declared.needs("workload-0")
    assert {"policy-template", "ratify", "gatekeeper"} <= declared.needs("policy-constraint")
    assert {"gatekeeper", "ratify-login"} <= declared.needs("ratify")
    assert "gatekeeper" in declared.needs("ratify-login")  # whose release makes the namespace


def test_nothing_goes_with_a_cluster_that_stays(world: World):
    """Destroy takes everything out itself: the workloads first, the policy before Gatekeeper."""
    declared = world.up("kubeconfig-S", ratify=HA, monitoring={"prometheus": "on"})
    assert len(declared.state) > 20
    assert not [name for name, item in declared.state.items() if item.get("deleted_with")]


def test_releases_are_explicit_and_atomic(world: World):
    found = releases(world.up("kubeconfig-S", ratify=HA, monitoring={"prometheus": "on"}))
    assert found.keys() == {"gatekeeper", "ratify", "dapr", "monitoring"}
    for inputs in found.values():
        assert inputs["atomic"] and inputs["cleanupOnFail"] and inputs["waitForJobs"] and inputs["createNamespace"]
        assert inputs["timeout"] >= 600
        assert inputs["name"] and inputs["namespace"] and inputs["version"]
        assert inputs["repositoryOpts"]["repo"].startswith("https://")
    assert (found["gatekeeper"]["version"], found["ratify"]["version"]) == ("3.23.1", "1.15.7")


def test_versions_are_settings(world: World):
    found = releases(world.up("kubeconfig-S", gatekeeper={"version": "3.22.2"}, ratify={"chart": "1.15.5"}))
    assert (found["gatekeeper"]["version"], found["ratify"]["version"]) == ("3.22.2", "1.15.5")


@pytest.mark.parametrize("mode", ["regular", "ha-without-dapr"])
def test_only_ha_has_dapr_and_redis(world: World, mode: str):
    declared = world.up("kubeconfig-S", ratify={"mode": mode, "replicas": 1 if mode == "regular" else 3})
    assert releases(declared).keys() == {"gatekeeper", "ratify"}
    assert not [name for name in declared.steps if name.startswith("cache")]


def test_ha_has_a_cache_that_ratify_waits_for(world: World):
    declared = world.up("kubeconfig-S", ratify=HA)
    assert {"cache-component", "cache-redis", "cache-service", "cache-key", "dapr"} <= declared.needs("ratify")
    metadata = declared.inputs("cache-component")["metadata"]
    assert metadata == {"name": "dapr-redis", "namespace": "gatekeeper-system"}
    assert releases(declared)["ratify"]["values"]["provider"]["cache"]["name"] == metadata["name"]
    secrets = {each["secretKeyRef"]["name"] for each in declared.inputs("cache-component")["spec"]["metadata"][2:]}
    assert secrets == {declared.inputs(f"cache-{name}")["metadata"]["name"] for name in ("configuration", "key")}
    excluded = declared.inputs("policy-config")["spec"]["match"][0]["excludedNamespaces"]
    assert "dapr-system" in excluded


def test_password_key_and_login_are_secrets_wherever_they_show(world: World, tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(TO_BE_PULLED))
    declared = world.up("kubeconfig-S", registry={"credentials": str(tmp_path / "config.json")}, ratify=HA)
    shown = json.dumps([step.inputs for step in declared.outcome.steps])
    assert declared.inputs("ratify-login")["stringData"] == "[secret]"
    for name in ("cache-configuration", "cache-key"):
        assert declared.inputs(name)["stringData"] == "[secret]"
    for word in ("bWU6YSBwYXNzd29yZA", "token of", "requirepass"):
        assert word not in shown
        assert word not in json.dumps(declared.state)
    assert "token of mine" in str(getattr(declared.outcome.outputs["kubeconfig"], "value", ""))


def test_only_the_chosen_context_is_in_the_output(world: World, cluster: str):
    outputs = outputs_of(world.up("kubeconfig-smoke", cluster={"kubeconfig": cluster, "context": "another"}))
    secret: Any = outputs["kubeconfig"]
    assert [context["name"] for context in json.loads(secret.value)["contexts"]] == ["another"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"context": "nobody"}, "has no context nobody. Name another in cluster.context: another, mine."),
        ({"kubeconfig": "/nowhere/config"}, "The kubeconfig /nowhere/config cannot be read"),
    ],
)
def test_a_cluster_that_cannot_be_found_is_told_before_anything_is_made(world: World, changes: dict, told: str):
    engine = select("embedded", root=ROOT, state=world.state)
    with pytest.raises(UsageError, match=told):
        engine.preview("kubeconfig-smoke", world.config("kubeconfig-smoke", {"cluster": changes}))


def test_without_any_kubeconfig_a_stack_can_be_previewed_but_not_made(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KUBECONFIG")
    engine = select("embedded", root=ROOT, state=world.state)
    chosen = world.config("kubeconfig-smoke", {})
    assert len(engine.preview("kubeconfig-smoke", chosen).steps) > 8
    engine.up("kubeconfig-shared", world.config("kubeconfig-shared", {}))
    with pytest.raises((UsageError, EngineError), match="cannot be read"):
        engine.up("kubeconfig-smoke", chosen)


def test_the_shared_stack_has_the_registries_by_host_and_keys_of_this_machine(world: World, tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(TO_BE_PULLED))
    outputs = outputs_of(world.up("kubeconfig-shared", registry={"credentials": "~/config.json"}))
    assert outputs["registries"] == [{"region": "own", "size": "L", "host": "registry.example:5000"}]
    file = str(tmp_path / "config.json")
    assert outputs["credentials"] == {"push": file, "pull": file}
    local = outputs_of(world.up("local-shared"))
    for key in ("trustStore", "trustPolicy", "signingCertificate"):
        assert outputs[key] == local[key]
    assert outputs["signingCertificate"] == f"{CERTIFICATE} of ratify-perf\n"
    assert outputs["refusedSigners"].keys() == local["refusedSigners"].keys()
    assert "credentials" not in outputs_of(world.up("kubeconfig-shared"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "where the logins to the registries are to be, cannot be read: No such file"),
        ("{", "has no logins"),
        ('{"credsStore": "desktop"}', "has no logins"),
    ],
)
def test_logins_that_cannot_be_had_are_told(world: World, tmp_path: Path, text: str | None, told: str):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    engine = select("embedded", root=ROOT, state=world.state)
    changes = {"registry": {"credentials": str(tmp_path / "config.json")}}
    with pytest.raises(UsageError, match=told):
        engine.preview("kubeconfig-shared", world.config("kubeconfig-shared", changes))


def test_ratify_trusts_whom_the_shared_stack_trusts(world: World):
    values = releases(world.up("kubeconfig-S"))["ratify"]["values"]
    shared = outputs_of(world.up("kubeconfig-shared"))
    assert values["notationCerts"] == [shared["trustStore"]]
    (policy,) = values["notation"]["trustPolicies"]
    assert policy["trustedIdentities"] == shared["trustPolicy"]["trustPolicies"][0]["trustedIdentities"]
    assert values["oras"]["useHttp"] is False


def test_a_run_can_be_on_the_local_platform_s_registries(world: World):
    declared = world.up("kubeconfig-smoke", sharedStack="local-shared", registry={"login": False})
    assert str(declared.outcome.outputs["registry"]).startswith("127.0.0.1:")
    (container, _) = declared.inputs("workload-0")["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith(str(declared.outcome.outputs["registry"]))


def test_the_harness_is_told_where_everything_is(world: World):
    outputs = outputs_of(
        world.up("kubeconfig-S", monitoring={"prometheus": "on", "pages": {"ratify-0": "http://x/metrics"}})
    )
    assert outputs["targets"] == {"ratify-0": {"metrics": "http://x/metrics"}}
    assert outputs["prometheusService"] == {"namespace": "monitoring", "name": "monitoring-prometheus", "port": 9090}
    assert outputs["components"]["ratify"] == {
        "namespace": "gatekeeper-system",
        "selector": "app.kubernetes.io/name=ratify",
        "container": "ratify",
        "port": 8888,
    }
    assert "prometheus" not in outputs
    there = {"prometheus": "on", "prometheusUrl": "http://prometheus.example"}
    outputs = outputs_of(world.up("kubeconfig-S", monitoring=there))
    assert outputs["prometheus"] == "http://prometheus.example"
    assert "prometheusService" not in outputs
    assert "prometheusService" not in outputs_of(world.up("kubeconfig-S"))


@pytest.mark.parametrize("load", [{"start": False}, {"mode": "created"}])
def test_there_is_no_load_until_it_is_asked_for(world: World, load: dict):
    declared = world.up("kubeconfig-smoke", load=load)
    assert "workload-0" not in declared.steps
    assert "namespaces-0" in declared.steps


@pytest.mark.parametrize("name", ["kubeconfig-S", "kubeconfig-smoke", "kubeconfig-shared"])
def test_what_is_up_as_declared_is_the_same_the_next_time(world: World, name: str):
    assert set(world.up(name).outcome.changes) <= {"create", "read"}
    assert set(world.up(name).outcome.changes) <= {"same", "read"}

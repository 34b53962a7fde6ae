"""What the cluster of a run carries, as far as it takes it from Azure."""

from __future__ import annotations

import json

import pytest

from tests.infra.stacks import Declared


@pytest.fixture(scope="module")
def ha(world, shared) -> Declared:
    """perf-S-ha, which has the most in its cluster."""
    declared: Declared = world.up("perf-S-ha")
    return declared


def objects(declared):
    made = [step for step in declared.outcome.steps if step.type.startswith("kubernetes:")]
    assert len(made) > 10
    return made


def test_ratify_is_told_the_vault_the_certificate_and_who_it_is(ha, shared):
    outputs, values = shared.outcome.outputs, ha.inputs("ratify")["values"]
    vault = values["azurekeyvault"]
    assert (vault["vaultURI"], vault["tenantId"]) == (outputs["vault"]["uri"], outputs["tenantId"])
    assert [certificate["name"] for certificate in vault["certificates"]] == [outputs["certificateName"]]
    identity = ha.inputs("verifier-identity")["resourceName"]
    assert values["azureWorkloadIdentity"]["clientId"] == f"client of {identity}"
    (policy,) = values["notation"]["trustPolicies"]
    assert policy["trustedIdentities"] == [outputs["trustedIdentity"]]


def test_the_credential_is_for_the_service_account_that_ratify_s_chart_makes(ha):
    release = ha.inputs("ratify")
    account = f"{release['namespace']}:{release['values']['serviceAccount']['name']}"
    assert ha.inputs("verifier-credential")["subject"] == f"system:serviceaccount:{account}"


def test_nothing_starts_before_there_are_nodes_and_rights(ha):
    before = {"aks", "load0", "kubelet-pull", "verifier-pull", "verifier-chain", "verifier-credential"}
    for step in objects(ha):
        assert before <= ha.needs(step.name), step.name


def test_what_is_in_the_cluster_goes_with_it(ha):
    cluster = ha.steps["aks"].urn
    for step in objects(ha):
        assert ha.state[step.name]["deleted_with"] == cluster, step.name


def test_everything_is_in_the_run_s_own_cluster(ha):
    provider = ha.steps["kubernetes"].urn
    for step in objects(ha):
        assert ha.state[step.name]["provider"].rpartition("::")[0] == provider, step.name


def test_what_is_measured_with_runs_beside_no_load(ha):
    (system,) = ha.inputs("aks")["agentPoolProfiles"]
    (taint,) = system["nodeTaints"]
    key, _, rest = taint.partition("=")
    value, _, effect = rest.partition(":")
    tolerated = {"key": key, "operator": "Equal", "value": value, "effect": effect}
    releases = ha.of_type("helm.sh/v3:Release")
    assert {"gatekeeper", "ratify", "monitoring", "dapr"} <= {step.name for step in releases}
    for step in releases:
        values = json.dumps(step.inputs["values"], sort_keys=True)
        assert json.dumps(tolerated, sort_keys=True) in values, step.name
        assert "kubernetes.azure.com/mode" in values, step.name
    load = ha.inputs("workload-0")["spec"]["template"]["spec"]
    assert not {"tolerations", "nodeSelector"} & load.keys()


def test_the_workloads_run_images_of_the_registry_in_use(ha):
    host = ha.outcome.outputs["registry"]
    images = [each["image"] for each in ha.inputs("workload-0")["spec"]["template"]["spec"]["containers"]]
    assert len(images) == 10
    assert all(image.startswith(f"{host}/") for image in images)
    assert host.endswith(".azurecr.io")


def test_no_password_of_the_cluster_is_in_inputs_or_outputs(ha, world):
    made = json.loads((world.state / "perf-S-ha" / "state.json").read_text())
    assert any(item["type"].endswith(":RandomPassword") for item in made["resources"])
    for name in ("cache-key", "cache-configuration"):
        shown = ha.inputs(name)
        assert "[secret]" in json.dumps(shown), name
    outputs = {key: value for key, value in ha.outcome.outputs.items() if key != "kubeconfig"}
    assert "assword" not in json.dumps(outputs)


def test_the_harness_is_told_where_the_pods_are(ha):
    outputs = ha.outcome.outputs
    assert {"components", "targets", "prometheusService", "registry", "kubeconfig", "cluster"} <= outputs.keys()
    assert outputs["components"].keys() == {"ratify", "gatekeeper"}
    assert "audit" not in outputs

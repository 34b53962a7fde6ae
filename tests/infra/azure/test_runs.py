"""The stack of a run: AKS, Ratify's identity, and who may do what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.engine import select
from infra.engine.values import Secret
from infra.settings import Settings
from infra.settings.aks import load_pools
from tests.infra.azure.clouds import CALLER, ISSUER, KEY, KUBECONFIG, KUBELET, SUBSCRIPTION, TENANT
from tests.infra.azure.test_shared import grants
from tests.infra.stacks import ROOT
from workloads.errors import EngineError, SettingsError, UsageError

RATIFY = "principal of ratify-perf-perf-s-ratify"
UNTAGGED = {"RoleAssignment", "FederatedIdentityCredential"}


def azure_steps(steps):
    return [step for step in steps if step.type.startswith("azure-native:")]


@pytest.mark.parametrize(
    ("stack", "total", "pools"),
    [("perf-S", 11, [8]), ("perf-M", 62, [59]), ("perf-L", 307, [304]), ("perf-XL", 702, [699])],
)
def test_the_nodes_are_those_of_the_published_test(world, stack, total, pools):
    steps = world.preview(stack).steps
    (cluster,) = (step for step in steps if step.type.endswith(":ManagedCluster"))
    (system,) = cluster.inputs["agentPoolProfiles"]
    load = [step.inputs["count"] for step in steps if step.type.endswith(":AgentPool")]
    assert load == pools
    assert system["count"] + sum(load) == total


@pytest.mark.parametrize(
    ("nodes", "pools"),
    [(4, [1]), (1_003, [1_000]), (1_004, [501, 500]), (2_006, [668, 668, 667]), (5_000, [1_000] * 2 + [999] * 3)],
)
def test_a_pool_has_at_most_1000_nodes_and_the_pools_are_alike(nodes, pools):
    read = Settings.read(
        {"platform": "azure", "sharedStack": "shared", "cluster": {"nodes": nodes}, "scenario": {"replicas": 1}}, "it"
    )
    assert load_pools(read) == pools


def test_large_loads_have_several_pools_one_after_another(world):
    steps = world.preview("perf-XL", scenario={"replicas": 50_000}).steps
    pools = {step.name: step for step in steps if step.type.endswith(":AgentPool")}
    assert list(pools) == ["load0", "load1"]
    assert pools["load0"].urn in pools["load1"].dependencies
    assert [pool.inputs["count"] for pool in pools.values()] == [873, 873]
    assert {pool.inputs["agentPoolName"] for pool in pools.values()} == {"load0", "load1"}


def test_the_system_s_nodes_are_kept_free_of_load(run):
    (system,) = run.inputs("aks")["agentPoolProfiles"]
    assert system["mode"] == "System"
    assert system["nodeTaints"] == ["CriticalAddonsOnly=true:NoSchedule"]
    load = run.inputs("load0")
    assert load["mode"] == "User"
    assert "nodeTaints" not in load


def test_the_cluster_s_settings_reach_it(azure):
    declared = azure.up(
        "perf-S",
        cluster={
            "version": "1.34.2",
            "vmSize": "Standard_D8s_v5",
            "systemVmSize": "Standard_D16s_v5",
            "maxPods": 60,
            "systemNodes": 5,
            "nodes": 30,
            "zones": [1, 2, 3],
            "networkPlugin": "azure",
            "tier": "Premium",
        },
        azure={"location": "westeurope"},
    )
    aks, load = declared.inputs("aks"), declared.inputs("load0")
    (system,) = aks["agentPoolProfiles"]
    assert aks["kubernetesVersion"] == system["orchestratorVersion"] == load["orchestratorVersion"] == "1.34.2"
    assert (system["vmSize"], load["vmSize"]) == ("Standard_D16s_v5", "Standard_D8s_v5")
    assert load["maxPods"] == 60
    assert (system["count"], load["count"]) == (5, 25)
    assert system["availabilityZones"] == load["availabilityZones"] == ["1", "2", "3"]
    assert aks["sku"] == {"name": "Base", "tier": "Premium"}
    assert aks["networkProfile"]["networkPlugin"] == "azure"
    assert not {"networkPluginMode", "podCidr"} & aks["networkProfile"].keys()
    assert {step.inputs["location"] for step in azure_steps(declared.outcome.steps) if "location" in step.inputs} == {
        "westeurope"
    }


def test_what_is_not_set_is_left_to_aks(run):
    (system,) = run.inputs("aks")["agentPoolProfiles"]
    assert "kubernetesVersion" not in run.inputs("aks")
    for pool in (system, run.inputs("load0")):
        assert not {"orchestratorVersion", "availabilityZones"} & pool.keys()


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        ("overlay", {"networkPlugin": "azure", "networkPluginMode": "overlay", "podCidr": "10.32.0.0/11"}),
        ("kubenet", {"networkPlugin": "kubenet", "podCidr": "10.32.0.0/11"}),
    ],
)
def test_there_are_addresses_for_the_pods_of_every_node(world, plugin, expected):
    network = cluster_of(world, cluster={"networkPlugin": plugin})["networkProfile"]
    assert network.items() >= expected.items()
    assert ("networkPluginMode" in network) is (plugin == "overlay")


@pytest.mark.parametrize(("nodes", "tier"), [(10, "Free"), (11, "Standard")])
def test_the_api_server_s_tier_fits_the_nodes(world, nodes, tier):
    assert cluster_of(world, cluster={"nodes": nodes})["sku"]["tier"] == tier


def cluster_of(world, **changes: Any) -> Any:
    steps = world.preview("perf-S", scenario={"size": "S", "replicas": 50}, **changes).steps
    (cluster,) = (step.inputs for step in steps if step.type.endswith(":ManagedCluster"))
    return cluster


def test_pods_can_have_an_identity_and_nothing_upgrades_itself(run):
    aks = run.inputs("aks")
    assert aks["oidcIssuerProfile"] == {"enabled": True}
    assert aks["securityProfile"] == {"workloadIdentity": {"enabled": True}}
    assert aks["identity"] == {"type": "SystemAssigned"}
    assert aks["enableRBAC"] is True
    assert aks["autoUpgradeProfile"] == {"upgradeChannel": "none", "nodeOSUpgradeChannel": "None"}


def test_ratify_s_service_account_is_its_identity(run):
    credential = run.inputs("verifier-credential")
    assert credential["subject"] == "system:serviceaccount:gatekeeper-system:ratify-admin"
    assert credential["audiences"] == ["api://AzureADTokenExchange"]
    assert credential["issuer"] == ISSUER
    assert credential["resourceName"] == run.inputs("verifier-identity")["resourceName"]


def test_ratify_and_the_kubelet_get_the_registry_in_use_and_the_chain_and_no_more(run, shared):
    outputs = shared.outcome.outputs
    (registry,) = (known["id"] for known in outputs["registries"] if known["size"] == "L")
    made = grants(run)
    assert set(made) == {
        (RATIFY, "AcrPull", registry),
        (RATIFY, "Key Vault Secrets User", outputs["vault"]["id"]),
        (KUBELET, "AcrPull", registry),
    }
    assert set(made.values()) == {"ServicePrincipal"}
    assert CALLER not in json.dumps([step.inputs for step in run.outcome.steps])


def test_the_registry_in_use_is_the_one_of_the_run_s_size(azure):
    shared = azure.up("shared").outcome.outputs
    declared = azure.up("perf-S", registry={"size": "XS"})
    (registry,) = (known for known in shared["registries"] if known["size"] == "XS")
    assert {scope for _, role, scope in grants(declared) if role == "AcrPull"} == {registry["id"]}
    assert declared.outcome.outputs["registry"] == registry["host"]


def test_a_registry_in_abac_mode_is_read_with_the_role_of_repositories(azure):
    roles = {role for _, role, _ in grants(azure.up("perf-S", registry={"permissions": "abac"}))}
    assert roles == {"Container Registry Repository Reader", "Key Vault Secrets User"}


def test_roles_that_the_shared_registries_would_not_heed_are_not_given(azure):
    azure.up("perf-S", registry={"permissions": "abac"})
    with pytest.raises(UsageError, match="shared have permissions abac.*Set registry.permissions to abac"):
        azure.engine.up("perf-S", azure.config("perf-S", {}))


def test_the_kubeconfig_is_a_secret_wherever_it_is(run, world):
    kubeconfig = run.outcome.outputs["kubeconfig"]
    assert isinstance(kubeconfig, Secret)
    assert kubeconfig.value == KUBECONFIG
    assert run.inputs("kubernetes")["kubeconfig"] == "[secret]"
    others = [value for key, value in run.outcome.outputs.items() if key != "kubeconfig"]
    shown = json.dumps([others, run.state, [step.inputs for step in run.outcome.steps]])
    for word in (KEY, "client-key-data", "PRIVATE KEY", "assword"):
        assert word not in shown
    assert KEY not in (world.state / "perf-S" / "state.json").read_text()


def test_the_harness_is_told_where_the_cluster_is(run):
    outputs = run.outcome.outputs
    assert outputs["resourceGroup"] == run.inputs("group")["resourceGroupName"]
    assert outputs["cluster"] == run.inputs("aks")["resourceName"]
    assert outputs["subscription"] == SUBSCRIPTION


@pytest.mark.parametrize("stack", ["shared", "perf-S"])
def test_everything_that_takes_tags_has_them(azure, stack):
    changes: dict[str, Any] = {"runId": "run-7", "azure": {"owner": "me", "tags": {"cost centre": "42"}}}
    steps = azure_steps(azure.up(stack, **changes).outcome.steps)
    assert len(steps) >= 8
    for step in steps:
        if step.type.rpartition(":")[2] in UNTAGGED:
            assert "tags" not in step.inputs
            continue
        assert step.inputs["tags"] == {
            "cost centre": "42",
            "owner": "me",
            "run-id": "shared" if stack == "shared" else "run-7",
            "stack": stack,
            "project": "ratify-perf",
        }
        for pool in step.inputs.get("agentPoolProfiles", []):
            assert pool["tags"] == step.inputs["tags"]


@pytest.mark.parametrize("stack", ["shared", "perf-XL-jobs-ha"])
def test_every_resource_has_a_name_of_its_own_choice(world, stack):
    named = {
        "ResourceGroup": "resourceGroupName",
        "Registry": "registryName",
        "Vault": "vaultName",
        "UserAssignedIdentity": "resourceName",
        "ManagedCluster": "resourceName",
        "AgentPool": "agentPoolName",
        "FederatedIdentityCredential": "federatedIdentityCredentialResourceName",
        "RoleAssignment": "roleAssignmentName",
    }
    steps = azure_steps(world.preview(stack).steps)
    assert len(steps) >= 8
    assert not [step.name for step in steps if named[step.type.rpartition(":")[2]] not in step.inputs]


def test_roles_wait_for_what_they_are_about(run):
    assert {"aks", "group"} <= run.needs("kubelet-pull")
    assert {"aks", "verifier-identity"} <= run.needs("verifier-credential")
    assert "verifier-identity" in run.needs("verifier-pull")
    assert {"group", "aks"} <= run.needs("load0")
    assert "aks" in run.needs("kubernetes")


def test_what_is_in_the_run_s_group_goes_with_it(run):
    urns = {name: step.urn for name, step in run.steps.items()}
    assert run.state["aks"]["deleted_with"] == urns["group"]
    assert run.state["verifier-identity"]["deleted_with"] == urns["group"]
    assert run.state["verifier-credential"]["deleted_with"] == urns["verifier-identity"]
    assert run.state["load0"]["deleted_with"] == urns["aks"]
    for name in ("verifier-pull", "verifier-chain", "kubelet-pull"):  # on the shared stack's resources
        assert not run.state[name].get("deleted_with")


def test_destroying_a_run_deletes_its_group_and_its_roles_elsewhere_and_leaves_the_shared_stack(azure):
    group = azure.up("perf-S").inputs("group")["resourceGroupName"]
    azure.engine.destroy("perf-S", azure.config("perf-S", {}))
    *roles, last = azure.deleted
    assert len(roles) == 3
    assert all("/RoleAssignment/" in identifier for identifier in roles)
    assert last.endswith(f"/resourceGroups/{group}")
    assert not azure.engine.exists("perf-S")
    assert azure.engine.exists("shared")


@pytest.mark.parametrize("stack", ["shared", "perf-S"])
def test_a_subscription_that_is_set_is_the_one_of_everything(azure, stack):
    steps = azure.preview(stack, azure={"subscription": SUBSCRIPTION}).steps
    (provider,) = (step for step in steps if step.type == "pulumi:providers:azure-native")
    assert provider.inputs["subscriptionId"] == SUBSCRIPTION
    declared = azure.up(stack, azure={"subscription": SUBSCRIPTION})
    made = [item for item in declared.state.values() if item["type"].startswith("azure-native:")]
    assert len(made) >= 8
    assert {item["provider"].rpartition("::")[0] for item in made} == {declared.steps["azure"].urn}


@pytest.mark.parametrize("stack", ["shared", "perf-S-ha"])
def test_what_is_up_as_declared_is_the_same_the_next_time(azure, stack):
    assert set(azure.up(stack).outcome.changes) <= {"create", "read"}
    assert set(azure.up(stack).outcome.changes) <= {"same", "read"}


def test_a_run_without_its_shared_stack_is_told_to_make_that_first(azure):
    with pytest.raises(EngineError, match="shared, which has not been made. Run up for shared first"):
        azure.engine.up("perf-S", azure.config("perf-S", {}))


WRONG: dict[str, Any] = {
    "platform": "azure",
    "sharedStack": "shared",
    "scenario": {"replicas": 1_000_000},
    "azure": {"location": "eastus9", "vaultName": "a-vault-with-25-letters-x"},
    "ratify": {"mode": "ha"},
}
TOLD = [
    "azure.vaultName: expected 3 to 24 letters, digits and single hyphens, the first a letter, the last none of the "
    "hyphens, got 'a-vault-with-25-letters-x'.",
    "scenario.replicas: 1000000 pods need 34915 nodes with 40 pods each, and a cluster has at most 5000; lower it, or "
    "raise cluster.maxPods.",
    "ratify.replicas: mode ha needs 2 to 20 replicas, got 1.",
    "azure.location: eastus9 is no region of Azure; did you mean eastus?",
]


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_registered(azure):
    assert len(WRONG["azure"]["vaultName"]) == 25
    with pytest.raises(SettingsError) as told:
        Settings.read(WRONG, "it")
    assert told.value.problems == TOLD
    seen: list[Any] = []
    engine = select("embedded", root=ROOT, state=azure.state)
    with pytest.raises(SettingsError) as told:
        engine.preview("perf-9", WRONG, seen.append)
    assert told.value.problems == TOLD
    assert {event.type for event in seen} <= {"pulumi:pulumi:Stack"}, "the SDK's own, before the program"
    assert not azure.state.exists()
    assert TENANT not in str(told.value)

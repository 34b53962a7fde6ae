"""The shared stack, as it is declared."""

from __future__ import annotations

from collections import Counter

import pytest

from infra.azure.roles import ROLES
from infra.local.certificates import ORGANIZATION
from tests.infra.azure.clouds import CALLER, TENANT, identifier
from workloads.errors import UsageError

PUSH = "principal of ratify-perf-shared-push"
NAMES = {definition: name for name, definition in ROLES.items()}


def grants(declared):
    """The role assignments as (principal, role, scope), and of what type the principal is said to be."""
    made = {}
    for step in declared.of_type(":RoleAssignment"):
        role = NAMES[step.inputs["roleDefinitionId"].rpartition("/")[2]]
        key = (step.inputs["principalId"], role, step.inputs["scope"])
        assert key not in made, "Azure refuses a second assignment of the same"
        made[key] = step.inputs["principalType"]
    return made


def test_there_is_a_premium_registry_per_region_of_the_seed(shared):
    made = {step.name: step.inputs for step in shared.of_type(":Registry")}
    assert {name: (each["location"], each["zoneRedundancy"]) for name, each in made.items()} == {
        "registry-eastus2": ("eastus2", "Disabled"),
        "registry-centralus": ("centralus", "Enabled"),
        "registry-eastus2az": ("eastus2", "Enabled"),
        "registry-eastus2euap": ("eastus2euap", "Disabled"),
    }
    for each in made.values():
        assert each["sku"] == {"name": "Premium"}
        assert each["adminUserEnabled"] is False and each["anonymousPullEnabled"] is False
        assert each["dataEndpointEnabled"] is True


def test_the_registries_are_any_list_of_the_config(azure):
    regions = [{"name": "westeurope", "size": "S", "zones": True}, {"name": "lab", "size": "XS", "location": "westus"}]
    declared = azure.up("shared", registry={"regions": regions})
    assert {step.inputs["location"] for step in declared.of_type(":Registry")} == {"westeurope", "westus"}
    assert [(each["region"], each["size"]) for each in declared.outcome.outputs["registries"]] == [
        ("westeurope", "S"),
        ("lab", "XS"),
    ]


def test_what_only_premium_has_is_asked_of_no_other_sku(azure):
    regions = [{"name": "eastus", "size": "S"}]
    (registry,) = azure.up("shared", registry={"regions": regions, "sku": "Standard"}).of_type(":Registry")
    assert registry.inputs["sku"] == {"name": "Standard"}
    assert registry.inputs["zoneRedundancy"] == "Disabled"
    assert "dataEndpointEnabled" not in registry.inputs


def test_the_vault_s_rights_are_roles(shared):
    properties = shared.inputs("vault")["properties"]
    assert properties["enableRbacAuthorization"] is True
    assert "accessPolicies" not in properties
    assert properties["tenantId"] == TENANT
    assert properties["softDeleteRetentionInDays"] == 7
    assert properties["sku"] == {"family": "A", "name": "standard"}


def test_the_push_identity_and_the_caller_push_to_every_registry_and_sign(shared):
    outputs = shared.outcome.outputs
    registries = [registry["id"] for registry in outputs["registries"]]
    assert len(registries) == 4
    vault = outputs["vault"]["id"]
    made = grants(shared)
    assert set(made) == {
        *((who, "AcrPush", registry) for who in (PUSH, CALLER) for registry in registries),
        *((who, "Key Vault Crypto User", vault) for who in (PUSH, CALLER)),
        (PUSH, "Key Vault Certificate User", vault),
        (CALLER, "Key Vault Certificates Officer", vault),
    }
    assert {principal: type_ for (principal, _, _), type_ in made.items()} == {
        PUSH: "ServicePrincipal",
        CALLER: "User",
    }


def test_who_runs_the_stacks_may_be_a_service_principal(azure):
    made = grants(azure.up("shared", azure={"principalType": "ServicePrincipal"}))
    assert set(made.values()) == {"ServicePrincipal"}


def test_registries_in_abac_mode_have_the_roles_of_repositories(azure):
    roles = Counter(role for _, role, _ in grants(azure.up("shared", registry={"permissions": "abac"})))
    assert roles["Container Registry Repository Writer"] == 8
    assert not {"AcrPush", "AcrPull"} & roles.keys()


def test_runs_are_told_all_they_need(shared):
    outputs = shared.outcome.outputs
    assert outputs.keys() == {
        *("registries", "vault", "certificateName", "tenantId", "subscription", "resourceGroup"),
        *("trustedIdentity", "pushIdentity", "declared"),
    }
    for registry in outputs["registries"]:
        assert registry["host"] == f"{registry['name']}.azurecr.io"
        assert registry["id"] == identifier("Registry", registry["name"], outputs["resourceGroup"])
    name = outputs["vault"]["name"]
    assert outputs["vault"] == {
        "name": name,
        "id": identifier("Vault", name, outputs["resourceGroup"]),
        "uri": f"https://{name}.vault.azure.net/",
    }
    assert outputs["pushIdentity"] == {"clientId": "client of ratify-perf-shared-push", "principalId": PUSH}
    assert outputs["trustedIdentity"] == f"x509.subject: CN=ratify-perf,O={ORGANIZATION},ST=WA,C=US"


def test_names_that_are_set_are_taken_as_they_are(azure):
    declared = azure.up("shared", azure={"vaultName": "our-vault", "resourceGroup": "Our_Group.1"})
    assert declared.inputs("vault")["vaultName"] == "our-vault"
    assert {step.inputs["resourceGroupName"] for step in declared.of_type("") if "vaultName" in step.inputs} == {
        "Our_Group.1"
    }


def test_what_outlasts_runs_has_the_tag_of_none(azure):
    declared = azure.up("shared", runId="run-7")
    tags = [step.inputs["tags"] for step in declared.outcome.steps if "tags" in step.inputs]
    assert len(tags) == 7
    assert {tag["run-id"] for tag in tags} == {"shared"}


def test_making_it_without_the_pulumi_cli_is_refused(world):
    from infra.engine import select
    from tests.infra.stacks import ROOT

    engine = select("embedded", root=ROOT, state=world.state)
    with pytest.raises(UsageError, match="needs the Pulumi CLI"):
        engine.up("shared", world.config("shared", {}))

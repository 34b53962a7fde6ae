"""Each rule fires on what breaks it and is silent beside it; that it is silent on every stack is in test_snapshots."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import infra.policy
from infra.policy import secrecy
from infra.policy.exposure import registry_of
from infra.policy.ownership import UNTAGGED
from infra.policy.resources import Resource, leaves
from infra.policy.rules import RULES, violations
from workloads.tags import TAGS

REGISTRY = "azure-native:containerregistry:Registry"
ROLE = "azure-native:authorization:RoleAssignment"
VAULT = "azure-native:keyvault:Vault"
RELEASE = "kubernetes:helm.sh/v3:Release"
SERVICE = "kubernetes:core/v1:Service"
POD = "kubernetes:core/v1:Pod"
WEBHOOK = "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration"
PROVIDER = "kubernetes:externaldata.gatekeeper.sh/v1beta1:Provider"
TAGGED = {"tags": dict.fromkeys(TAGS, "x")}
SCOPE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"
PULL = "/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d"
ASSIGNMENT = {"roleDefinitionId": PULL, "principalType": "ServicePrincipal", "scope": SCOPE}


def running(*images, kind=POD, **spec):
    inner = {"containers": [{"image": image} for image in images], **spec}
    return kind, {"spec": inner if kind == POD else {"template": {"spec": inner}}}


GOOD_REGISTRY = {"adminUserEnabled": False, "anonymousPullEnabled": False, **TAGGED}
BY_ROLES = {"enableRbacAuthorization": True}
GOOD_VAULT = {"properties": BY_ROLES, **TAGGED}
CASES = [
    # rule, what breaks it, what does not, words of the sentence
    ("tls-between-components", (RELEASE, {"values": {"a": [{"url": "http://x/y"}]}}), "plain http at values.a.0.url"),
    ("tls-between-components", (RELEASE, {"values": {"insecureSkipVerify": True}}), "values.insecureSkipVerify"),
    ("tls-between-components", (PROVIDER, {"spec": {"caBundle": "x", "insecure_skip_tls_verify": True}}), "verify it"),
    ("tls-least-version", ("azure-native:storage:StorageAccount", TAGGED), "minimumTlsVersion is not set"),
    (
        "tls-least-version",
        ("azure-native:redis:Redis", {"minimumTlsVersion": "1.0", "enableNonSslPort": True, **TAGGED}),
        "minimumTlsVersion is 1.0",
    ),
    ("tls-for-admission", (PROVIDER, {"spec": {"url": "http://127.0.0.1/x", "caBundle": "x"}}), "not reached by https"),
    ("tls-for-admission", (WEBHOOK, {"webhooks": [{"clientConfig": {"url": "https://x"}}]}), "no caBundle"),
    ("ratify-uses-https", (RELEASE, {"values": {"oras": {"useHttp": True}}}), "values.oras.useHttp"),
    ("no-admin-user", (REGISTRY, {**GOOD_REGISTRY, "adminUserEnabled": True}), "adminUserEnabled"),
    ("no-admin-user", (REGISTRY, {"anonymousPullEnabled": False, **TAGGED}), "adminUserEnabled"),
    ("no-anonymous-pull", (REGISTRY, {**GOOD_REGISTRY, "anonymousPullEnabled": True}), "anonymousPullEnabled"),
    ("no-door-to-the-outside", (SERVICE, {"spec": {"type": "LoadBalancer"}}), "LoadBalancer"),
    ("no-door-to-the-outside", (SERVICE, {"spec": {"type": "NodePort"}}), "NodePort"),
    ("no-door-to-the-outside", ("kubernetes:networking.k8s.io/v1:Ingress", {}), "lets the outside in"),
    ("no-door-to-the-outside", ("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute", {}), "lets the outside in"),
    ("no-door-to-the-outside", (RELEASE, {"values": {"a": {"service": {"type": "NodePort"}}}}), "values"),
    ("no-door-to-the-outside", (RELEASE, {"values": {"ingress": {"enabled": True}}}), "an Ingress at values.ingress"),
    ("own-images", running("nginx"), "nginx, of a public registry"),
    ("own-images", running("library/nginx:1"), "public registry"),
    ("own-images", running("mcr.microsoft.com/x@sha256:0"), "public registry"),
    ("own-images", running("x.azurecr.io/a", "ghcr.io/b", kind="kubernetes:apps/v1:Deployment"), "ghcr.io/b"),
    ("own-images", running("registry.example/a", kind="kubernetes:batch/v1:Job"), "none of the stack's"),
    ("tagged", (REGISTRY, {**GOOD_REGISTRY, "tags": {"owner": "me"}}), "lacks the tags run-id"),
    ("tagged", ("azure-native:resources:ResourceGroup", {}), "lacks the tags owner"),
    (
        "deletable",
        (VAULT, {**TAGGED, "properties": {**BY_ROLES, "enablePurgeProtection": True}}),
        "purg",
    ),
    ("deletable", ("azure-native:authorization:ManagementLockByScope", TAGGED), "is a lock"),
    ("deletable", ("kubernetes:storage.k8s.io/v1:StorageClass", {"reclaimPolicy": "Retain"}), "volumes behind"),
    ("deletable", (RELEASE, {"values": {"annotations": {"helm.sh/resource-policy": "keep"}}}), "chart made behind"),
    ("least-privilege", (ROLE, {**ASSIGNMENT, "roleDefinitionId": "/x/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}), "Owner"),
    ("least-privilege", (ROLE, {**ASSIGNMENT, "roleDefinitionId": "B24988AC-6180-42A0-AB88-20F7382DD24C"}), "Contribu"),
    ("least-privilege", (ROLE, {k: v for k, v in ASSIGNMENT.items() if k != "principalType"}), "set principalType"),
    ("least-privilege", (ROLE, {**ASSIGNMENT, "scope": "/subscriptions/s/resourceGroups/g"}), "on the one resource"),
    ("least-privilege", (ROLE, {**ASSIGNMENT, "scope": "/subscriptions/s"}), "on the one resource"),
    ("least-privilege", (ROLE, {k: v for k, v in ASSIGNMENT.items() if k != "scope"}), "on the one resource"),
    (
        "least-privilege",
        ("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", {"roleRef": {"name": "cluster-admin"}}),
        "all rights",
    ),
    ("vault-by-roles", (VAULT, {**TAGGED, "properties": {}}), "enableRbacAuthorization"),
    (
        "vault-by-roles",
        (VAULT, {**TAGGED, "properties": {**BY_ROLES, "accessPolicies": [{}]}}),
        "has access policies",
    ),
    ("secrets-are-drawn-as-such", ("random:index/randomId:RandomId", {"byteLength": 16}, "a-signing-key"), "in clear"),
    ("secrets-are-marked", (RELEASE, {"values": {"redis": {"password": "x"}}}), "values.redis.password"),
    ("secrets-are-marked", ("pulumi:providers:kubernetes", {"kubeconfig": "[unknown]"}), "at kubeconfig"),
    ("secrets-are-marked", ("kubernetes:core/v1:Secret", {"stringData": {"a": "b"}}), "stringData.a in clear"),
    ("secrets-are-marked", ("kubernetes:core/v1:ConfigMap", {"data": {"a": "-----BEGIN PRIVATE KEY-----"}}), "data.a"),
]
SILENT = [
    ("kubernetes:apps/v1:Deployment", {"metadata": {"namespace": "gatekeeper-system"}, **running("redis")[1]}),
    (RELEASE, {"values": {"registryCredsSecret": "name-of-a-secret"}}),
    (REGISTRY, GOOD_REGISTRY),
    (REGISTRY, {**GOOD_REGISTRY, "tags": "[unknown]"}),
    (VAULT, GOOD_VAULT),
    (ROLE, ASSIGNMENT),
    (ROLE, {**ASSIGNMENT, "scope": "[unknown]", "roleDefinitionId": "[unknown]"}),
    ("azure-native:storage:StorageAccount", {**TAGGED, "minimumTlsVersion": "TLS1_2"}),
    (
        RELEASE,
        {"values": {"oras": {"useHttp": False}, "service": {"type": "ClusterIP"}, "ingress": {"enabled": False}}},
    ),
    (RELEASE, {"values": "[unknown]"}),
    (RELEASE, {"values": {"password": "[secret]", "secretName": "x", "tokenSeconds": 3, "url": "http://127.0.0.1:1"}}),
    (SERVICE, {"spec": {"type": "ClusterIP"}}),
    (SERVICE, {"spec": "[unknown]"}),
    running("x.azurecr.io/a", "[unknown]", "x.azurecr.io:443/b@sha256:0"),
    running("gatekeeper", schedulingGates=[{"name": "x"}]),
    (PROVIDER, {"spec": {"url": "https://x", "caBundle": "[unknown]"}}),
    (WEBHOOK, {"webhooks": [{"clientConfig": {"url": "[unknown]", "caBundle": "x"}}, {"clientConfig": "[unknown]"}]}),
    ("kubernetes:core/v1:Secret", {"stringData": {"a": "[secret]"}}),
    ("kubernetes:core/v1:Secret", {"data": "[secret]"}),
    ("pulumi:providers:kubernetes", {"kubeconfig": "[secret]"}),
    ("random:index/randomString:RandomString", {"length": 8}, "monkey-suffix"),
    ("random:index/randomBytes:RandomBytes", {"length": 16}, "signing-key"),
    ("kubernetes:core/v1:PersistentVolume", {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}),
]


def broken(kind, inputs, name="it", platform="azure", protect=False, retain_on_delete=False):
    resource = Resource(kind, name, inputs, "urn:it", protect, retain_on_delete)
    return list(violations([resource], {}, platform))


@pytest.mark.parametrize(("rule", "resource", "words"), CASES)
def test_a_rule_names_what_breaks_it_and_no_other_rule_does(rule, resource, words):
    found = broken(*resource)
    assert {each.rule for each in found} == {rule}
    assert any(words in each.message for each in found)
    for each in found:
        assert each.urn == "urn:it"
        assert each.message.startswith(
            f"{'it' if len(resource) < 3 else resource[2]} ({resource[0]}) "
        ) and each.message.endswith(".")


@pytest.mark.parametrize("resource", SILENT)
def test_what_is_as_it_has_to_be_breaks_no_rule(resource):
    assert broken(*resource) == []


def test_no_message_has_an_address_which_may_hold_a_password():
    url = "http://user:hunter2@x"
    for kind, inputs in ((RELEASE, {"values": {"url": url}}), (PROVIDER, {"spec": {"url": url, "caBundle": "x"}})):
        found = broken(kind, inputs)
        assert found
        assert "hunter2" not in "".join(each.message for each in found)


def test_every_rule_has_a_case_that_breaks_it():
    assert {case[0] for case in CASES} == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES) > 10
    assert all(rule.description.endswith(".") for rule in RULES)


@pytest.mark.parametrize(("protect", "retain"), [(True, False), (False, True)])
def test_an_option_that_keeps_a_resource_breaks_a_rule(protect, retain):
    (only,) = broken(REGISTRY, GOOD_REGISTRY, protect=protect, retain_on_delete=retain)
    assert only.rule == "deletable"


@pytest.mark.parametrize(
    ("platform", "image", "ok"),
    [
        ("local", "127.0.0.1:5000/x:1", True),
        ("local", "x.azurecr.io/x:1", False),
        ("azure", "127.0.0.1:5000/x:1", False),
        ("azure", "evil-azurecr.io/x:1", False),
        ("kubeconfig", "registry.example:5000/x:1", True),
        ("kubeconfig", "docker.io/x:1", False),
        ("kubeconfig", "eu.gcr.io/x:1", False),
    ],
)
def test_the_stack_s_registries_are_those_of_its_platform(platform, image, ok):
    kind, inputs = running(image)
    assert (broken(kind, inputs, platform=platform) == []) is ok


def test_what_is_plain_http_off_azure_is_the_user_s_business():
    assert broken(RELEASE, {"values": {"oras": {"useHttp": True}, "url": "http://x"}}, platform="kubeconfig") == []


@pytest.mark.parametrize(
    ("image", "host"),
    [("nginx", "docker.io"), ("a/b", "docker.io"), ("a.b/c", "a.b"), ("h:1/c:2", "h:1"), ("localhost/x", "localhost")],
)
def test_the_registry_of_an_image_is_found_as_runtimes_find_it(image, host):
    assert registry_of(image) == host


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        ({"kubeconfig": "[secret]", "registry": "x", "targets": {}}, []),
        ({"kubeconfig": "[unknown]"}, ["kubeconfig"]),
        ({"kubeconfig": '{"users": [{"client-key-data": "x"}]}'}, ["kubeconfig"]),
        (
            {"push": {"password": "x"}, "a": {"b": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x"]}},
            ["push.password", "a.b.0"],
        ),
        ({"signingKeyFile": "/x/key", "certificateName": "x"}, []),
    ],
)
def test_outputs_that_look_like_secrets_are_secret(outputs, names):
    found = list(violations([], outputs, "azure"))
    assert [each.message.split()[3] for each in found] == names
    assert {each.rule for each in found} <= {secrecy.OUTPUTS}


def test_on_this_machine_a_kubeconfig_is_full_of_names_of_files_and_may_be_shown():
    assert list(violations([], {"kubeconfig": '{"client-key": "/x/tls.key"}'}, "local")) == []
    assert len(list(violations([], {"kubeconfig": '{"client-key-data": "LS0"}'}, "local"))) == 1


def test_walking_meets_every_leaf():
    assert list(leaves({"a": [1, {"b": None}], "c": "d"})) == [(("a", "0"), 1), (("a", "1", "b"), None), (("c",), "d")]


def test_which_resources_take_no_tags_is_what_the_sdk_says():
    import importlib
    import inspect

    for token in UNTAGGED:
        _, module, name = token.split(":")
        made = getattr(importlib.import_module(f"pulumi_azure_native.{module}"), name)
        assert "tags" not in inspect.signature(made._internal_init).parameters, token


def test_no_module_of_the_pack_s_folder_hides_one_of_python_s():
    """Python puts the folder of what it runs first on its path."""
    names = {file.stem for file in Path(infra.policy.__file__).parent.glob("*.py")}
    assert len(names) > 5
    assert not names & sys.stdlib_module_names

"""What the real charts make of our values: Helm ignores in silence a key that is misspelt, or that a chart has lost."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.kubernetes import gatekeeper, ratify
from infra.local.tools import TOOLS, pinned_version
from infra.settings import Settings
from tests.infra.kubernetes.charts import (
    IDENTITY,
    INLINE,
    PEM,
    RUNS,
    SYSTEM,
    VAULT,
    Object,
    folder,
    leaves,
    one,
    rendered,
    settings,
)

pytestmark = pytest.mark.real

FREE = {"nodeSelector", "affinity", "resources", "annotations", "podAnnotations"}
"""Maps whose keys are the user's."""
SHAPES: dict[str, dict[str, Any]] = {
    "S": {},
    "without a cache": {"ratify": {"cache": "off"}},
    "HA": {"ratify": {"mode": "ha", "replicas": 3, "cache": "on"}},
}


def values_of(chart: str, chosen: Settings, trust: Any = VAULT) -> Object:
    return gatekeeper.values(chosen, SYSTEM) if chart == "gatekeeper" else ratify.values(chosen, SYSTEM, trust)


def arguments(objects: list[Object], deployment: str) -> list[str]:
    (container,) = one(objects, "Deployment", deployment)["spec"]["template"]["spec"]["containers"]
    return list(container["args"])


def known(chart: Path, path: tuple[str, ...]) -> bool:
    """Whether the chart's values.yaml has a value, or one of its templates asks for it."""
    here: Any = yaml.safe_load((chart / "values.yaml").read_text())
    for depth, key in enumerate(path):
        if depth and path[depth - 1] in FREE:
            return True
        if not isinstance(here, dict) or key not in here:
            asked = re.compile(re.escape(".Values." + ".".join(path)) + r"\b")
            return any(asked.search(file.read_text()) for file in (chart / "templates").rglob("*.*"))
        here = here[key]
    return True


@pytest.mark.parametrize("chart", ["gatekeeper", "ratify"])
@pytest.mark.parametrize("trust", [VAULT, INLINE], ids=["vault", "inline"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_value_that_is_set_is_one_that_the_chart_has(chart: str, trust: Any, shape: str):
    paths = list(leaves(values_of(chart, settings(**SHAPES[shape]), trust)))
    assert len(paths) > 25
    assert [path for path in paths if not known(folder(chart), path)] == []


@pytest.mark.parametrize("chart", ["gatekeeper", "ratify"])
def test_a_value_that_no_chart_has_would_be_found(chart: str):
    for path in (("nonsense",), ("image", "nonsense"), ("crds", "nonsense"), ("validatingWebhookTimeout",)):
        assert not known(folder(chart), path), path


def test_the_defaults_are_the_releases_that_are_built_and_tested_here():
    chosen = settings()
    assert pinned_version(TOOLS["gatekeeper"]) == f"v{chosen.gatekeeper.version}"
    assert pinned_version(TOOLS["ratify"]) == f"v{chosen.ratify.version}"
    chart = yaml.safe_load((folder("ratify") / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (chosen.ratify.chart, f"v{chosen.ratify.version}")
    chart = yaml.safe_load((folder("gatekeeper") / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (chosen.gatekeeper.version, f"v{chosen.gatekeeper.version}")


@pytest.mark.parametrize("stack", RUNS)
def test_gatekeeper_as_every_run_has_it(stack: str):
    chosen = settings(stack)
    objects = rendered("gatekeeper", values_of("gatekeeper", chosen))
    webhooks = {
        hook["name"]: hook
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
        for hook in one(objects, kind)["webhooks"]
    }
    assert webhooks["validation.gatekeeper.sh"]["timeoutSeconds"] == 5
    assert webhooks["mutation.gatekeeper.sh"]["timeoutSeconds"] == 2
    for name in ("validation.gatekeeper.sh", "mutation.gatekeeper.sh"):
        assert webhooks[name]["failurePolicy"] == chosen.policy.failurePolicy == "Fail"
    asked = arguments(objects, "gatekeeper-controller-manager")
    assert "--external-data-provider-response-cache-ttl=0s" in asked
    assert {"--enable-external-data=true", "--operation=mutation-webhook", "--max-serving-threads=-1"} <= set(asked)
    assert "--audit-interval=0" in arguments(objects, "gatekeeper-audit")
    assert one(objects, "Deployment", "gatekeeper-controller-manager")["spec"]["replicas"] == 3


@pytest.mark.parametrize("stack", RUNS)
def test_ratify_as_every_run_has_it(stack: str):
    chosen = settings(stack)
    objects = rendered("ratify", values_of("ratify", chosen))
    executor = json.loads(one(objects, "ConfigMap")["data"]["config.json"])["executor"]
    assert executor == {
        "verificationRequestTimeout": chosen.ratify.verificationTimeoutMs,
        "mutationRequestTimeout": chosen.ratify.mutationTimeoutMs,
    }
    pods = one(objects, "Deployment")["spec"]
    assert pods["replicas"] == chosen.ratify.replicas
    (container,) = pods["template"]["spec"]["containers"]
    assert container["image"].endswith(f":v{chosen.ratify.version}")
    assert container["resources"]["limits"] == {"cpu": chosen.ratify.cpuLimit, "memory": chosen.ratify.memoryLimit}
    on = str(chosen.ratify.cache).lower()
    assert {f"--cache-enabled={on}", "--metrics-enabled=true", "--metrics-port=8888"} <= set(container["args"])
    store = one(objects, "Store")["spec"]["parameters"]
    assert store.get("cacheEnabled", False) is chosen.ratify.cache
    assert "cosignEnabled" not in store and "useHttp" not in store
    assert [o["metadata"]["name"] for o in objects if o["kind"] == "Verifier"] == ["verifier-notation"]
    annotations = pods["template"]["metadata"]["annotations"]
    shares = chosen.ratify.mode == "ha"
    assert shares is ("ha" in stack.split("-"))
    assert annotations.get("dapr.io/enabled") == ("true" if shares else None)
    assert ("--cache-type=dapr" in container["args"], "--cache-name=dapr-redis" in container["args"]) == (shares, True)
    flags = {each["name"]: each.get("value") for each in container["env"]}
    assert flags["RATIFY_EXPERIMENTAL_HIGH_AVAILABILITY"] == ("1" if shares else "0")
    assert flags["RATIFY_CERT_ROTATION"] == "1"


def test_ratify_s_deadlines_are_gatekeeper_s_and_its_providers():
    chosen = settings(
        gatekeeper={"validationTimeoutSeconds": 9, "mutationTimeoutSeconds": 4},
        ratify={"verificationTimeoutMs": 8_900, "mutationTimeoutMs": 3_950},
    )
    objects = rendered("ratify", values_of("ratify", chosen))
    executor = json.loads(one(objects, "ConfigMap")["data"]["config.json"])["executor"]
    assert executor == {"verificationRequestTimeout": 8_900, "mutationRequestTimeout": 3_950}
    assert one(objects, "Provider", "ratify-provider")["spec"]["timeout"] == 9
    assert one(objects, "Provider", "ratify-mutation-provider")["spec"]["timeout"] == 4
    webhooks = rendered("gatekeeper", values_of("gatekeeper", chosen))
    assert one(webhooks, "ValidatingWebhookConfiguration")["webhooks"][0]["timeoutSeconds"] == 9
    assert one(webhooks, "MutatingWebhookConfiguration")["webhooks"][0]["timeoutSeconds"] == 4


def test_every_setting_of_gatekeeper_s_reaches_its_pods():
    changed = {
        "replicas": 5,
        "memoryLimit": "1Gi",
        "auditInterval": 60,
        "auditFromCache": True,
        "auditChunkSize": 7,
        "emitAdmissionEvents": True,
        "emitAuditEvents": True,
        "externalData": False,
        "responseCacheSeconds": 33,
        "maxServingThreads": 99,
        "logDenies": True,
        "logLevel": "DEBUG",
    }
    chosen = settings(gatekeeper=changed, ratify={"cache": "on"}, policy={"failurePolicy": "Ignore"})
    objects = rendered("gatekeeper", values_of("gatekeeper", chosen))
    manager = set(arguments(objects, "gatekeeper-controller-manager"))
    audit = set(arguments(objects, "gatekeeper-audit"))
    assert {
        "--emit-admission-events=true",
        "--enable-external-data=false",
        "--external-data-provider-response-cache-ttl=33s",
        "--max-serving-threads=99",
        "--log-denies=true",
        "--log-level=DEBUG",
    } <= manager
    assert {
        "--audit-interval=60",
        "--audit-from-cache=true",
        "--audit-chunk-size=7",
        "--emit-audit-events=true",
        "--enable-external-data=false",
        "--external-data-provider-response-cache-ttl=33s",
        "--log-level=DEBUG",
    } <= audit
    for name in ("gatekeeper-controller-manager", "gatekeeper-audit"):
        (container,) = one(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        resources = container["resources"]
        assert resources["limits"]["memory"] == resources["requests"]["memory"] == "1Gi"
    assert one(objects, "Deployment", "gatekeeper-controller-manager")["spec"]["replicas"] == 5
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        assert one(objects, kind)["webhooks"][0]["failurePolicy"] == "Ignore"
    assert int(one(objects, "ResourceQuota")["spec"]["hard"]["pods"]) > 5


def test_without_mutation_nothing_is_mutated():
    chosen = settings(gatekeeper={"mutation": False})
    for chart in ("gatekeeper", "ratify"):
        kinds = {each["kind"] for each in rendered(chart, values_of(chart, chosen))}
        assert not kinds & {"MutatingWebhookConfiguration", "Assign"}
    assert {"MutatingWebhookConfiguration"} <= {
        o["kind"] for o in rendered("gatekeeper", values_of("gatekeeper", settings()))
    }
    assert "Assign" in {o["kind"] for o in rendered("ratify", values_of("ratify", settings()))}


def test_the_trust_is_azure_s_where_there_is_a_vault():
    objects = rendered("ratify", values_of("ratify", settings()))
    account = one(objects, "ServiceAccount", ratify.SERVICE_ACCOUNT)["metadata"]
    assert account["annotations"]["azure.workload.identity/client-id"] == "a-client"
    pod = one(objects, "Deployment")["spec"]["template"]
    assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert pod["spec"]["serviceAccountName"] == ratify.SERVICE_ACCOUNT
    (keys,) = [o for o in objects if o["kind"] == "KeyManagementProvider"]
    assert keys["spec"]["type"] == "azurekeyvault"
    parameters = {key: value for key, value in keys["spec"]["parameters"].items() if value}
    assert parameters == {
        "vaultURI": "https://a-vault.vault.azure.net/",
        "tenantID": "a-tenant",
        "clientID": "a-client",
        "certificates": [{"name": "a-certificate", "version": None}],
    }
    login = one(objects, "Store")["spec"]["parameters"]["authProvider"]
    assert (login["name"], login["clientID"]) == ("azureWorkloadIdentity", "a-client")
    assert trusted(objects) == keys["metadata"]["name"]


def test_the_trust_is_what_is_given_where_there_is_no_vault():
    objects = rendered("ratify", values_of("ratify", settings(), INLINE))
    (keys,) = [o for o in objects if o["kind"] == "KeyManagementProvider"]
    assert keys["spec"] == {"type": "inline", "parameters": {"contentType": "certificate", "value": PEM + PEM}}
    assert trusted(objects) == keys["metadata"]["name"]
    store = one(objects, "Store")["spec"]["parameters"]
    assert store is not None  # the API server would refuse it
    assert "authProvider" not in store
    spec = one(objects, "Deployment")["spec"]["template"]["spec"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "dockerconfig"]
    assert volume["secret"]["secretName"] == ratify.DOCKER_SECRET
    assert {"name": "DOCKER_CONFIG", "value": "/usr/local/docker"} in spec["containers"][0]["env"]


def trusted(objects: list[Object]) -> str:
    """The one key management provider that signatures are checked with; the policy is strict and names one signer."""
    parameters = one(objects, "Verifier")["spec"]["parameters"]
    (policy,) = parameters["trustPolicyDoc"]["trustPolicies"]
    assert policy["signatureVerification"] == {"level": "strict"}
    assert policy["trustedIdentities"] == [IDENTITY]
    assert policy["registryScopes"] == ["*"]
    (store,) = policy["trustStores"]
    kind, _, name = store.partition(":")
    (found,) = parameters["verificationCertStores"][kind][name]
    return str(found)


def test_a_plain_registry_is_asked_without_tls():
    plain = type(INLINE)(PEM, None, IDENTITY, plain_http=True)
    assert one(rendered("ratify", values_of("ratify", settings(), plain)), "Store")["spec"]["parameters"]["useHttp"]


@pytest.mark.parametrize("chart", ["gatekeeper", "ratify"])
def test_everything_that_runs_is_placed_on_the_system_s_nodes(chart: str):
    objects = rendered(chart, values_of(chart, settings()))
    pods = [o["spec"]["template"]["spec"] for o in objects if o["kind"] in ("Deployment", "Job")]
    assert len(pods) > 1
    for spec in pods:
        assert spec["tolerations"] == [dict(each) for each in SYSTEM.tolerations]
        selected = spec.get("nodeSelector") or {
            each["key"]: each["values"][0]
            for term in spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
                "nodeSelectorTerms"
            ]
            for each in term["matchExpressions"]
        }
        assert selected.items() >= SYSTEM.node_selector.items()


def test_the_pods_can_be_found_by_what_the_stack_says_of_them():
    from infra.kubernetes.inside import COMPONENTS

    for chart, found in COMPONENTS.items():
        key, _, value = found["selector"].partition("=")
        objects = rendered(chart, values_of(chart, settings()))
        for deployment in (o for o in objects if o["kind"] == "Deployment"):
            template = deployment["spec"]["template"]
            assert template["metadata"]["labels"][key] == value
            (container,) = template["spec"]["containers"]
            assert container["name"] == found["container"]
            assert found["port"] in [port["containerPort"] for port in container["ports"]]


def test_what_the_policy_asks_for_is_what_ratify_s_chart_makes():
    from infra.kubernetes.policy import PROVIDERS, REGO

    objects = rendered("ratify", values_of("ratify", settings()))
    assert {o["metadata"]["name"] for o in objects if o["kind"] == "Provider"} == set(PROVIDERS)
    assert f'"{PROVIDERS[0]}"' in REGO.read_text()

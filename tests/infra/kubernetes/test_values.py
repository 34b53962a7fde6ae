"""Values of charts that are not at hand here, and what in the others no rendering shows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from infra.kubernetes import dapr, gatekeeper, monitoring, ratify
from infra.kubernetes.charts import FILE, charts
from infra.kubernetes.inside import COMPONENTS
from infra.kubernetes.placement import Placement
from infra.settings.charts import needed
from tests.infra.kubernetes.charts import IDENTITY, INLINE, SYSTEM, VAULT, settings

HA: dict[str, Any] = {"ratify": {"mode": "ha", "replicas": 3, "cache": "on"}}


def test_every_chart_is_pinned_by_the_file_or_by_a_setting():
    rows = yaml.safe_load(FILE.read_text())
    assert {name for name, row in rows.items() if "version" not in row} == {"gatekeeper", "ratify"}
    assert all(chart.repository.startswith("https://") for chart in charts().values())
    assert set(needed(settings("perf-S-ha"))) == set(charts())


@pytest.mark.parametrize(
    ("limit", "asked"),
    [("1000m", "600m"), ("1", "600m"), ("0.5", "0.5"), ("600m", "600m"), ("100m", "100m"), ("1k", "600m")],
)
def test_ratify_never_asks_for_more_cpu_than_its_limit(limit, asked):
    resources = ratify.values(settings(ratify={"cpuLimit": limit}), SYSTEM, VAULT)["resources"]
    assert (resources["limits"]["cpu"], resources["requests"]["cpu"]) == (limit, asked)


def test_nobody_s_memory_can_be_taken_by_others():
    chosen = settings(ratify={"memoryLimit": "2Gi"}, gatekeeper={"memoryLimit": "3Gi"})
    for resources in (
        ratify.values(chosen, SYSTEM, VAULT)["resources"],
        gatekeeper.values(chosen, SYSTEM)["controllerManager"]["resources"],
        dapr.redis_pod(SYSTEM)["containers"][0]["resources"],
    ):
        assert resources["limits"]["memory"] == resources["requests"]["memory"]


def test_the_level_of_the_log_and_its_form():
    logger = ratify.values(settings(ratify={"logLevel": "debug"}), SYSTEM, VAULT)["logger"]
    assert logger == {"formatter": "json", "level": "debug"}


def test_the_namespaces_that_gatekeeper_leaves_alone_are_not_mutated_either():
    chosen = settings(gatekeeper={"excludedNamespaces": ["a", "b-*"]})
    assert ratify.values(chosen, SYSTEM, VAULT)["provider"]["mutationExcludedNamespaces"] == ["a", "b-*"]


@pytest.mark.parametrize("trust", [VAULT, INLINE])
def test_the_trusted_identity_survives_the_quotes_of_the_template(trust):
    (policy,) = ratify.values(settings(), SYSTEM, trust)["notation"]["trustPolicies"]
    (identity,) = policy["trustedIdentities"]
    assert yaml.safe_load(f'- "{identity}"') == [IDENTITY]


def test_replicas_of_ratify_are_kept_apart_where_that_goes():
    affinity = Placement().affinity(ratify.LABELS)
    (each,) = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert each["podAffinityTerm"]["labelSelector"]["matchLabels"] == ratify.LABELS
    (term,) = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]


def test_prometheus_scrapes_ratify_and_gatekeeper_and_puts_nothing_on_the_nodes_of_the_load():
    values = monitoring.values(settings(monitoring={"scrapeSeconds": 2.5}), SYSTEM, COMPONENTS)
    monitors = {each["name"]: each for each in values["prometheus"]["additionalPodMonitors"]}
    assert monitors["monitoring-ratify"]["selector"] == {"matchLabels": {"app.kubernetes.io/name": "ratify"}}
    assert monitors["monitoring-gatekeeper"]["selector"] == {"matchLabels": {"gatekeeper.sh/system": "yes"}}
    for monitor in monitors.values():
        assert monitor["namespaceSelector"] == {"matchNames": ["gatekeeper-system"]}
        assert monitor["podMetricsEndpoints"] == [{"portNumber": 8888}]
    spec = values["prometheus"]["prometheusSpec"]
    assert (spec["scrapeInterval"], spec["scrapeTimeout"]) == ("2500ms", "2500ms")
    for each in (spec, values["prometheusOperator"]):
        assert each["tolerations"] == [dict(toleration) for toleration in SYSTEM.tolerations]
        assert each["nodeSelector"].items() >= SYSTEM.node_selector.items()
    for off in ("grafana", "alertmanager", "nodeExporter", "kubeStateMetrics", "kubernetesServiceMonitors"):
        assert values[off] == {"enabled": False}


def test_the_output_names_the_service_that_the_chart_makes():
    values = monitoring.values(settings(), SYSTEM, COMPONENTS)
    assert monitoring.service() == {
        "namespace": "monitoring",
        "name": f"{values['fullnameOverride']}-prometheus",
        "port": values["prometheus"]["service"]["port"],
    }


def test_the_shared_cache_has_a_password_by_file_and_nothing_on_disk():
    text = dapr.configuration("the password")
    assert "requirepass the password\n" in text
    assert "appendonly no\n" in text
    (container,) = dapr.redis_pod(SYSTEM)["containers"]
    assert container["args"][0] == "redis-server"
    assert not [word for word in container["args"] if "pass" in word]
    assert "env" not in container


def test_redis_fits_the_restricted_profile_that_its_namespace_enforces():
    pod = dapr.redis_pod(SYSTEM)
    assert pod["security_context"]["run_as_non_root"]
    assert pod["security_context"]["seccomp_profile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["security_context"]["capabilities"] == {"drop": ["ALL"]}
    assert container["security_context"]["allow_privilege_escalation"] is False


def test_the_component_names_the_secrets_and_the_address_of_redis():
    spec = dapr.component()
    entries = {each["name"]: each for each in spec["metadata"]}
    assert entries["redisHost"]["value"] == "ratify-redis.gatekeeper-system:6379"
    assert entries["redisPassword"]["secretKeyRef"] == {"name": "ratify-redis", "key": "redis-password"}
    assert entries["primaryEncryptionKey"]["secretKeyRef"] == {"name": "ratify-dapr-signing-key", "key": "signingKey"}


def test_sidecars_fit_the_restricted_profile():
    assert dapr.values(SYSTEM)["dapr_sidecar_injector"]["sidecarDropALLCapabilities"] is True
    annotations = ratify.values(settings(**HA), SYSTEM, VAULT)["podAnnotations"]
    assert annotations == {"dapr.io/sidecar-seccomp-profile-type": "RuntimeDefault"}
    assert ratify.values(settings(), SYSTEM, VAULT)["podAnnotations"] == {}

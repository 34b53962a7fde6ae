"""Which charts a run needs, what Ratify's chart cannot say, and what is said where the engine has no Helm."""

from __future__ import annotations

from typing import Any

import pytest

from infra.settings import Settings
from infra.settings.charts import needed, problem
from workloads.errors import SettingsError

OWN = {"registry": {"kind": "existing", "regions": [{"name": "own", "size": "L", "host": "registry.example"}]}}
HA = {"mode": "ha", "replicas": 3}


def read(platform: str, **config: Any) -> Settings:
    return Settings.read({"platform": platform, "sharedStack": "shared", **config}, "stack x")


def problems(platform: str, **config: Any) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read(platform, **config)
    return error.value.problems


@pytest.mark.parametrize(
    ("platform", "config", "charts"),
    [
        ("local", {"monitoring": {"prometheus": "on"}}, []),
        ("azure", {}, ["gatekeeper", "ratify", "monitoring"]),
        ("azure", {"ratify": HA}, ["gatekeeper", "ratify", "dapr", "monitoring"]),
        ("azure", {"monitoring": {"prometheus": "off"}}, ["gatekeeper", "ratify"]),
        ("azure", {"monitoring": {"prometheusUrl": "http://there"}}, ["gatekeeper", "ratify"]),
        ("kubeconfig", {}, ["gatekeeper", "ratify"]),
        ("kubeconfig", {"monitoring": {"prometheus": "on"}}, ["gatekeeper", "ratify", "monitoring"]),
        ("kubeconfig", {"gatekeeper": {"install": False}}, ["ratify"]),
        ("kubeconfig", {"ratify": {**HA, "install": False}}, ["gatekeeper"]),
        ("kubeconfig", {"ratify": {"install": False}, "gatekeeper": {"install": False}}, []),
    ],
)
def test_the_charts_of_a_run(platform: str, config: dict, charts: list[str]):
    assert list(needed(read(platform, **config))) == charts


def test_a_shared_stack_has_no_cluster():
    assert needed(Settings.read({"platform": "kubeconfig", **OWN}, "stack x")) == {}


def test_what_needs_helm_is_told_with_the_switches_that_go_without():
    settings = read("kubeconfig", ratify=HA, monitoring={"prometheus": "on"})
    assert problem(settings, "mine") == (
        "Stack mine installs gatekeeper, ratify, dapr, monitoring with Helm, which the embedded engine has not: the "
        "Pulumi CLI has to be on PATH. Install the CLI, or leave out what the cluster has already: --set "
        "gatekeeper.install=false --set ratify.install=false --set monitoring.prometheus=off."
    )
    without = {"gatekeeper": {"install": False}, "ratify": {"install": False}}
    assert problem(read("kubeconfig", **without), "mine") is None
    assert problem(read("local"), "mine") is None


@pytest.mark.parametrize("platform", ["azure", "kubeconfig"])
def test_deadlines_that_the_chart_cannot_give_are_refused(platform: str):
    assert problems(platform, ratify={"verificationTimeoutMs": 3_000, "mutationTimeoutMs": 1_000}) == [
        "ratify.verificationTimeoutMs: on a cluster Ratify's chart makes it of gatekeeper.validationTimeoutSeconds, "
        "4900 ms of 5 s, and 3000 ms cannot be had; set one to fit the other.",
        "ratify.mutationTimeoutMs: on a cluster Ratify's chart makes it of gatekeeper.mutationTimeoutSeconds, 1950 ms "
        "of 2 s, and 1000 ms cannot be had; set one to fit the other.",
    ]
    both = {"verificationTimeoutMs": 2_900, "mutationTimeoutMs": 950}
    assert read(platform, ratify=both, gatekeeper={"validationTimeoutSeconds": 3, "mutationTimeoutSeconds": 1})


def test_a_deadline_that_is_too_long_is_told_once():
    (told,) = problems("azure", ratify={"verificationTimeoutMs": 6_000})
    assert "is not below gatekeeper.validationTimeoutSeconds" in told


def test_a_process_and_a_ratify_that_is_there_can_have_any():
    fast = {"verificationTimeoutMs": 3_000}
    assert read("local", ratify=fast)
    assert read("kubeconfig", ratify={**fast, "install": False})


def test_a_cache_that_is_shared_has_to_be_on():
    (told,) = problems("azure", ratify={**HA, "cache": "off"})
    assert told.startswith("ratify.cache: mode ha is about a cache")


def test_images_with_one_good_signature_of_two_are_refused_by_the_chart_s_policy():
    scenario = {"shards": 4, "negatives": {"unsigned": 0.5}, "restored": True}
    (told,) = problems("kubeconfig", scenario=scenario)
    assert told.startswith("scenario.restored: ")
    assert read("kubeconfig", scenario=scenario, ratify={"install": False})
    assert read("local", scenario=scenario)

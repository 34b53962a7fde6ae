from __future__ import annotations

from typing import Any

import pytest

from infra.settings import Settings
from workloads.errors import SettingsError

SHARED: dict[str, Any] = {"platform": "azure"}
RUN: dict[str, Any] = {"platform": "azure", "sharedStack": "shared"}


def problems(config: dict[str, Any]) -> list[str]:
    try:
        Settings.read(config, "the tests")
    except SettingsError as told:
        return told.problems
    return []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {**RUN, "azure": {"location": "westus"}, "cluster": {"zones": [1]}},
            "azure.location: westus has no availability zones; take a region that has, or none.",
        ),
        (
            {**RUN, "cluster": {"zones": [1, 4]}},
            "cluster.zones: expected some of 1, 2, 3, each once, got 1, 4.",
        ),
        (
            {**RUN, "cluster": {"zones": [1, 1]}},
            "cluster.zones: expected some of 1, 2, 3, each once, got 1, 1.",
        ),
        (
            {**RUN, "cluster": {"maxPods": 9}},
            "cluster.maxPods: a node of AKS takes at least 10 pods, got 9.",
        ),
        (
            {**RUN, "cluster": {"tier": "Free", "nodes": 1_001}},
            "cluster.tier: tier Free has at most 1000 nodes, and the stack has 1001; take Standard, or auto.",
        ),
        (
            {**RUN, "cluster": {"networkPlugin": "kubenet"}, "scenario": {"size": "XL"}},
            "cluster.networkPlugin: kubenet has at most 400 nodes, and the stack has 702; take overlay.",
        ),
        (
            {**RUN, "cluster": {"networkPlugin": "azure", "maxPods": 100}, "scenario": {"size": "XL"}},
            "cluster.networkPlugin: 702 nodes with 100 pods each take 70902 of a subnet's 65531 addresses; take "
            "overlay, or lower cluster.maxPods.",
        ),
        (
            {**SHARED, "registry": {"anonymousPull": True}},
            "registry.anonymousPull: registries on Azure are read with a login only; turn it off.",
        ),
        (
            {**SHARED, "registry": {"regions": [{"name": "westeurop", "size": "L"}]}},
            "registry.regions: westeurop: westeurop is no region of Azure; did you mean westeurope?",
        ),
        (
            {**SHARED, "registry": {"regions": [{"name": "westeurope", "size": "L", "zones": True}], "sku": "Basic"}},
            "registry.sku: westeurope has zones, for which its SKU has to be Premium, not Basic.",
        ),
        (
            {**RUN, "azure": {"tags": {"Run-Id": "1"}}},
            "azure.tags: Run-Id is a tag that every resource has already; leave it out.",
        ),
        (
            {**RUN, "azure": {"tags": {"a/b": "1"}}},
            "azure.tags: a/b is no name of a tag: 1 to 512 characters, none of <>%&\\?/.",
        ),
        (
            {**RUN, "azure": {"tags": {"long": "x" * 257}}},
            "azure.tags: long has 257 characters, and a tag at most 256.",
        ),
        (
            {**RUN, "azure": {"tags": {f"tag{n}": "x" for n in range(47)}}},
            "azure.tags: a resource has at most 50 tags, 4 of them our own; got 47.",
        ),
    ],
)
def test_what_azure_would_refuse_is_told(config, told):
    assert problems(config) == [told]


@pytest.mark.parametrize(
    "config",
    [
        {**RUN, "cluster": {"zones": [3, 1], "maxPods": 10, "tier": "Free"}},
        {**RUN, "cluster": {"networkPlugin": "kubenet"}, "scenario": {"size": "L"}},
        {**RUN, "cluster": {"networkPlugin": "azure"}, "scenario": {"size": "XL"}},
        {**RUN, "azure": {"tags": {f"tag{n}": "x" * 256 for n in range(46)}}},
        {**SHARED, "registry": {"regions": [{"name": "eastus2euap", "size": "XS"}], "sku": "Basic"}},
    ],
)
def test_what_azure_takes_is_taken(config):
    assert not problems(config)


@pytest.mark.parametrize("platform", ["local", "kubeconfig"])
def test_azure_s_limits_are_azure_s_only(platform):
    config = {"platform": platform, "sharedStack": "s", "cluster": {"zones": [9], "maxPods": 9, "nodes": 100}}
    assert not problems(config)

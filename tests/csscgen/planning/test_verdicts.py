"""What cannot work, and what is warned of: the keys that are named, and what the sentences say."""

from __future__ import annotations

from typing import Any

import pytest

from csscgen.planning.plans import Planned
from tests.csscgen.planning.conftest import planned


def told(findings) -> dict[str, str]:
    return {each.key: each.sentence for each in findings}


def warned(found: Planned, words: str) -> bool:
    return any(words in each.sentence for each in found.warnings)


CANNOT: dict[str, tuple[dict[str, Any], str, str]] = {
    "a registry that is too small for the deadline": (
        {"platform": "local", "registry": {"size": "XS"}, "load": {"deadlineSeconds": 300}},
        "load.deadlineSeconds",
        "within 5 min: it takes 7 min at least, as 2,020 requests are charged to the bucket for lists of referrers",
    ),
    "a published limit": (
        {"scenario": {"size": "XL"}, "load": {"deadlineSeconds": 3600}},
        "load.deadlineSeconds",
        "have Microsoft raise the registry's limit",
    ),
    "a SKU": (
        {
            "scenario": {"size": "L"},
            "registry": {"sku": "Standard", "regions": [{"name": "eastus2", "size": "L"}]},
            "load": {"deadlineSeconds": 3600},
        },
        "load.deadlineSeconds",
        "take registry.sku Premium",
    ),
    "more artifacts than a day pushes": (
        {
            "scenario": {
                "replicas": 1_000,
                "shards": 1_000,
                "containers": 100,
                "signatures": 50,
                "uniqueImages": True,
            },
            "load": {"deadlineSeconds": 10_000_000},
        },
        "scenario.signatures",
        "more than a day",
    ),
    "more pods than AKS has": (
        {
            "scenario": {"replicas": 199_000, "containers": 1},
            "cluster": {"maxPods": 250},
            "load": {"deadlineSeconds": 10_000_000},
        },
        "scenario.replicas",
        "AKS has at most 200,000 pods",
    ),
    "more of Ratify than the system's nodes take": (
        {
            "ratify": {"mode": "ha-without-dapr", "replicas": 20},
            "cluster": {"systemNodes": 1},
            "gatekeeper": {"replicas": 10},
        },
        "cluster.systemNodes",
        "ask for 13.1 cores",
    ),
}


@pytest.mark.parametrize("case", CANNOT)
def test_a_plan_that_cannot_work_names_the_key_and_what_to_change(case):
    subjects, key, words = CANNOT[case]
    subjects = dict(subjects)
    found = planned(subjects.pop("platform", "azure"), **subjects)
    assert found.verdict == "cannot work"
    assert words in told(found.problems)[key]


@pytest.mark.parametrize("case", CANNOT)
def test_the_same_stack_with_the_defaults_works(case):
    assert planned("local").problems == planned("azure").problems == ()


def test_what_is_advised_in_place_of_a_deadline_works():
    subjects: dict[str, Any] = {"registry": {"size": "XS"}, "load": {"deadlineSeconds": 300}}
    (problem,) = planned("local", **subjects).problems
    advised = int(problem.sentence.split("raise it to ")[1].split()[0])
    assert planned("local", **{**subjects, "load": {"deadlineSeconds": advised}}).problems == ()


WARNINGS: dict[str, tuple[dict[str, Any], str]] = {
    "429s": ({"platform": "local", "registry": {"size": "XS"}}, "expect 429s, about 2,5"),
    "a small region": ({"registry": {"size": "XS"}}, "may hurt other tenants of the region"),
    "a small region too": ({"registry": {"size": "S"}}, "in a region of size S, whose service has little to spare"),
    "a size that nobody publishes": ({"registry": {"size": "M"}}, "is a model"),
    "a deadline that is too short by the size's model": (
        {"scenario": {"size": "M"}, "registry": {"size": "XS"}, "load": {"deadlineSeconds": 3_600}},
        "by the model of size XS the registry takes 79 min at least",
    ),
    "a pod that asks for more than there is in time": (
        {"platform": "local", "registry": {"size": "XS"}, "scenario": {"replicas": 20, "containers": 25}},
        "once it is empty hardly any pod comes in",
    ),
    "Jobs on a registry that throttles": (
        {"platform": "local", "registry": {"size": "XS"}, "scenario": {"workload": "job", "shards": 5}},
        "may come to a standstill",
    ),
    "a deadline that is tight": (
        {"platform": "local", "registry": {"size": "XS"}, "load": {"deadlineSeconds": 500}},
        "the run is expected to take 9 min",
    ),
    "many pods in a namespace": ({"scenario": {"size": "L"}}, "10,000 pods per namespace are more than the 3,000"),
    "a small tier": ({"scenario": {"size": "M"}, "cluster": {"tier": "Free"}}, "Free is advised for up to 10 nodes"),
    "an unknown VM size": (
        {"cluster": {"vmSize": "Standard_Z9_v9"}},
        "quota and price of Standard_Z9_v9 are not known",
    ),
    "exchanges": ({}, "it exchanges a token for each operation"),
    "audits": ({"gatekeeper": {"auditInterval": 60}}, "every 60 s audit asks Ratify about every pod again"),
    "denials": ({"scenario": {"signatures": 0}}, "200 pods have to be denied"),
    "more images than metrics tell apart": (
        {"scenario": {"replicas": 300, "shards": 300, "uniqueImages": True}},
        "and there are 3,000",
    ),
    "pools that are made at once": ({"scenario": {"size": "XL"}}, "in 2 steps"),
    "much in etcd": ({"scenario": {"replicas": 100_000, "containers": 8}}, "etcd keeps about"),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_a_warning_says_what_may_go_wrong(case):
    subjects, words = WARNINGS[case]
    subjects = dict(subjects)
    found = planned(subjects.pop("platform", "azure"), **subjects)
    assert warned(found, words), [each.sentence for each in found.warnings]


@pytest.mark.parametrize("case", sorted(set(WARNINGS) - {"exchanges", "a size that nobody publishes"}))
def test_nothing_is_warned_of_without_a_reason(case):
    _, words = WARNINGS[case]
    assert not warned(planned("local"), words)
    assert not warned(planned("azure", registry={"size": "L"}), words)


def test_a_small_region_is_nobodys_but_azures():
    assert not warned(planned("local", registry={"size": "XS"}), "tenants")


def test_the_share_of_the_published_limit_is_said():
    found = planned(registry={"size": "XS"}, ratify={"cache": "on"}, scenario={"replicas": 20})
    sentence = next(each.sentence for each in found.warnings if "tenants" in each.sentence)
    # The nodes' pulls and what Ratify has to see once are little: percents, not multiples.
    assert int(sentence.split(" a minute, ")[1].split("%")[0]) < 5


def test_of_an_unknown_vm_size_quota_and_cost_are_unknown_and_nothing_else():
    found = planned(cluster={"vmSize": "Standard_Z9_v9"})
    assert found.cost and (found.cost.usd_per_hour, found.cost.run_usd) == (None, None)
    cores = {quota.name: quota.cores for quota in found.quotas}
    assert cores == {"the family of Standard_Z9_v9": None, "standardDSv3Family": 24, "cores": None}
    assert found.verdict == "warnings"

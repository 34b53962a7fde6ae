from __future__ import annotations

from typing import Any

import pytest

from csscgen.sharding.jobs import NAMESPACE, documents
from csscgen.sharding.plans import ShardPlan
from tests.csscgen.sharding.test_plans import shard_plan


def of(kind: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in found if each["kind"] == kind]


def test_a_pod_for_each_shard_and_none_of_them_twice():
    (job,) = of("Job", documents(shard_plan(shards=4), "example.org/csscgen:1"))
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (
        "Indexed",
        4,
        4,
        0,
    )
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(("kind", "rule"), [("deployment", ("apps", "deployments")), ("job", ("batch", "jobs"))])
def test_they_may_create_and_delete_the_workloads_where_those_are_and_nothing_else(kind, rule):
    load = shard_plan()
    scenario = load.plan.__class__(**{**load.plan.__dict__, "kind": kind})
    found = documents(ShardPlan(scenario, load.host, load.phases, 2, 0.0), "i")
    roles = of("Role", found)
    assert [role["metadata"]["namespace"] for role in roles] == scenario.namespace_names
    for role in roles:
        assert role["rules"] == [{"apiGroups": [rule[0]], "resources": [rule[1]], "verbs": ["create", "delete"]}]
    assert [each["metadata"]["namespace"] for each in of("RoleBinding", found)] == scenario.namespace_names
    assert not of("ClusterRole", found) and not of("ClusterRoleBinding", found)


def test_the_configmap_has_the_plan_and_the_container_is_told_where():
    load = shard_plan()
    found = documents(load, "i")
    (config,), (job,) = of("ConfigMap", found), of("Job", found)
    ((name, text),) = config["data"].items()
    assert ShardPlan.read(text.encode(), "x") == load
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    assert container["command"] == ["csscgen", "shards", "send", "--plan", f"{mount['mountPath']}/{name}"]
    assert {each["metadata"]["namespace"] for each in (config, job)} == {NAMESPACE}

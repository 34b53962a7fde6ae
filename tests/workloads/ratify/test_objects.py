from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.ratify.objects import RUN_LABEL, Plan, namespace_objects, workload_objects

HOST = "127.0.0.1:5000"
PLAN = Plan(
    kind="deployment",
    shards=3,
    replicas=8,
    containers=2,
    signatures=1,
    namespaces=2,
    unique_images=False,
    job_seconds=7,
    run_id="run-1",
)
PLANS = st.builds(
    Plan,
    kind=st.sampled_from(["deployment", "job"]),
    shards=st.integers(1, 20),
    replicas=st.integers(20, 200),
    containers=st.integers(1, 5),
    signatures=st.integers(0, 5),
    namespaces=st.integers(1, 10),
    unique_images=st.booleans(),
    job_seconds=st.integers(0, 100),
    run_id=st.just("run-1"),
    negatives=st.sampled_from([{}, {"unsigned": 0.5}, {"expired": 0.25, "sbom": 0.75}]),
    seed=st.integers(0, 9),
    restored=st.booleans(),
)


@given(PLANS)
def test_the_workloads_share_all_pods_evenly(plan):
    pods = [plan.pods(shard) for shard in range(plan.shards)]
    assert sum(pods) == plan.replicas
    assert max(pods) - min(pods) <= 1
    key = "replicas" if plan.kind == "deployment" else "completions"
    assert [body["spec"][key] for body in workload_objects(plan, HOST)] == pods


@given(PLANS)
def test_every_workload_is_of_its_own_and_in_a_namespace_that_is_made(plan):
    bodies = workload_objects(plan, HOST)
    names = [(body["metadata"]["namespace"], body["metadata"]["name"]) for body in bodies]
    assert len(set(names)) == plan.shards
    assert {namespace for namespace, _ in names} <= {b["metadata"]["name"] for b in namespace_objects(plan)}


@given(PLANS)
def test_every_image_that_runs_is_one_that_is_seeded(plan):
    seeded = {reference for images in plan.image_sets for reference in images.references(HOST)}
    run = {
        container["image"]
        for body in workload_objects(plan, HOST)
        for container in body["spec"]["template"]["spec"]["containers"]
    }
    assert run == seeded
    assert len(plan.image_sets) == len(set(plan.image_sets))


@given(PLANS)
def test_pods_must_be_denied_if_no_image_of_theirs_has_a_good_signature(plan):
    for shard in range(plan.shards):
        negative = plan.variant(shard) is not None and not plan.restored
        assert plan.must_be_denied(shard) == (negative or plan.signatures == 0)
        assert plan.images(shard).variant == plan.variant(shard)
        assert plan.images(shard).shard == (shard if plan.unique_images else None)


def test_there_is_a_set_per_variant_in_use_or_per_workload():
    plan = replace(PLAN, shards=4, negatives={"expired": 0.5})
    assert {images.variant for images in plan.image_sets} == {None, "expired"}
    assert len(plan.image_sets) == 2
    assert len(replace(plan, unique_images=True).image_sets) == 4


def test_restoring_changes_no_workload():
    plan = replace(PLAN, shards=4, negatives={"expired": 0.5})
    assert workload_objects(plan, HOST) == workload_objects(replace(plan, restored=True), HOST)


def test_the_run_s_label_is_on_every_object_and_pod():
    for body in [*namespace_objects(PLAN), *workload_objects(PLAN, HOST)]:
        assert body["metadata"]["labels"][RUN_LABEL] == "run-1"
    for body in workload_objects(PLAN, HOST):
        assert body["spec"]["template"]["metadata"]["labels"][RUN_LABEL] == "run-1"


def test_a_deployment_selects_its_own_pods_only():
    selectors = [body["spec"]["selector"]["matchLabels"] for body in workload_objects(PLAN, HOST)]
    assert len({tuple(selector.items()) for selector in selectors}) == 3
    for body in workload_objects(PLAN, HOST):
        labels = body["spec"]["template"]["metadata"]["labels"]
        assert body["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_a_job_runs_all_its_pods_at_once_and_they_end_by_themselves():
    for body in workload_objects(replace(PLAN, kind="job"), HOST):
        spec = body["spec"]
        assert spec["parallelism"] == spec["completions"]
        assert spec["template"]["spec"]["restartPolicy"] == "Never"
        assert [c["args"] for c in spec["template"]["spec"]["containers"]] == [["7s"], ["7s"]]


@pytest.mark.parametrize("kind", ["deployment", "job"])
def test_pods_hold_no_token_of_the_cluster(kind):
    for body in workload_objects(replace(PLAN, kind=kind), HOST):
        assert body["spec"]["template"]["spec"]["automountServiceAccountToken"] is False

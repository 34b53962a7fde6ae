from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.naming import ImageSet
from workloads.ratify.objects import RUN_LABEL, Plan, namespace_objects, workload_objects
from workloads.referrers import Extra

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
    referrers=st.sampled_from([(), (Extra("application/spdx+json", 4096, share=0.5), Extra("a/b", 1, count=2))]),
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


def mixed(*, unique: bool, seed: int) -> list[ImageSet]:
    negatives = {"unsigned": 0.2, "tampered-manifest": 0.1, "expired": 0.1}
    extras = (Extra("application/spdx+json", 4096, share=0.3),)
    plan = replace(PLAN, shards=20, replicas=20, containers=10, negatives=negatives, referrers=extras)
    return replace(plan, unique_images=unique, seed=seed).image_sets


@pytest.mark.parametrize("unique", [False, True], ids=["shared images", "images of their own"])
def test_a_mix_is_the_same_for_a_seed_and_another_for_another(unique):
    """Signed, unsigned, tampered and expired by proportion, and SBOMs on a share of each set."""
    one, same, other = (mixed(unique=unique, seed=seed) for seed in (7, 7, 8))
    assert one == same
    assert [images.repository for images in one] == [images.repository for images in same]
    assert {images.repository for images in one}.isdisjoint(images.repository for images in other)
    variants = [images.variant for images in one]
    counts = {kind: variants.count(kind) for kind in (None, "unsigned", "tampered-manifest", "expired")}
    assert list(counts.values()) == ([12, 4, 2, 2] if unique else [1, 1, 1, 1])
    assert all(len(images.carriers[0]) == 3 for images in one)
    assert (variants != [images.variant for images in other]) or not unique


def test_the_images_of_a_mix_have_the_same_names_on_every_machine():
    """What one machine named once."""
    shared, own = mixed(unique=False, seed=7), mixed(unique=True, seed=7)
    assert sorted(images.repository for images in shared) == [
        "10-containers-1-referrers-expired-xde0a6e",
        "10-containers-1-referrers-tampered-manifest-xde0a6e",
        "10-containers-1-referrers-unsigned-xde0a6e",
        "10-containers-1-referrers-xde0a6e",
    ]
    assert [images.shard for images in own if images.variant == "unsigned"] == [0, 2, 5, 15]
    assert sorted(own[0].carriers[0]) == ["1", "10", "4"]


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

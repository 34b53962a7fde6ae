from __future__ import annotations

import orjson
import pytest

import csscgen
from csscgen.sharding.plans import LARGEST, ShardPlan
from tests.csscgen.servers import plan
from workloads.errors import UsageError
from workloads.ratify.objects import workload_objects
from workloads.referrers import Extra
from workloads.schedules import Phase

PHASES = (Phase("constant", rate=10.0, objects=6), Phase("closed", workers=2))
HOST = "127.0.0.1:5000"


def shard_plan(objects: int = 10, **changes) -> ShardPlan:
    scenario = plan(
        shards=objects,
        replicas=objects,
        negatives={"unsigned": 0.2},
        referrers=(Extra("application/spdx+json", 4096, share=0.5),),
        namespaces=3,
    )
    return ShardPlan(**{"plan": scenario, "host": HOST, "phases": PHASES, "shards": 2, "begin": 1000.0, **changes})


def test_it_is_read_as_it_was_written():
    load = shard_plan(done=((0, 3), (1, 7)), again=True)
    assert ShardPlan.read(load.dump(), "x") == load


def test_the_objects_of_the_shards_are_all_objects():
    load = shard_plan()
    everything = workload_objects(load.plan, HOST)
    assert load.bodies(0) == everything[::2] and load.bodies(1) == everything[1::2]


def test_what_was_sent_before_is_left_out():
    done = ((0, 0), (0, 1), (0, 3))
    first, second = (shard_plan(done=done).parts(shard) for shard in range(2))
    assert [part.indices for part in first] == [(1, 2), (3, 4)]  # objects 2 and 4, 6 and 8
    assert [part.indices for part in second] == [(2,), (3, 4)]  # object 5, 7 and 9


def test_of_20000_objects_it_is_small():
    assert len(shard_plan(20_000).dump()) < 2_000


def test_one_that_no_configmap_takes_is_refused():
    done = tuple((0, place) for place in range(200_000))
    with pytest.raises(UsageError, match=f"no more than {LARGEST:,}"):
        shard_plan(200_001, done=done).dump()


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"csscgen": 5}', b'{"csscgen": "%s", "plan": {}}'])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(UsageError, match="plan"):
        ShardPlan.read(text.replace(b"%s", csscgen.__version__.encode()), "plan.json")


def test_a_plan_of_another_version_is_refused():
    text = orjson.dumps({**orjson.loads(shard_plan().dump()), "csscgen": "0.0.1"})
    with pytest.raises(UsageError, match=r"of csscgen 0\.0\.1, and this is"):
        ShardPlan.read(text, "plan.json")

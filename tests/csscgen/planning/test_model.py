"""The model of throttling against what real runs on 2 cores took and were refused (docs/planning.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from csscgen.planning.requests import Requests
from csscgen.planning.serving import Demand, Who, serve
from tests.csscgen.planning.conftest import planned
from workloads.registries import Category, Limit

XS: dict[str, Any] = {"registry": {"size": "XS"}}
MEASURED: dict[str, tuple[dict[str, Any], int, int]] = {
    # what was run: 429s, seconds until all pods were Ready
    "200 pods": (XS, 2_627, 552),
    "200 pods again": (XS, 2_485, 568),
    "50 pods": ({**XS, "scenario": {"replicas": 50}}, 382, 87),
    "50 pods again": ({**XS, "scenario": {"replicas": 50}}, 393, 85),
    "no logins": ({"registry": {"size": "XS", "login": "off"}}, 1_415, 204),
    "three replicas": ({**XS, "ratify": {"mode": "ha-without-dapr", "replicas": 3}}, 3_235, 579),
    "few containers": ({**XS, "scenario": {"replicas": 150, "containers": 4, "signatures": 3}}, 198, 96),
    "many signatures": ({**XS, "scenario": {"replicas": 160, "containers": 2, "signatures": 25}}, 407, 48),
    "four threads": (
        {**XS, "scenario": {"replicas": 100, "containers": 5, "signatures": 2}, "gatekeeper": {"maxServingThreads": 4}},
        197,
        71,
    ),
    "many threads": ({**XS, "scenario": {"replicas": 40}, "gatekeeper": {"maxServingThreads": 8}}, 252, 61),
}


@pytest.mark.parametrize("run", MEASURED)
def test_what_was_measured_is_expected(run):
    subjects, throttled, seconds = MEASURED[run]
    (served,) = planned("local", **subjects).served
    assert served.bottleneck
    assert served.bottleneck.category == ("read" if run == "many signatures" else "list_referrers")
    assert served.least_seconds <= seconds
    assert served.expected_seconds == pytest.approx(seconds, rel=0.15)
    assert served.expected_429s == pytest.approx(throttled, rel=0.25)


def test_a_run_that_the_model_was_not_made_from():
    (served,) = planned("local", **XS, scenario={"replicas": 60, "containers": 7, "signatures": 3}).served
    assert served.expected_seconds == pytest.approx(52, rel=0.1)
    assert served.expected_429s == pytest.approx(180, rel=0.45)


def test_a_large_registry_refused_nothing_and_none_is_expected():
    (served,) = planned("local").served
    assert (served.expected_429s, served.bottleneck) == (0, None)
    assert served.expected_seconds == pytest.approx(13.3, rel=0.15)


def test_a_bucket_is_full_at_first_and_then_refills():
    limits: Mapping[Category, Limit] = {"write": Limit(registry=600, identity=60)}
    demand = Demand(unhindered_seconds=1)
    enough = serve("x", limits, {"seeding": Requests(write=60)}, demand)
    assert (enough.least_seconds, enough.bottleneck, enough.expected_seconds) == (0, None, 1)
    twice = serve("x", limits, {"seeding": Requests(write=120)}, demand)
    assert twice.least_seconds == 60
    assert twice.bottleneck and twice.bottleneck.who == "seeding"
    # Who waits as long as he is told wastes nothing, and is hardly refused.
    assert twice.expected_seconds == pytest.approx(60)
    assert twice.expected_429s == 0


def test_those_who_share_a_registry_share_its_bucket_and_have_their_own():
    limits: Mapping[Category, Limit] = {"read": Limit(registry=100, identity=60)}
    asked: Mapping[Who, Requests] = {"Ratify": Requests(read=60), "kubelets": Requests(read=60)}
    found = serve("x", limits, asked, Demand(1))
    assert {bucket.who: bucket.requests for bucket in found.buckets} == {"all": 120, "Ratify": 60, "kubelets": 60}
    assert found.bottleneck and found.bottleneck.who == "all"
    assert found.least_seconds == 12
    untold = serve("x", limits, asked, Demand(1), identities=False)
    assert [bucket.who for bucket in untold.buckets] == ["all"]


def test_a_list_is_charged_to_reads_as_well_and_a_challenge_only_if_it_is_said():
    requests = Requests(read=1, list_referrers=2, read_challenges=4, list_challenges=8)
    assert requests.charged("read") == 3
    assert requests.charged("list_referrers") == 2
    assert requests.charged("read", challenges=True) == 15
    assert requests.charged("list_referrers", challenges=True) == 10

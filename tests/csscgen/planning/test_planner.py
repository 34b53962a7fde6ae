"""Plans of the published test: what is counted by hand, and what cannot be otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csscgen.planning.requests import Requests
from tests.csscgen.planning.conftest import planned
from workloads.sizes import SIZES

# Replicas, nodes, then by hand: lists are 10 (P + 2), reads 6 times that, 9 downloads of 10, and 10 tags; tokens are a
# token for each of these, and by workload identity an exchange for 17 operations a list and for the tags.
BY_HAND = {
    "S": (11, 12_220, 2_020, 48_590, 80),
    "M": (62, 120_220, 20_020, 480_590, 590),
    "L": (307, 600_220, 100_020, 2_400_590, 3_040),
    "XL": (702, 1_200_220, 200_020, 4_800_590, 6_990),
}


@pytest.mark.parametrize("size", BY_HAND)
def test_the_published_sizes_come_to_what_is_counted_by_hand(size):
    nodes, reads, lists, tokens, pulls = BY_HAND[size]
    found = planned(scenario={"size": size})
    assert found.objects and found.nodes and found.asked and found.asked.pulls
    assert (found.objects.pods, found.objects.containers) == (SIZES[size].replicas, 10 * SIZES[size].replicas)
    assert (found.objects.images, found.objects.attachments, found.objects.repositories) == (10, 50, 1)
    assert (found.nodes.total, found.nodes.system, sum(found.nodes.load_pools)) == (nodes, 3, nodes - 3)
    run = found.asked.run
    assert (run.read, run.list_referrers, run.oauth) == (reads, lists, tokens)
    assert (run.read_challenges, run.list_challenges) == (reads, lists)
    assert found.asked.pulls.pulls == pulls
    assert found.asked.pulls.requests == Requests(
        read=2 * pulls + 2 * (nodes - 3), oauth=pulls + nodes - 3, read_challenges=pulls
    )
    assert {quota.name: quota.cores for quota in found.quotas} == {
        "standardDSv3Family": 4 * (nodes - 3) + 8 * 3,
        "cores": 4 * (nodes - 3) + 8 * 3,
    }


def test_jobs_and_three_replicas_without_dapr():
    found = planned(
        scenario={"size": "XL", "workload": "job", "shards": 5}, ratify={"mode": "ha-without-dapr", "replicas": 3}
    )
    assert found.objects and found.asked
    assert (found.objects.workloads, found.objects.replica_sets) == (5, 0)
    # 20,000 pods, 5 Jobs, and half of the pods once more when they end.
    assert found.asked.verifications.admissions == 30_005
    assert found.asked.verifications.downloads == 29
    run = found.asked.run
    assert run.list_referrers == 300_050
    assert run.read == 6 * 300_050 + 29 * 10 + 50
    assert run.oauth == run.read + run.list_referrers + 17 * 300_050 + 50


def test_what_holds_up_the_largest_run_is_the_bucket_for_tokens():
    found = planned(scenario={"size": "XL"})
    published, modelled = found.served
    assert published.bottleneck and (published.bottleneck.category, published.bottleneck.who) == ("oauth", "all")
    asked = 4_800_590 + 6_990 + 699
    assert published.least_seconds == pytest.approx((asked - 20_000) * 60 / 20_000)
    assert modelled.least_seconds == pytest.approx((asked - 200_000) * 60 / 200_000)
    assert published.expected_429s > 0 and published.expected_seconds > published.least_seconds


def test_the_cost_of_the_smallest_run_by_hand():
    found = planned(scenario={"size": "S"})
    assert found.cost and found.nodes
    # 8 nodes with 4 vCPUs, 3 with 8, tier Standard, NAT gateway, two addresses, 11 disks.
    hourly = 8 * 4 * 0.048 + 3 * 8 * 0.048 + 0.10 + 0.045 + 2 * 0.005 + 11 * 0.027
    assert found.cost.usd_per_hour == pytest.approx(hourly, abs=0.005)
    assert found.cost.shared_usd_per_day == pytest.approx(4 * 1.6666, abs=0.005)
    assert found.cost.run_usd == pytest.approx(hourly * found.cost.hours, abs=0.05)


def test_pools_hold_a_thousand_nodes_at_most():
    found = planned(scenario={"replicas": 60_000}, cluster={"tier": "Standard"})
    assert found.nodes
    assert sum(found.nodes.load_pools) == found.nodes.load > 2_000
    assert max(found.nodes.load_pools) <= 1_000 and max(found.nodes.load_pools) - min(found.nodes.load_pools) <= 1


def test_cached_results_are_asked_for_once_by_each_cache_and_again_when_they_end():
    few = planned("local", scenario={"size": "S"}, ratify={"cache": "on"}).asked
    assert few
    # 200 pods come in 4 seconds, and Gatekeeper keeps an answer for 180. One image of ten is known from arming.
    assert (few.run.read, few.run.list_referrers, few.run.oauth) == (100, 9, 109)
    more = planned("local", ratify={"cache": "on", "mode": "ha-without-dapr", "replicas": 3}).asked
    assert more and more.verifications.at_registry == 9  # one Gatekeeper asks one of them
    many = planned(scenario={"size": "L"}, ratify={"cache": "on", "mode": "ha-without-dapr", "replicas": 3}).asked
    # 10,000 pods at 20 a second are 500 s: 3 times 180 s, and 3 of Gatekeeper ask 3 of Ratify.
    assert many and many.verifications.at_registry == 10 * 3 * 3 - 1
    dapr = planned(scenario={"size": "L"}, ratify={"cache": "on", "mode": "ha", "replicas": 3}).asked
    assert dapr and dapr.verifications.at_registry == 10 * 3 - 1


def test_without_a_response_cache_ratify_asks_once_in_its_own_time():
    found = planned(
        scenario={"size": "L"}, ratify={"cache": "on"}, gatekeeper={"responseCacheSeconds": 0, "mutation": "off"}
    )
    assert found.asked and found.asked.verifications.at_registry == 10 * 50  # 500 s, 10 s each
    assert found.asked.run.read == 500 + 10 * 10  # by tag each time, and ten signatures' worth of downloads


def test_a_registry_without_logins_or_referrers_api(local):
    plain = local(registry={"login": "off"}).asked.run
    assert plain == Requests(read=12_220, list_referrers=2_020)
    tags = local(registry={"login": "off", "referrersApi": "off"}).asked.run
    assert tags == Requests(read=12_220 + 2_020, list_referrers=2_020)
    pages = local(registry={"login": "off", "referrersPage": 2}).asked.run
    assert pages == Requests(read=12_220, list_referrers=3 * 2_020)


def test_a_shared_stack_has_registries_and_a_price_and_nothing_else():
    from csscgen.planning.planner import plan
    from infra.settings import Settings

    found = plan("shared", Settings.read({"platform": "azure"}, "a test"), None)
    assert found.registries[0] == ("eastus2", "L") and found.shared_usd_per_day == 6.67
    assert found.objects is None and found.asked is None and found.verdict == "works"


def test_a_cluster_of_somebody_elses_has_no_cost_and_no_limits():
    shared = {"kind": "existing", "regions": [{"name": "here", "size": "L", "host": "registry.example:5000"}]}
    found = planned("kubeconfig", registry=shared)
    assert (found.cost, found.quotas, found.served) == (None, (), ())
    assert any("not known here" in each.sentence for each in found.warnings)
    assert found.asked and found.asked.pulls and found.asked.run.oauth == 0


scenarios = st.fixed_dictionaries(
    {
        "replicas": st.integers(20, 5_000),
        "containers": st.integers(1, 12),
        "signatures": st.integers(0, 10),
        "shards": st.integers(1, 20),
        "workload": st.sampled_from(["deployment", "job"]),
        "uniqueImages": st.booleans(),
    }
)
caches = st.sampled_from(["on", "off"])
platforms = st.sampled_from(["azure", "local"])


def asked(platform, scenario, **subjects):
    found = planned(platform, scenario=scenario, cluster={"maxPods": 250}, **subjects).asked
    assert found
    return found.run


def never_fewer(before: Requests, after: Requests) -> bool:
    return all(getattr(before, name) <= getattr(after, name) for name in ("read", "list_referrers", "oauth"))


@given(platforms, scenarios, caches, st.integers(0, 2_000))
def test_more_pods_never_ask_less(platform, scenario, cache, more):
    ratify = {"cache": cache}
    after = asked(platform, {**scenario, "replicas": scenario["replicas"] + more}, ratify=ratify)
    assert never_fewer(asked(platform, scenario, ratify=ratify), after)


@given(platforms, scenarios, caches, st.integers(0, 10))
def test_more_signatures_never_ask_less(platform, scenario, cache, more):
    ratify = {"cache": cache}
    fewer = {**scenario, "signatures": scenario["signatures"] or 1}
    after = asked(platform, {**fewer, "signatures": fewer["signatures"] + more}, ratify=ratify)
    assert never_fewer(asked(platform, fewer, ratify=ratify), after)


@given(platforms, scenarios, caches, st.integers(2, 10), st.integers(0, 10))
def test_more_replicas_of_ratify_never_ask_less(platform, scenario, cache, replicas, more):
    before, after = (
        asked(platform, scenario, ratify={"cache": cache, "mode": "ha-without-dapr", "replicas": count})
        for count in (replicas, replicas + more)
    )
    assert never_fewer(before, after)


@given(platforms, scenarios)
def test_caches_never_ask_more(platform, scenario):
    on, off = (asked(platform, scenario, ratify={"cache": cache}) for cache in ("on", "off"))
    assert never_fewer(on, off)


@given(platforms, scenarios, caches)
def test_a_larger_registry_never_takes_longer_and_never_throttles_more(platform, scenario, cache):
    served = [
        planned(
            platform,
            scenario=scenario,
            cluster={"maxPods": 250},
            ratify={"cache": cache},
            registry={"size": size},
        ).served[-1]
        for size in ("XS", "S", "M", "L")
    ]
    for smaller, larger in zip(served, served[1:], strict=False):
        assert smaller.expected_seconds >= larger.expected_seconds - 1e-6
        assert smaller.least_seconds >= larger.least_seconds - 1e-6
    # XS and S are rows of different SKUs, whose buckets are not in proportion: another one may be the bottleneck.
    for smaller, larger in zip(served[1:], served[2:], strict=False):
        assert smaller.expected_429s >= larger.expected_429s


@given(platforms, scenarios, caches)
def test_what_is_expected_takes_as_long_as_it_has_to(platform, scenario, cache):
    found = planned(platform, scenario=scenario, cluster={"maxPods": 250}, ratify={"cache": cache})
    for serving in (*found.served, *found.seeded):
        assert serving.expected_seconds >= serving.least_seconds - 1e-6
        assert (serving.bottleneck is None) <= (serving.expected_429s == 0)


def test_two_who_push_share_the_registry_s_limit_not_each_other_s(local):
    def seeded(pushers: int):
        registry = {"size": "XS", "pushers": pushers}
        return local(registry=registry, scenario={"shards": 20, "containers": 20, "uniqueImages": True}).seeded[0]

    one, two, three = map(seeded, (1, 2, 3))
    assert one.bottleneck and (one.bottleneck.category, one.bottleneck.who) == ("write", "seeding")
    assert two.bottleneck and two.bottleneck.who == "all"
    assert two.least_seconds < one.least_seconds / 2  # the bucket that is full at first is twice as large, too
    assert three.least_seconds == pytest.approx(two.least_seconds, rel=0.01)

"""The arithmetic of the benchmarks."""

from __future__ import annotations

import pytest

from tests.bench import seeding, throttled
from tests.bench.throttled import Sample
from workloads.registries import Limit


def figures(rate: float, *, cpu: float = 1.0, registry_cpu: float = 1.0) -> seeding.Figures:
    return {
        "manifests": 100,
        "manifests_per_s": rate,
        "seconds": 100 / rate,
        "cpu_seconds": cpu,
        "registry_cpu_seconds": registry_cpu,
    }


ROUNDS = [
    {"seeder": figures(60), "pusher-8": figures(90), "pusher-32": figures(100), "oras": figures(2)},
    {"seeder": figures(80), "pusher-8": figures(95), "pusher-32": figures(50), "oras": figures(1)},
]


def test_the_best_round_of_each_is_compared_with_the_best_of_the_pusher():
    best = seeding.compared(ROUNDS, [1, 1])
    assert best["ceiling"]["client"] == "pusher-32"
    assert best["seeder"]["of_ceiling"] == 0.8
    assert best["seeder"]["times_oras"] == 40
    assert best["seeder"]["rounds"] == [{"seeder": 60}, {"seeder": 80}]
    assert best["ceiling"]["rounds"][1] == {"pusher-8": 95, "pusher-32": 50}
    assert best["seeder"]["cpu_us_per_manifest"] == 10_000


@pytest.mark.parametrize(
    ("registry", "client", "told"), [(0.9, 0.3, "registry"), (0.5, 0.95, "client"), (0.5, 0.5, "neither")]
)
def test_who_limits_is_who_has_nothing_left(registry, client, told):
    assert seeding.limit(registry, client) == told


def test_each_client_begins_a_round():
    assert [turns[0] for turns in seeding._turns(["a", "b", "c"], 3)] == ["a", "b", "c"]


SAMPLES = [Sample(10.0, 0, 0), Sample(11.0, 1_000, 0), Sample(71.0, 3_990, 4), Sample(130.0, 5_000, 5)]
SAMPLES.append(Sample(131.0, 5_000, 5))


def test_the_part_of_the_ceiling_is_of_the_burst_and_the_rate_from_the_first_write_to_the_last():
    seconds, writes, share = throttled.of_ceiling(SAMPLES, 2_000)
    assert (seconds, writes) == (120, 5_000)
    assert share == pytest.approx(5_000 / 6_000)


def test_what_is_refused_later_is_told_apart():
    assert throttled.refused_after(SAMPLES, 60) == 5
    assert throttled.refused_after(SAMPLES, 61) == 1


@pytest.mark.parametrize(("identities", "admitted"), [(1, 2_000), (2, 4_000), (3, 4_000)])
def test_identities_add_up_to_the_limit_of_the_registry(identities, admitted):
    assert throttled.limit(Limit(4_000, 2_000), identities) == admitted

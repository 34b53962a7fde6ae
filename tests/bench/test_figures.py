"""The arithmetic of the benchmarks."""

from __future__ import annotations

import pytest

from csscgen.loading import Request
from tests.bench import load, seeding, senders, throttled
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


def requests(*moments: tuple[float | None, float, float]) -> list[Request]:
    return [Request(f"deployment/a/{n}", *each, status="created", bytes=100) for n, each in enumerate(moments)]


def test_a_paced_sender_is_measured_by_its_gaps_and_its_lag():
    found = senders.figures(requests((10.0, 10.001, 10.1), (11.0, 11.003, 11.1), (12.0, 12.002, 12.5)))
    assert found["requested_per_s"] == 1.0
    assert found["achieved_per_s"] == pytest.approx(2 / 2.001)
    assert found["lag_p50"] == pytest.approx(0.002) and found["lag_max"] == pytest.approx(0.003)
    assert found["errors"] == 0 and found["bytes"] == 300


def test_a_closed_loop_is_measured_from_the_first_request_to_the_last_answer():
    found = senders.figures(requests((None, 10.0, 10.5), (None, 10.0, 11.0), (None, 11.0, 12.0)))
    assert found["objects_per_s"] == 1.5
    assert "requested_per_s" not in found and "lag_p99" not in found


def closed(rate: float) -> load.Figures:
    return {"objects_per_s": rate}


def test_closed_loops_are_compared_with_the_best_of_the_go_client_that_sends_json():
    one = {("csscgen", 8): closed(60), ("go-http1", 8): closed(90), ("go-protobuf", 8): closed(300)}
    two = {("csscgen", 8): closed(80), ("go-http1", 8): closed(100), ("go-protobuf", 8): closed(200)}
    best = {each["client"]: each for each in load.best([one, two])}
    assert best["csscgen"]["of_limit"] == 0.8 and best["csscgen"]["rounds"] == [60, 80]
    assert best["go-http1"]["of_limit"] == 1.0
    assert best["go-protobuf"]["of_limit"] == 3.0


def test_a_lag_within_what_is_allowed_has_a_ratio_below_1():
    paced = {
        **{"phase": {"pattern": "constant", "rate": 50}, "requested_per_s": 50.0, "achieved_per_s": 49.75},
        **{"lag_p50": 0.001, "lag_p99": 0.010, "lag_max": 0.1, "answer_p99": 0.2, "of_machine": 0.05},
    }
    lines = load.paced_table([paced]).splitlines()
    assert lines[1].split()[-3:] == ["0.500", "0.500", "1.00"]
    assert lines[3].split()[-3:] == ["10.000", "20.000", "0.50"]

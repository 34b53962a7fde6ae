from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from analysis.summary import summarize
from tests.analysis.runs import SCRAPES, SPELLINGS, known_run, process, sample, with_settings, write_metrics, write_run
from workloads.errors import CollectError
from workloads.sizes import nodes_needed


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run-1"


def test_pods_are_counted_by_end_state_with_their_reasons(folder):
    pods = summarize(known_run(folder))["pods"]
    assert pods == {
        "expected": 4,
        "ready": 2,
        "denied": 1,
        "failed": 1,
        "missing": 0,
        "expected_denied": 0,
        "wrongly_admitted": 0,
        "wrongly_denied": 1,
        "reasons": [
            {"reason": "admission webhook denied the request", "cause": "unsigned", "count": 1},
            {"reason": "ErrImagePull", "cause": "other", "count": 1},
        ],
        "causes": {"unsigned": 1, "other": 1},
        "all_ready_seconds": None,
        "unverified": None,
        "unaccounted": None,
        "refused_attempts": {"unsigned": 3},
    }


def test_pod_startup_is_from_created_to_ready_by_the_watch(folder):
    assert summarize(known_run(folder))["pod_startup_seconds"] == {
        "count": 2,
        "p50": 2.0,
        "p90": 4.0,
        "p95": 4.0,
        "p99": 4.0,
        "max": 4.0,
    }


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_verification_is_read_in_both_spellings_and_summed_over_replicas(folder, spelling):
    ratify = summarize(known_run(folder, spelling))["ratify"]
    assert ratify["verification_requests"] == 10
    # 8 of 10 in (0, 10] ms, 2 in (10, 100] ms: p50 is 5/8 of the first bucket, p95 is 1.5/2 into the second.
    # A quantile is at most so far off as its bucket's further bound is from it.
    assert ratify["verification_seconds"].pop("error") == pytest.approx({"p50": 0.00625, "p95": 0.0675, "p99": 0.0855})
    assert ratify["verification_seconds"] == pytest.approx(
        {"p50": 0.00625, "p95": 0.0775, "p99": 0.0955, "mean": 0.02, "max_bucket": 0.1}
    )
    assert ratify["admissions_per_verification"] == pytest.approx(0.3)  # pods a, b and d got in


def test_memory_and_cpu_of_replicas_are_summed_instant_by_instant(folder):
    ratify = summarize(known_run(folder))["ratify"]
    assert ratify["memory_bytes"] == pytest.approx({"peak": 90e6, "mean": 80e6 + 10e6 / 7})
    assert ratify["cpu_cores"] == pytest.approx({"peak": 0.75, "mean": 0.75})  # 1 s and 0.5 s per 2 s


def test_registry_answers_timeouts_and_restarts_of_ratify(folder):
    ratify = summarize(known_run(folder))["ratify"]
    assert ratify["registry_requests"] == {"200": 30, "401": 4, "429": 3}
    assert ratify["timeouts"] == 2
    assert ratify["system_errors"] == [
        {"error": "operation failed with error operation timed out after duration 4.9s", "count": 2}
    ]
    assert ratify["restarts"] == 0


def test_a_counter_that_is_not_on_the_page_is_zero_where_a_witness_is(folder):
    summary = summarize(known_run(folder))
    assert (summary["ratify"]["cache_hits"], summary["ratify"]["cache_misses"]) == (0, 0)
    assert summary["control_plane"]["webhook_fail_open"] == 0


def test_a_metric_that_nothing_vouches_for_is_null_with_its_reason(folder):
    summary = summarize(known_run(folder))
    assert summary["ratify"]["mutation_requests"] is None
    assert summary["missing"]["ratify.mutation_requests"] == (
        "ratify exported no ratify_mutation_request or ratify_mutation_request_millisecond in this run."
    )
    assert summary["ratify"]["mutation_seconds"]["p95"] is None
    assert "ratify.mutation_seconds.p95" in summary["missing"]


def test_gatekeeper(folder):
    summary = summarize(known_run(folder))
    gatekeeper = summary["gatekeeper"]
    assert gatekeeper["validation_requests"] == {"allow": 6, "deny": 2, "error": 0}
    assert gatekeeper["validation_seconds"]["p50"] == pytest.approx(0.1 * 4 / 7)
    assert gatekeeper["audit_seconds"] == 4.5
    assert gatekeeper["memory_bytes"] == {"peak": 80e6, "mean": 80e6}
    assert gatekeeper["cpu_cores"] == {"peak": 0.5, "mean": 0.5}
    # One of eight was beyond the last bucket: so are p95 and the maximum.
    assert gatekeeper["validation_seconds"]["p95"] is None
    assert gatekeeper["validation_seconds"]["max_bucket"] is None
    assert summary["missing"]["gatekeeper.validation_seconds.max_bucket"] == "It lies beyond the last bucket."


def test_control_plane_leaves_out_requests_that_stream(folder):
    control_plane = summarize(known_run(folder))["control_plane"]
    assert control_plane["api_request_seconds"]["p99"] == pytest.approx(0.1 + 0.9 * 0.9)
    assert control_plane["webhook_rejections"] == 2


def test_the_registry_has_its_own_count(folder):
    assert summarize(known_run(folder))["registry"] == {
        "requests": {"200": 30, "429": 3},
        "throttled": 3,
        "requests_by_category": {"read": 33},
        "throttled_by_category": {"read": 3},
        "throttled_by_bucket": {"pull": {"read": 1}, "registry": {"read": 3}},
        "cpu_cores": pytest.approx({"peak": 0.5, "mean": 0.5}),
    }


def test_load_and_its_lag(folder):
    load = summarize(known_run(folder))["load"]
    assert load["objects"] == 3
    assert load["requested_per_s"] == pytest.approx(1.0)
    assert load["achieved_per_s"] == pytest.approx(2 / 2.02)
    assert load["lag_seconds"] == pytest.approx({"p50": 0.01, "p99": 0.02, "max": 0.02})


def test_workloads_that_are_declared_have_no_requested_rate(folder):
    summary = summarize(known_run(folder, settings=with_settings(load={"mode": "declared"})))
    assert summary["load"]["requested_per_s"] is None
    assert "declared all at once" in summary["missing"]["load.requested_per_s"]


def test_harness_share_is_of_all_cores_in_the_window(folder):
    harness = summarize(known_run(folder))["harness"]
    assert harness == {"cpu_seconds": 5.0, "peak_rss_bytes": 100e6, "share_of_machine_cpu": 0.05} | {
        "clock_jump_seconds": None
    }


def test_scenario_takes_what_is_not_set_from_the_size_and_derives_the_nodes(folder):
    scenario = summarize(known_run(folder))["scenario"]
    assert scenario["nodes"] == nodes_needed(4, 10, 40)
    assert scenario["replicas"] == 4


def test_ratify_cache_off_means_gatekeepers_too(folder):
    assert summarize(known_run(folder))["caches"] == {"ratify": False, "gatekeeper_response_seconds": 0}


def test_artifacts_of_a_run_that_seeded_nothing_are_null(folder):
    summary = summarize(known_run(folder, artifacts=None))
    assert set(summary["artifacts"].values()) == {None}
    assert "artifacts.images" in summary["missing"]


def test_a_passing_run(folder):
    summary = summarize(known_run(folder, settings=with_settings(thresholds={"pods.ready": ">= 2"})))
    assert summary["verdict"] == "pass"
    assert summary["verdict_reasons"] == []


def test_a_broken_threshold_fails_the_run_and_says_so(folder):
    thresholds = {"ratify.verification_seconds.p95": "<= 0.05", "pods.ready": ">= pods.expected"}
    summary = summarize(known_run(folder, settings=with_settings(thresholds=thresholds)))
    assert summary["verdict"] == "fail"
    assert summary["verdict_reasons"] == [
        "ratify.verification_seconds.p95 is 77.5 ms, and has to be <= 50 ms.",
        "pods.ready is 2, and has to be >= 4 (pods.expected).",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"error": {"phase": "up", "message": "Ratify did not start."}}, "failed in phase up: Ratify did not start."),
        ({"deadline_passed": True}, "deadline passed"),
        ({"window": None}, "No load was sent"),
    ],
)
def test_a_run_that_did_not_go_to_its_end_fails_without_any_threshold(folder, changes, reason):
    summary = summarize(known_run(folder, **changes))
    assert summary["verdict"] == "fail"
    assert reason in summary["verdict_reasons"][0]


def test_a_run_with_nothing_but_run_json_has_null_figures_with_reasons(folder):
    write_run(folder, window=None, artifacts=None, harness=..., settings={"thresholds": {"pods.ready": ">= 1"}})
    summary = summarize(folder)
    assert summary["verdict"] == "fail"
    assert summary["thresholds"][0]["reason"] == "The figure 'pods.ready' could not be had: pods.jsonl is not there."

    def nulls(node: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
        for key, value in node.items():
            if isinstance(value, dict):
                yield from nulls(value, f"{path}{key}.")
            else:
                yield f"{path}{key}", value

    figures = ("load", "pods", "pod_startup_seconds", "ratify", "gatekeeper", "control_plane", "registry", "harness")
    for path, value in nulls({key: summary[key] for key in figures}, ""):
        assert value is None, path
        assert summary["missing"][path], path


def test_a_half_written_line_makes_its_figures_null(folder):
    known_run(folder)
    with (folder / "pods.jsonl").open("ab") as pods:
        pods.write(b'{"name": "e", "na')
    summary = summarize(folder)
    assert summary["pods"]["ready"] is None
    assert summary["missing"]["pods.ready"] == "Line 5 of pods.jsonl is not JSON."


def test_a_metrics_file_that_cannot_be_read_is_a_reason(folder):
    known_run(folder)
    (folder / "metrics.parquet").write_bytes(b"PAR1 but no more")
    missing = summarize(folder)["missing"]
    assert missing["ratify.memory_bytes.peak"].startswith("metrics.parquet cannot be read")


def test_a_target_that_died_in_the_window_has_no_figures(folder):
    known_run(folder)
    write_metrics(folder, [(time, "ratify-0", process(900, 1, 50e6)) for time in SCRAPES[:4]])
    missing = summarize(folder)["missing"]
    assert missing["ratify.restarts"] == "ratify-0 was last scraped 5.0 s before the window's end."
    assert "do not enclose the window" in missing["ratify.memory_bytes.peak"]


def test_a_restart_in_the_window_is_counted(folder):
    known_run(folder)
    write_metrics(folder, [(time, "ratify-0", process(900 if time < 1004 else 1003.5, 1, 50e6)) for time in SCRAPES])
    assert summarize(folder)["ratify"]["restarts"] == 1


def test_the_components_own_process_metrics_serve_where_the_harness_has_none(folder):
    known_run(folder)
    page = [sample("process_resident_memory_bytes", 70e6), sample("up", 1)]
    write_metrics(folder, [(time, "ratify-0", page) for time in SCRAPES])
    assert summarize(folder)["ratify"]["memory_bytes"]["peak"] == 70e6


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(CollectError, match="not the folder of a run"):
        summarize(tmp_path)


def test_a_summary_is_json(folder):
    assert orjson.loads(orjson.dumps(summarize(known_run(folder))))["run_id"] == "run-1"


def test_a_watch_that_broke_off_or_began_anew_is_told_and_one_that_nobody_recorded_is_null(folder):
    summary = summarize(known_run(folder, watch={"relists": 1, "interruptions": 3}))
    assert summary["control_plane"]["watch"] == {"relists": 1, "interruptions": 3}
    summary = summarize(known_run(folder))
    assert summary["control_plane"]["watch"] == {"relists": None, "interruptions": None}
    assert summary["missing"]["control_plane.watch.relists"] == "The run has no record of it."


def test_a_clock_that_jumped_fails_the_run(folder):
    summary = summarize(known_run(folder, clock_jumps=[{"at": 1003.0, "seconds": -4.0}]))
    assert summary["harness"]["clock_jump_seconds"] == 4.0
    assert summary["verdict"] == "fail"
    assert any("jumped back by 4 s" in reason for reason in summary["verdict_reasons"])
    summary = summarize(known_run(folder, clock_jumps=[]))
    assert summary["harness"]["clock_jump_seconds"] == 0
    assert not any("jumped" in reason for reason in summary["verdict_reasons"])
    summary = summarize(known_run(folder))
    assert summary["harness"]["clock_jump_seconds"] is None
    assert "harness.clock_jump_seconds" in summary["missing"]

"""40 pods, two per scrape interval; Gatekeeper and the pods' admission take longer and longer, all else is even."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.plots.every import plots
from analysis.plots.plot import Plot
from analysis.records import read
from analysis.summary import figures, summarize
from tests.analysis.runs import (
    histogram,
    process,
    sample,
    with_settings,
    write_admissions,
    write_lines,
    write_metrics,
    write_run,
)

START, INTERVALS = 1000.0, 20
VALIDATION = "gatekeeper_validation_request_duration_seconds"
VERIFICATION = "ratify_verification_request_millisecond"


def pod(number: int, took: float, **changes: Any) -> dict[str, Any]:
    created = START + number / 2 + 0.25
    local = {"created": created, "scheduled": created + 0.01, "running": created + 0.03, "ready": created + 0.06}
    return {
        **{"uid": f"u{number}", "name": f"p{number}", "namespace": "n", "workload": "deployment/x", "node": "a"},
        "milestones": {name: {"local": moment, "server": None} for name, moment in local.items()},
        **{"end": "ready", "reason": None, "unverified": False},
        "admission": {"received": created - took, "answered": created},
        **changes,
    }


def write(folder: Path, *, verified: int = 2, throttled: bool = False, **changes: Any) -> Path:
    """``verified`` requests of 0.1 s in each interval, and two to Gatekeeper that take as long as admission did."""
    write_run(
        folder, window={"start": START + 0.1, "end": START + INTERVALS - 0.1}, settings=with_settings(), **changes
    )
    write_lines(folder / "pods.jsonl", [pod(n, 0.5 + n // 2) for n in range(2 * INTERVALS)])
    write_admissions(folder)
    scrapes = []
    waited = 0.0
    for index in range(INTERVALS + 1):
        refused = max(0, index - 15) if throttled else 0
        ratify = [
            *histogram(VERIFICATION, {"+Inf": verified * index}, 100 * verified * index),
            sample("ratify_registry_request_count_total", 7 * index, status_code="200"),
            sample("ratify_registry_request_count_total", refused, status_code="503"),
        ]
        gatekeeper = histogram(VALIDATION, {"+Inf": 2 * index}, waited)
        waited += 2 * (0.5 + index)
        scrapes.append((START + index, "ratify-0", ratify + process(900, index, 1e6)))
        scrapes.append((START + index + 0.01, "gatekeeper", gatekeeper + process(900, index**2 / 100, 1e6)))
    write_metrics(folder, scrapes)
    return folder


def plot(folder: Path) -> Plot:
    records = read(folder)
    return next(one for one in plots(records, figures(records)) if one.name == "slow")


def test_the_slowest_pods_and_the_stage_in_which_they_lost_their_time(tmp_path):
    slow = summarize(write(tmp_path / "r"))["slow_pods"]
    assert (slow["pods"], slow["count"], slow["lost_in"]) == (40, 2, "admission")
    assert slow["at_least_seconds"] == pytest.approx(19.5 + 0.06)
    assert slow["stage_seconds"] == {
        "admission": {"slow": pytest.approx(19.5), "others": pytest.approx(9.5)},
        "create_to_schedule": {"slow": pytest.approx(0.01), "others": pytest.approx(0.01)},
        "schedule_to_run": {"slow": pytest.approx(0.02), "others": pytest.approx(0.02)},
        "run_to_ready": {"slow": pytest.approx(0.03), "others": pytest.approx(0.03)},
    }


def test_what_rose_with_the_pods_time_is_told_and_what_did_not_change_is_null_with_its_reason(tmp_path):
    folder = write(tmp_path / "r")
    summary = summarize(folder)
    found = summary["slow_pods"]["coincidence"]
    assert found["validation"] == {"rho": pytest.approx(1.0), "intervals": 20, "p": pytest.approx(1.3e-5, rel=0.02)}
    assert found["machine_cpu"]["rho"] == pytest.approx(1.0)  # of ratify, steady, and gatekeeper, rising
    assert found["verification"] is None and found["registry_refusals"] is None
    assert "the same in every scrape interval" in summary["missing"]["slow_pods.coincidence.verification"]
    shown = plot(folder)
    assert "The slowest 2 of 40 pods took 19.6 s or more. They lost most in admission: 19.5 s on average" in shown.text
    assert "Pods took longer when Gatekeeper took longer: rank correlation 1.00 over 20 scrape intervals." in shown.text
    assert "names no cause" in shown.text and "verification took longer:" not in shown.text
    assert shown.chart is not None
    assert [curve.name for curve in shown.chart.curves] == ["pods, median", "verification, mean", "validation, mean"]
    assert shown.chart.curves[2].points[3] == pytest.approx((3.91, 3.5))


def test_refusals_of_the_registry_are_429_and_5xx(tmp_path):
    found = summarize(write(tmp_path / "r", throttled=True))["slow_pods"]["coincidence"]["registry_refusals"]
    assert found["rho"] == pytest.approx(0.751, abs=1e-3) and found["p"] < 0.01


def test_times_that_a_cache_answered_are_not_correlated_with_requests_to_ratify(tmp_path):
    folder = write(tmp_path / "r", verified=1)
    summary = summarize(folder)
    assert summary["slow_pods"]["coincidence"]["verification"] is None
    assert "cached result" in summary["missing"]["slow_pods.coincidence.validation"]
    assert "Nothing is drawn: Most pods were let in by a cached result" in plot(folder).text


def test_without_an_audit_log_slow_is_what_took_long_after_creation(tmp_path):
    folder = write(tmp_path / "r")
    (folder / "admissions.json").unlink()
    late = [pod(n, 0.0, admission=None) for n in range(2 * INTERVALS)]
    for n in (3, 4):
        late[n]["milestones"]["ready"]["local"] += 2.0
    write_lines(folder / "pods.jsonl", late)
    summary = summarize(folder)
    slow = summary["slow_pods"]
    assert (slow["lost_in"], slow["stage_seconds"]["admission"]) == ("run_to_ready", None)
    assert slow["stage_seconds"]["run_to_ready"]["slow"] == pytest.approx(2.03)
    assert "no audit log" in summary["missing"]["slow_pods.stage_seconds.admission"]
    assert "They lost most in becoming Ready" in plot(folder).text
    assert "How long admission took is not known" in plot(folder).text


def test_few_pods_and_few_intervals_say_so(tmp_path):
    folder = write(tmp_path / "r")
    write_lines(folder / "pods.jsonl", [pod(n // 10, 1.0 + n) for n in range(40)])  # all in two intervals
    assert "2 scrape intervals are too few" in summarize(folder)["missing"]["slow_pods.coincidence.validation"]
    write_lines(folder / "pods.jsonl", [pod(n, 1.0) for n in range(19)])
    summary = summarize(folder)
    assert summary["slow_pods"] is None and "Fewer than 20 pods" in summary["missing"]["slow_pods"]
    assert "There is nothing to draw: Fewer than 20" in plot(folder).text


def test_on_a_cluster_nobody_knows_how_busy_the_machines_were(tmp_path):
    summary = summarize(write(tmp_path / "r", platform="kubeconfig"))
    assert summary["slow_pods"]["coincidence"]["machine_cpu"] is None
    assert "only a run on one machine" in summary["missing"]["slow_pods.coincidence.machine_cpu"]


def test_records_from_before_admission_was_recorded_are_read(tmp_path):
    folder = write(tmp_path / "r")
    pods = [pod(n, 1.0) for n in range(40)]
    del pods[7]["admission"]
    write_lines(folder / "pods.jsonl", pods)
    summary = summarize(folder)
    assert summary["slow_pods"]["pods"] == 40
    assert "do not have it of every pod" in summary["missing"]["slow_pods.stage_seconds.admission"]

"""Recovery, worked out by hand: from the records of faults and pods to figures, text, table and bands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from analysis import report, text
from analysis.records import read
from analysis.summary import summarize
from tests.analysis.runs import histogram, known_run, pod, process, with_settings, write_lines, write_metrics

KILL = {"target": "ratify-1", "action": "kill", "at": 1.0, "seconds": 2.0, "share": None, "error": None}
CARRIED = {**KILL, "began": 1001.0, "ended": 1003.0, "ready": 1003.25}
LATE = {**KILL, "at": 60.0, "began": None, "ended": None, "ready": None}
LATE["error"] = "It was not carried out: the run was over before 60 s."


def run(folder: Path, *faults: dict[str, Any], **changes: Any) -> Path:
    known_run(folder, **changes)
    write_lines(folder / "faults.jsonl", faults)
    return folder


def test_a_run_without_a_schedule_has_no_faults_and_no_recovery(tmp_path: Path):
    summary = summarize(known_run(tmp_path))
    assert (summary["faults"], summary["recovery"]) == ([], None)
    assert not [path for path in summary["missing"] if "fault" in path or "recovery" in path]
    assert "Faults" not in text.render(summary)


def test_recovery_is_counted_from_both_ends(tmp_path: Path):
    run(tmp_path, CARRIED)
    created = [1000.5, 1002.9, 1003.5, 1004.0]
    write_lines(tmp_path / "pods.jsonl", [pod(str(at), at, at + 1, "ready") for at in created])
    summary = summarize(tmp_path)
    (fault,) = summary["faults"]
    assert fault["began_at"] == "1970-01-01T00:16:41.000Z"
    assert fault["ended_at"] == "1970-01-01T00:16:43.000Z"
    assert fault["ready_after_seconds"] == 0.25
    assert fault["admitted_after_seconds"] == 2.5  # 1003.5, the first one after its end, since 1001
    assert fault["error"] is None
    assert summary["recovery"] == {
        "scheduled": 1,
        "carried_out": 1,
        "ready_seconds": {"max": 0.25},
        "admitted_seconds": {"max": 2.5},
    }


def test_what_webhooks_did_meanwhile_is_counted_around_the_fault_only(tmp_path: Path):
    (fault,) = summarize(run(tmp_path, CARRIED))["faults"]
    assert (fault["webhook_rejections"], fault["webhook_fail_open"]) == (2, 0)  # at 1003
    before = {**CARRIED, "began": 1000.0, "ended": 1000.5}
    assert summarize(run(tmp_path / "before", before))["faults"][0]["webhook_rejections"] == 0


def test_where_no_pod_was_left_it_is_null_with_the_reason(tmp_path: Path):
    summary = summarize(run(tmp_path, CARRIED))  # the last pod of this run was created at 1002
    assert summary["faults"][0]["admitted_after_seconds"] is None
    assert "none was left to be admitted" in summary["missing"]["faults[0].admitted_after_seconds"]
    assert summary["recovery"]["admitted_seconds"]["max"] is None


def test_a_fault_that_was_not_carried_out_says_why_and_is_no_recovery(tmp_path: Path):
    summary = summarize(run(tmp_path, CARRIED, LATE))
    _, late = summary["faults"]
    assert (late["began_at"], late["ready_after_seconds"], late["error"]) == (None, None, LATE["error"])
    assert not [path for path in summary["missing"] if path.startswith("faults[1]")]
    assert (summary["recovery"]["scheduled"], summary["recovery"]["carried_out"]) == (2, 1)
    assert summary["recovery"]["ready_seconds"]["max"] == 0.25
    assert "kill ratify-1 at 60 s not carried out" in " ".join(text.render(summary).split())


@pytest.mark.parametrize(("limit", "verdict"), [("<= 0.3", "pass"), ("<= 0.2", "fail")])
def test_recovery_can_have_a_threshold(tmp_path: Path, limit: str, verdict: str):
    settings = with_settings(thresholds={"recovery.ready_seconds.max": limit})
    assert summarize(run(tmp_path, CARRIED, settings=settings))["verdict"] == verdict


def test_a_process_that_never_came_back_breaks_a_threshold_on_recovery(tmp_path: Path):
    gone = {**CARRIED, "ready": None, "error": "ratify-1 was not ready again 60 s after the end."}
    settings = with_settings(thresholds={"recovery.ready_seconds.max": "<= 100"})
    summary = summarize(run(tmp_path, CARRIED, gone, settings=settings))
    assert summary["verdict"] == "fail"
    assert summary["recovery"]["ready_seconds"]["max"] is None


def test_the_terminal_tells_recovery_in_a_line(tmp_path: Path):
    write = run(tmp_path, CARRIED)
    shown = " ".join(text.render(summarize(write)).split())
    assert "kill ratify-1 at 1 s ready after 250 ms, admitted after –" in shown


def test_a_fault_s_name_is_not_broken_at_its_hyphens(tmp_path: Path):
    many = [{**CARRIED, "target": "kube-controller-manager", "action": "disk-full", "at": float(at)} for at in range(9)]
    shown = text.render(summarize(run(tmp_path, *many)))
    assert sum(f"disk-full kube-controller-manager at {at} s" in shown for at in range(9)) == 9


def test_the_report_has_a_table_of_faults_and_bands_in_the_plots(tmp_path: Path):
    run(tmp_path, CARRIED, {**LATE, "error": "<script>alert(1)</script>"})
    page = report.render(read(tmp_path), summarize(tmp_path))
    assert '<h2 id="h-faults">Faults</h2>' in page
    assert '<td class="n">250 ms</td>' in page
    assert "<script>alert" not in page
    over_time = re.findall(r'<figure id="(pods|latency|heat|caching|answers|memory|cpu)">(.*?)</figure>', page, re.S)
    assert len(over_time) == 7
    assert all(figure.count('class="band"') == 1 for _, figure in over_time)
    distribution = re.search(r'<figure id="distribution">.*?</figure>', page, re.S)
    assert distribution and 'class="band"' not in distribution[0]
    assert "Bands: kill ratify-1 at 1 s until 3.0 s." in page


def test_a_run_without_faults_has_no_bands(tmp_path: Path):
    page = report.render(read(known_run(tmp_path)), summarize(tmp_path))
    assert "Bands:" not in page
    assert "h-faults" not in page


@pytest.mark.parametrize("line", [b"{", b"5", b'{"target": "etcd"}', b'{"target": "etcd", "began": "soon"}'])
def test_a_file_of_faults_that_is_none_costs_its_own_figures(tmp_path: Path, line: bytes):
    run(tmp_path, CARRIED)
    (tmp_path / "faults.jsonl").write_bytes(line + b"\n")
    summary = summarize(tmp_path)
    assert (summary["faults"], summary["recovery"]) == (None, None)
    assert "faults.jsonl" in summary["missing"]["faults"]
    assert summary["pods"]["ready"] == 2
    assert report.render(read(tmp_path), summary)
    assert text.render(summary)


def test_a_replica_that_was_never_asked_counts_nothing(tmp_path: Path):
    known_run(tmp_path)
    scrapes = [(999.0 + 2 * i, f"ratify-{n}", i, n) for i in range(7) for n in range(2)]
    name = "ratify_verification_request_millisecond"
    write_metrics(
        tmp_path,
        [
            (at, target, process(900, i, 5e7) + (histogram(name, {"10": i, "+Inf": i}) if n == 0 else []))
            for at, target, i, n in scrapes
        ],
    )
    replicas = summarize(tmp_path)["ratify"]["by_replica"]
    assert {name: one["verification_requests"] for name, one in replicas.items()} == {"ratify-0": 6, "ratify-1": 0}


def test_each_replica_has_its_own_count_and_memory(tmp_path: Path):
    summary = summarize(known_run(tmp_path))
    replicas = summary["ratify"]["by_replica"]
    assert {name: one["verification_requests"] for name, one in replicas.items()} == {"ratify-0": 6, "ratify-1": 4}
    assert sum(one["verification_requests"] for one in replicas.values()) == summary["ratify"]["verification_requests"]
    assert replicas["ratify-0"]["memory_bytes"]["peak"] == 60e6
    shown = " ".join(text.render(summary).split())
    assert "ratify-0 requests 6 · ratify-0 memory peak 60 MB · ratify-1 requests 4" in shown

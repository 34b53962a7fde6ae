from __future__ import annotations

import re
from xml.etree import ElementTree as xml

import orjson
import pytest

from analysis.report import REPORT
from analysis.results import analyse
from analysis.text import WIDTH, render
from tests.analysis.runs import known_run, pod, with_settings, write_lines, write_run

LIMITS = {"pods.ready": ">= pods.expected", "ratify.timeouts": "<= 5"}


@pytest.fixture
def folder(tmp_path):
    return known_run(tmp_path / "run-1", settings=with_settings(thresholds=LIMITS))


def test_every_result_is_written_and_nothing_else(folder):
    before = {path.name for path in folder.rglob("*")}
    summary = analyse(folder)
    assert orjson.loads((folder / "summary.json").read_bytes()) == summary
    assert {path.name for path in folder.rglob("*")} - before == {
        "summary.json",
        "junit.xml",
        "report.html",
        "perfdata",
        "PodStartupLatency_PodStartupLatency_local-S_2026-11-22T16:00:00Z.json",
        "RatifyLatency_local-S_2026-11-22T16:00:00Z.json",
        "GatekeeperLatency_local-S_2026-11-22T16:00:00Z.json",
        "APIRequestLatency_local-S_2026-11-22T16:00:00Z.json",
        "ResourceUsageSummary_local-S_2026-11-22T16:00:00Z.json",
    }


def test_analysing_again_gives_the_same(folder):
    analyse(folder)
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != REPORT}
    analyse(folder)
    assert first == {path: path.read_bytes() for path in first}


def test_junit_has_a_case_for_the_run_its_phases_and_each_threshold(folder):
    analyse(folder)
    suite = xml.fromstring((folder / "junit.xml").read_bytes())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "0")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    limits = ["pods.ready >= pods.expected", "ratify.timeouts <= 5"]
    assert list(cases) == ["local-S overall", "local-S: [step: 01] up", *limits]
    assert cases["local-S: [step: 01] up"].get("time") == "8.000"
    failure = cases["pods.ready >= pods.expected"].find("failure")
    assert failure is not None and failure.get("message") == failure.text == "pods.ready is 2."
    assert {p.get("name") for p in suite.iter("property")} >= {"run_id", "version.ratify", "scenario.workload"}


def test_junit_tells_a_run_that_failed_from_one_that_broke_a_threshold(tmp_path):
    folder = tmp_path / "run-1"
    phases = [{"name": "up", "started": 990.0, "finished": 998.0, "ok": False}]
    write_run(folder, error={"phase": "up", "message": "No\x1b[31m port."}, window=None, phases=phases)
    analyse(folder)
    suite = xml.fromstring((folder / "junit.xml").read_bytes())
    failed = {case.get("name"): case.findtext("failure") or "" for case in suite.iter("testcase")}
    assert list(failed) == ["local-S overall", "local-S: [step: 01] up"]
    assert "failed in phase up: No[31m port." in failed["local-S overall"]
    assert failed["local-S: [step: 01] up"] == "No[31m port."


def test_a_run_that_broke_before_its_load_gets_every_result(tmp_path):
    folder = tmp_path / "run-1"
    write_run(folder, error={"phase": "up", "message": "Ratify did not start."}, window=None, artifacts=None)
    summary = analyse(folder)
    assert summary["verdict"] == "fail"
    page = (folder / REPORT).read_text()
    assert "The run failed in phase up; no pod was recorded." in page
    assert not (folder / "perfdata").exists()
    assert "FAIL: The run failed in phase up" in render(summary)


def test_the_terminal_shows_the_figures_in_aligned_lines(folder):
    text = render(analyse(folder))
    lines = text.splitlines()
    assert lines[0] == "FAIL: 2 of 4 pods became Ready; 1 of 2 thresholds broken."
    assert "- pods.ready is 2, and has to be >= 4 (pods.expected)." in lines
    assert max(len(line) for line in lines) <= WIDTH
    assert len(lines) <= 44
    assert re.search(r"^Pods {15}expected 4 · ready 2 · denied 1 · failed 1 · missing 0$", text, re.M)
    assert re.search(r"^Verification {7}requests 10 · p50 6.25 ms · p95 77.5 ms", text, re.M)
    assert re.search(r"^Answers to Ratify {2}200 30 · 401 4 · 429 3$", text, re.M)
    assert re.search(r"^Reasons {12}1 × admission webhook denied the request$", text, re.M)
    assert "No result was cached" in text


def test_a_warm_run_says_what_its_figures_stand_for(tmp_path):
    settings = with_settings(ratify={"cache": True}, gatekeeper={"responseCacheSeconds": 180})
    text = " ".join(render(analyse(known_run(tmp_path / "run-1", settings=settings))).split())
    assert "Ratify's caches and Gatekeeper's response cache (180 s) were on" in text
    assert "one verification request stood for 0.3 admitted pods" in text


def test_many_reasons_are_cut_short_on_the_terminal_and_kept_in_the_summary(folder):
    write_lines(folder / "pods.jsonl", [pod(None, None, None, "denied", f"reason {n} " + "x" * 200) for n in range(60)])
    summary = analyse(folder)
    assert len(summary["pods"]["reasons"]) == 60
    assert "and 55 more in summary.json" in render(summary)
    assert "30 more are in" in (folder / REPORT).read_text()

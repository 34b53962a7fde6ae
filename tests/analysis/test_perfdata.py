"""What ClusterLoader2's readers make of our files, by the rules of their parsers.

perfdash: kubernetes/perf-tests, perfdash/{parser,config,metrics-downloader}.go. telescope: Azure/telescope,
modules/python/clusterloader2/utils.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.dom import minidom

import orjson
import pytest

from analysis.results import analyse
from tests.analysis.runs import known_run, pod, with_settings, write_lines, write_run

PREFIXES = {
    "PodStartupLatency_PodStartupLatency_": 2,
    "ResourceUsageSummary": 1,
    "SchedulingThroughput": 1,
}
"""Beginnings of the names that telescope knows → the part between underscores that is the test's name."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = known_run(tmp_path / "run-1", stack="local_S", settings=with_settings(thresholds={"pods.ready": ">= 99"}))
    pods = []
    for number in range(20):
        one = pod(f"p{number}", 1000.0 + number / 4, 1001.5 + number / 4, "ready")
        for milestone, later in (("scheduled", 0.1), ("running", 0.4 + number / 100)):
            one["milestones"][milestone] = {"local": 1000.0 + number / 4 + later, "server": None}
        pods.append(one)
    pods.append(pod("late", 1003.0, None, "missing"))
    write_lines(folder / "pods.jsonl", pods)
    analyse(folder)
    return folder


def document(folder: Path, prefix: str) -> Any:
    (file,) = (folder / "perfdata").glob(f"{prefix}*")
    return orjson.loads(file.read_bytes())


def test_startup_has_the_transitions_of_clusterloader2_in_milliseconds(folder):
    found = document(folder, "PodStartupLatency")
    assert (found["version"], found["labels"]) == ("1.0", {"run_id": "run-1"})
    assert all(set(item) == {"data", "unit", "labels"} and item["unit"] == "ms" for item in found["dataItems"])
    data = {item["labels"]["Metric"]: item["data"] for item in found["dataItems"]}
    up = {"Perc50": pytest.approx(490), "Perc90": pytest.approx(570), "Perc99": pytest.approx(590)}
    assert data["pod_startup"] == data["create_to_run"] == up
    assert data["schedule_to_run"] == data["schedule_to_watch"] != up
    assert data["create_to_schedule"] == pytest.approx(dict.fromkeys(up, 100.0))
    assert data["create_to_ready"] == pytest.approx(dict.fromkeys(up, 1500.0))
    assert "run_to_watch" not in data  # one moment is both: no time was measured


def test_a_transition_that_no_pod_was_seen_to_make_is_left_out(tmp_path):
    folder = known_run(tmp_path / "run-1")
    analyse(folder)
    items = document(folder, "PodStartupLatency")["dataItems"]
    assert [item["labels"]["Metric"] for item in items] == ["create_to_ready"]
    assert [item["labels"]["Metric"] for item in document(folder, "RatifyLatency")["dataItems"]] == ["verification"]
    assert not list((folder / "perfdata").glob("SchedulingThroughput*"))


def test_perfdash_reads_resources_as_lists_of_percentiles_with_whole_bytes(folder):
    """It decodes into map[string][]struct{Name string; CPU float64; Mem int}: 1.0 for Mem would be an error."""
    found = document(folder, "ResourceUsageSummary")
    assert set(found) == {"50", "90", "99", "100"}
    for items in found.values():
        names = [item["Name"] for item in items]
        assert {"ratify-0/ratify", "ratify-1/ratify", "gatekeeper/gatekeeper"} <= set(names)
        for item in items:
            assert set(item) == {"Name", "CPU", "Mem"} and type(item["Mem"]) is int and type(item["CPU"]) is float
    most = {item["Name"]: item for item in found["100"]}
    assert most["ratify-0/ratify"] == {"Name": "ratify-0/ratify", "CPU": 0.5, "Mem": 60_000_000}
    assert {item["Name"]: item["Mem"] for item in found["50"]}["ratify-0/ratify"] == 50_000_000


def test_perfdash_reads_the_throughput_of_scheduling(folder):
    """20 pods are scheduled in the first of two intervals of 5 s, and the one more is never."""
    assert document(folder, "SchedulingThroughput") == {"perc50": 0.0, "perc90": 4.0, "perc99": 4.0, "max": 4.0}


def test_every_perf_data_is_strings_to_numbers(folder):
    """perftype.DataItem: Data map[string]float64, Unit string, Labels map[string]string."""
    for file in (folder / "perfdata").iterdir():
        for item in orjson.loads(file.read_bytes()).get("dataItems", ()):
            assert all(isinstance(amount, float | int) for amount in item["data"].values())
            assert all(isinstance(text, str) for text in (item["unit"], *item["labels"], *item["labels"].values()))


def test_telescope_finds_measurement_and_test_in_the_names(folder):
    groups = {}
    for file in (folder / "perfdata").iterdir():
        for prefix, part in PREFIXES.items():
            if file.name.startswith(prefix):
                groups[prefix] = file.name.split("_")[part]
    assert groups == dict.fromkeys(PREFIXES, "local-S")  # an underscore in it would be the end of the name


def test_telescope_reads_the_suite_its_failures_and_their_texts(folder):
    (suite,) = minidom.parse(str(folder / "junit.xml")).getElementsByTagName("testsuite")
    assert suite.getAttribute("name") == "ClusterLoaderV2"
    assert int(suite.getAttribute("failures")) > 0 and int(suite.getAttribute("errors")) == 0
    failures = [case.getElementsByTagName("failure") for case in suite.getElementsByTagName("testcase")]
    texts = [
        getattr(found[0].firstChild, "nodeValue", None) for found in failures if found
    ]  # without a text, an AttributeError there
    assert len(texts) == int(suite.getAttribute("failures")) and all(texts)
    assert all(float(case.getAttribute("time")) >= 0 for case in suite.getElementsByTagName("testcase"))


def test_a_run_that_failed_is_a_failure_to_who_counts_those_alone(tmp_path):
    folder = tmp_path / "run-1"
    write_run(folder, error={"phase": "up", "message": "Ratify did not start."}, window=None)
    analyse(folder)
    (suite,) = minidom.parse(str(folder / "junit.xml")).getElementsByTagName("testsuite")
    assert int(suite.getAttribute("failures")) > 0

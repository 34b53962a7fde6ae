from __future__ import annotations

import pytest

from analysis.summary import summarize
from analysis.tables import COLUMNS, kind, markdown, rows
from tests.analysis.runs import known_run, pod, with_settings, write_admissions, write_lines


@pytest.fixture
def summary(tmp_path):
    folder = known_run(tmp_path / "run-1")
    write_lines(folder / "pods.jsonl", [pod("a", 1000.5, 1002.5, "ready", unverified=False)])
    write_admissions(folder, refused_attempts={"timeout": 3, "unsigned": 1})
    return summarize(folder)


def test_a_row_has_the_published_columns_in_their_units(summary):
    (row,) = rows([summary])
    assert (row["type"], row["replicas"], row["mode"], row["registry"]) == ("deployment", 2, "regular", "L")
    assert (row["pods"], row["throttled"], row["timeouts"], row["restarts"]) == (1, 3, 2, 0)
    assert row["verification_p95_ms"] == pytest.approx(77.5)
    assert row["verification_max_ms"] == pytest.approx(100)
    assert row["memory_peak_mib"] == pytest.approx(90e6 / 1048576)
    assert (row["cpu_peak_cores"], row["cpu_mean_cores"]) == (pytest.approx(0.75), pytest.approx(0.75))
    assert (row["denied"], row["refused_requests"], row["unverified"], row["all_ready_seconds"]) == (0, 4, 0, 2.5)
    assert (row["caches"], row["verdict"]) == ("off", "pass")


def test_what_is_null_has_its_reason(summary):
    (row,) = rows([summary])
    assert {key for key, entry in row.items() if entry is None} == set(row["missing"])
    assert "no memory limit" in row["missing"]["oom"]
    assert row["missing"]["mutation_p95_ms"].startswith("ratify exported no ratify_mutation_request")


def test_a_table_can_be_pasted_into_a_document(summary):
    head, rule, line = markdown(rows([summary])).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|") == len(COLUMNS) + 1
    assert len(head) == len(rule) == len(line)
    cells = dict(zip((c.strip() for c in head.split("|")), (c.strip() for c in line.split("|")), strict=True))
    assert (cells["p95 ver, ms"], cells["max mut, ms"], cells["429"]) == ("77.5", "–", "3")


def test_runs_that_differ_in_scenario_or_caches_are_no_repetitions(tmp_path):
    xs = summarize(known_run(tmp_path / "a", settings=with_settings(registry={"size": "XS"})))
    large = summarize(known_run(tmp_path / "b", settings=with_settings(registry={"size": "L"})))
    warm = summarize(known_run(tmp_path / "c", settings=with_settings(registry={"size": "L"}, ratify={"cache": True})))
    again = summarize(known_run(tmp_path / "d", settings=with_settings(registry={"size": "L"})))
    assert len({kind(each) for each in (xs, large, warm, again)}) == 3


def test_a_summary_of_another_release_has_a_row_all_the_same():
    (row,) = rows([{"run_id": "old", "pods": {"ready": 3}}])
    assert (row["run"], row["ready"], row["unverified"]) == ("old", 3, None)
    assert row["missing"]["unverified"] == "The run's summary has no such figure."

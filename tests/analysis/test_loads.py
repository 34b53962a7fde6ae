from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.sentences import meaning
from analysis.summary import summarize
from analysis.thresholds import figure
from tests.analysis.runs import (
    END,
    START,
    Page,
    histogram,
    process,
    sample,
    with_settings,
    write_lines,
    write_metrics,
    write_run,
)

WEBHOOK = "apiserver_admission_webhook_admission_duration_seconds"
REQUEST = "apiserver_request_duration_seconds"


def line(due: float | None, sent: float, answered: float | None, **more: Any) -> dict[str, Any]:
    return {
        "object": "deployment/n/x",
        "intended": due,
        "sent": sent,
        "answered": answered,
        "status": "created",
        "message": None,
        "phase": 0,
        "verb": "create",
        "code": 201,
        **more,
    }


def evenly(count: int, rate: float, *, lag: float = 0.001, first: float = 0.01, growth: float = 0.0) -> list[Any]:
    """So many objects, each sent ``lag`` late and answered ``first`` + n × ``growth`` after it was due."""
    times = [(START + n / rate, first + n * growth) for n in range(count)]
    return [line(due, due + lag, due + lag + took) for due, took in times]


def load(folder: Path, lines: list[Any], page: Page | None = None, **settings: Any) -> dict[str, Any]:
    write_run(folder, settings=with_settings(load={"mode": "created", **settings}))
    write_lines(folder / "requests.jsonl", lines)
    if page is not None:
        before = [sample(name, 0.0, **labels) for name, labels in ((s[0], _labels(s)) for s in page)]
        write_metrics(
            folder,
            [
                (START - 1, "kube-apiserver", [*process(1, 1, 1), *before]),
                (END + 1, "kube-apiserver", [*process(1, 2, 1), *page]),
            ],
        )
    summary = summarize(folder)
    return {**summary["load"], "missing": summary["missing"], "summary": summary}


def _labels(one: tuple[str, str, float]) -> dict[str, str]:
    from analysis.expositions import parse_labels

    return dict(parse_labels(one[1]))


def apiserver(admission: float) -> Page:
    """10 s of creating, of which ``admission`` in webhooks."""
    return [
        *histogram(REQUEST, {"+Inf": 10}, 10.0, verb="POST", resource="deployments"),
        *histogram(REQUEST, {"+Inf": 10}, 99.0, verb="GET", resource="pods"),
        *histogram(WEBHOOK, {"+Inf": 10}, admission, name="validation.gatekeeper.sh", operation="CREATE"),
        *histogram(WEBHOOK, {"+Inf": 10}, 5.0, name="validation.gatekeeper.sh", operation="UPDATE"),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run-1"


def test_a_load_that_keeps_to_its_schedule_is_limited_by_nothing(folder: Path):
    found = load(folder, evenly(100, 50))
    assert found["limiter"]["name"] == "none" and found["limiter"]["share"] == 0
    assert (found["requested_per_s"], found["achieved_per_s"]) == (pytest.approx(50), pytest.approx(50))
    assert found["answered_per_s"] == pytest.approx(50)
    assert found["answer_seconds"] == pytest.approx({"p50": 0.01, "p99": 0.01, "max": 0.01})
    assert found["answers"] == {"201": 100}
    assert figure(found["summary"], "load.answers.429") == 0


def test_slow_answers_that_do_not_pile_up_are_no_limit(folder: Path):
    assert load(folder, evenly(100, 50, first=0.5))["limiter"]["name"] == "none"


@pytest.mark.parametrize(("admission", "name"), [(9.0, "admission"), (1.0, "apiserver")])
def test_a_control_plane_that_falls_behind_is_named_with_what_it_answered(folder: Path, admission: float, name: str):
    found = load(folder, evenly(100, 100, growth=0.01), apiserver(admission))  # the n-th after 0.01 + n / 100 s
    assert found["admission_share"] == pytest.approx(admission / 10)
    limiter = found["limiter"]
    assert limiter["name"] == name
    assert limiter["share"] == pytest.approx(0.51, abs=0.01)
    assert "49 of 100 objects were answered in the 1.0 s of the schedule" in limiter["reason"]
    assert [sentence for sentence in meaning(found["summary"]) if limiter["reason"] in sentence]
    assert f"{admission / 10:.0%}" in limiter["reason"]


def test_what_part_admission_had_may_not_be_known(folder: Path):
    found = load(folder, evenly(100, 100, growth=0.01))
    assert found["limiter"]["name"] == "apiserver" and "not known" in found["limiter"]["reason"]
    assert found["admission_share"] is None and found["missing"]["load.admission_share"]


def test_a_client_that_is_late_with_connections_free_is_named(folder: Path):
    found = load(folder, [*evenly(90, 50), *evenly(10, 50, lag=0.05)])
    assert found["limiter"]["name"] == "client"
    assert found["limiter"]["share"] == pytest.approx(0.1)


def test_objects_that_wait_for_a_connection_are_not_held_against_the_client(folder: Path):
    full = [line(START + n / 1000, START + n / 1000, START + 9, phase=0) for n in range(400)]
    waiting = [line(START + 0.5 + n / 1000, START + 9 + n / 1000, START + 30) for n in range(100)]
    assert load(folder, full + waiting)["limiter"]["name"] == "apiserver"


def test_a_burst_has_until_the_next_one_to_be_answered(folder: Path):
    burst = [line(START, START, START + 0.02 * n) for n in range(1, 51)]
    phases = [{"pattern": "burst", "size": 50, "every": 5.0}]
    assert load(folder, burst, phases=phases)["limiter"]["name"] == "none"


def test_few_objects_show_no_limit(folder: Path):
    found = load(folder, evenly(5, 5, growth=1))
    assert found["limiter"] is None
    assert "Fewer than 20" in found["missing"]["load.limiter"]
    with pytest.raises(ValueError, match="Fewer than 20"):
        figure(found["summary"], "load.limiter.share")


def test_a_closed_loop_asks_for_no_rate(folder: Path):
    lines = [line(None, START + n, START + n + 1) for n in range(30)]
    found = load(folder, lines, phases=[{"pattern": "closed", "workers": 1}])
    assert found["requested_per_s"] is None and "closed loop" in found["missing"]["load.requested_per_s"]
    assert found["achieved_per_s"] == pytest.approx(1)
    assert found["limiter"]["name"] == "none"


def test_each_phase_has_its_figures_and_the_worst_is_the_limiter(folder: Path):
    second = [{**one, "phase": 1} for one in evenly(100, 100, growth=0.01)]
    found = load(folder, [*evenly(100, 50), *second], phases=[{"pattern": "constant"}, {"pattern": "poisson"}])
    assert [(each["pattern"], each["requests"], each["limiter"]["name"]) for each in found["phases"]] == [
        ("constant", 100, "none"),
        ("poisson", 100, "apiserver"),
    ]
    assert found["limiter"]["reason"].startswith("Phase 1: ")
    assert found["phases"][1]["requested_per_s"] == pytest.approx(100)


def test_deletes_are_requests_and_no_objects(folder: Path):
    more = {"verb": "delete", "status": "deleted", "code": 200}
    lines = [
        *evenly(3, 1),
        line(START + 5, START + 5, START + 6, **more),
        line(START + 7, START + 7, START + 8, **more),
    ]
    lines[-1] |= {"status": "failed", "code": None}
    found = load(folder, lines)
    assert (found["objects"], found["failed"]) == (3, 1)
    assert found["answers"] == {"200": 1, "201": 3, "none": 1}


def test_records_without_statuses_have_no_answers_by_status(folder: Path):
    found = load(folder, [{key: value for key, value in one.items() if key != "code"} for one in evenly(3, 1)])
    assert found["answers"] is None and "status" in found["missing"]["load.answers"]


def test_settings_and_phases_that_make_no_sense_are_taken_for_a_constant_rate(folder: Path):
    lines = [*evenly(30, 10), *({**one, "phase": 0.5} for one in evenly(30, 10)), line(START, START, START, phase=9)]
    found = load(folder, lines, phases=[{"pattern": "burst", "every": "x"}])
    assert [each["pattern"] for each in found["phases"]] == ["burst", "constant", "constant"]

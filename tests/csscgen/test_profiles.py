"""Profiles asked of a Prometheus, and what becomes of what it answers: every figure, or null with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from analysis.formats import utc
from analysis.results import analyse
from csscgen import profiles
from csscgen.prometheus import Prometheus
from tests.analysis.runs import END, START, known_run, write_run
from tests.csscgen.servers import ApiServer, in_background
from workloads.profiles import Alert, Metric, Profile

WINDOW = {"start": START, "end": END}
Answers = dict[str, Any]
Summarize = Callable[..., dict[str, Any]]


def series(*values: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "values": [[START + number, value] for number, value in enumerate(values)]}


def at_end(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [END, value]}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


@pytest.fixture
def asked() -> list[dict[str, str]]:
    """What the API was asked."""
    return []


@pytest.fixture
def summarize(api: ApiServer, asked: list[dict[str, str]], tmp_path: Path) -> Summarize:
    """Asks a Prometheus that knows the result of each query, or an answer, and analyses the run."""

    scraped = [series(*["1"] * (int(END - START) + 1))]

    def made(answers: Answers, *entries: Metric | Alert, url: str | None = None) -> dict[str, Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            asked.append(dict(request.query))
            found = answers.get(request.query["query"], scraped if "(up[" in request.query["query"] else [])
            if isinstance(found, web.Response):
                return found
            return web.json_response({"status": "success", "data": {"result": found}} | answers.get("", {}))

        api.pages = dict.fromkeys(("/api/v1/query", "/api/v1/query_range"), answer)
        profile = Profile(
            tuple(each for each in entries if isinstance(each, Metric)),
            tuple(each for each in entries if isinstance(each, Alert)),
        )
        folder = known_run(tmp_path / "run-1")
        write_run(folder, profile=profiles.record(profile))
        profiles.collect(folder, profiles.record(profile) or {}, Prometheus(url or api.url), WINDOW, 2)
        return analyse(folder)

    return made


def test_a_query_over_the_window_has_mean_and_peak_of_its_worst_series(summarize: Summarize) -> None:
    answers = {"x": [series("1", "2", "6", pod="a"), series("4", "4", pod="b")]}
    found = summarize(answers, Metric("m", "x", unit="B", direction="lower"), Metric("h", "x", direction="higher"))
    assert found["profile"]["metrics"]["m"] == {
        "value": 4,
        "peak": 6,
        "unit": "B",
        "direction": "lower",
        "series": 2,
    }
    assert (found["profile"]["metrics"]["h"]["value"], found["profile"]["metrics"]["h"]["peak"]) == (3, 1)


def test_an_instant_query_is_asked_at_the_end_and_at_the_start(summarize: Summarize, api: ApiServer) -> None:
    found = summarize({"x[14s]": [at_end("3")]}, Metric("m", "x[{{.elapsed}}]", instant=True, capture_start=True))
    metric = found["profile"]["metrics"]["m"]
    assert (metric["value"], metric["start"]) == (3, 3)
    assert "peak" not in metric


def test_the_error_of_a_quantile_is_that_of_its_bucket(summarize: Summarize) -> None:
    buckets = [at_end("8", le="10"), at_end("10", le="100"), at_end("10", le="+Inf")]
    answers = {"histogram_quantile(0.5, b)": [at_end("6.25")], "b": buckets}
    found = summarize(answers, Metric("m", "histogram_quantile(0.5, b)", instant=True))
    assert found["profile"]["metrics"]["m"]["error"] == pytest.approx(6.25)


def test_a_bucket_without_a_number_for_a_bound_is_no_figure(summarize: Summarize) -> None:
    answers = {"histogram_quantile(0.9, b)": [at_end("10")], "b": [at_end("1", le="ten")]}
    found = summarize(answers, Metric("m", "histogram_quantile(0.9, b)", instant=True))
    assert found["missing"]["profile.metrics.m.value"] == "A bucket has the bound 'ten', no number."


def test_a_quantile_beyond_the_last_bucket_is_no_figure(summarize: Summarize) -> None:
    answers = {"histogram_quantile(0.9, b)": [at_end("10")], "b": [at_end("1", le="10"), at_end("9", le="+Inf")]}
    found = summarize(answers, Metric("m", "histogram_quantile(0.9, b)", instant=True))
    assert found["profile"]["metrics"]["m"]["value"] is None
    assert found["missing"]["profile.metrics.m.value"] == "It lies beyond the last bucket."


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"kind": "value", "name": "m", "query": "x"}'])
def test_answers_that_cannot_be_read_are_no_figures(summarize: Summarize, tmp_path: Path, line: bytes) -> None:
    summarize({"x": [at_end("1")]}, Metric("m", "x", instant=True))
    (tmp_path / "run-1" / "profile.jsonl").write_bytes(line)
    assert "Line 1 of profile.jsonl" in analyse(tmp_path / "run-1")["missing"]["profile.metrics.m.value"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([], "The query has no sample in the window."),
        ([at_end("NaN")], "Every sample of the query is NaN: nothing was observed."),
        ([at_end("+Inf")], "A sample of the query is infinite, as of a division by zero."),
        (web.json_response({"status": "error", "error": "parse error"}, status=400), "HTTP Status Code 400"),
        (web.Response(text="<html>"), "answered what is no result of a query"),
        ([END, "3"], "answered what is no result of a query"),
    ],
    ids=["empty", "NaN", "infinite", "error", "no JSON", "scalar"],
)
def test_what_cannot_be_had_is_null_with_the_reason_and_breaks_its_threshold(
    summarize: Summarize, answer: Any, told: str
) -> None:
    found = summarize({"x": answer}, Metric("m", "x", instant=True, threshold=">= 0"))
    assert found["profile"]["metrics"]["m"]["value"] is None
    assert told in found["missing"]["profile.metrics.m.value"]
    assert [row["ok"] for row in found["thresholds"] if row["metric"] == "profile.metrics.m.value"] == [False]
    assert found["verdict"] == "fail"


def test_a_prometheus_that_is_not_there_is_asked_once(summarize: Summarize, monkeypatch) -> None:
    asked: list[object] = []
    ask = Prometheus._ask

    def counted(self: Prometheus, send: Any) -> Any:
        asked.append(send)
        return ask(self, send)

    monkeypatch.setattr(Prometheus, "_ask", counted)
    metrics = [Metric(name, name, instant=True) for name in "abc"]
    found = summarize({}, *metrics, Alert("x", "x", "error"), url="http://127.0.0.1:1")
    assert len(asked) == 1
    for name in "abc":
        assert "did not answer" in found["missing"][f"profile.metrics.{name}.value"]
    assert any("alert x could not be judged" in reason for reason in found["verdict_reasons"])


def test_without_any_prometheus_everything_is_missing(tmp_path: Path) -> None:
    folder = known_run(tmp_path / "run-1")
    kept = profiles.record(Profile((Metric("m", "x"),)))
    assert kept
    write_run(folder, profile=kept)
    profiles.collect(folder, kept, None, WINDOW, 2)
    assert "has no Prometheus" in analyse(folder)["missing"]["profile.metrics.m.value"]


def test_a_run_that_never_came_to_ask_says_so(tmp_path: Path) -> None:
    folder = known_run(tmp_path / "run-1")
    write_run(folder, profile=profiles.record(Profile((Metric("m", "x"),))))
    assert analyse(folder)["missing"]["profile.metrics.m.value"] == "profile.jsonl is not there."


def test_warnings_are_kept_and_shown(summarize: Summarize, tmp_path: Path) -> None:
    found = summarize({"x": [at_end("1")], "": {"warnings": ["a store is away"]}}, Metric("m", "x", instant=True))
    assert found["profile"]["warnings"] == ["Prometheus warned: a store is away"]
    assert "Prometheus warned: a store is away" in (tmp_path / "run-1" / "report.html").read_text()


@pytest.mark.parametrize(
    ("kept", "between"),
    [
        (lambda second: not 4 < second < 9, (4, 9)),
        (lambda second: second > 5, (0, 6)),
        (lambda second: second < 5, (4, END - START)),
        (lambda second: second % 2 == 0, None),
    ],
    ids=["in the middle", "at the start", "at the end", "none"],
)
def test_a_time_in_which_prometheus_scraped_nothing_is_told(
    summarize: Summarize, kept: Callable[[float], bool], between: tuple[float, float] | None
) -> None:
    ups = {"metric": {}, "values": [[START + each, "1"] for each in range(int(END - START) + 1) if kept(each)]}
    found = summarize({"max(present_over_time(up[4s]))": [ups], "x": [series("1")]}, Metric("m", "x"))
    told = [
        f"Prometheus scraped nothing between {utc(START + start)} and {utc(START + end)}: the profile lacks that time."
        for start, end in ([between] if between else [])
    ]
    assert found["profile"]["warnings"] == told


def test_a_prometheus_that_does_not_tell_its_scrapes_is_no_sign_of_any(summarize: Summarize) -> None:
    found = summarize({"max(present_over_time(up[4s]))": [], "x": [series("1")]}, Metric("m", "x"))
    assert found["profile"]["warnings"] == [
        "Whether Prometheus scraped all the time is not known: The query has no sample in the window."
    ]


def test_alerts_of_error_and_critical_fail_the_run_and_the_others_are_told(summarize: Summarize) -> None:
    answers = {"x > 0": [series("1.23456", pod="a"), series("2", pod="b")], "y": [series("1")]}
    found = summarize(
        answers,
        Alert("x > 0", "{{$labels.pod}} has {{$value}}", "critical"),
        Alert("y", "only a warning", "warning"),
        Alert("z", "never", "error"),
    )
    fired = [(each["severity"], each["description"], each["series"]) for each in found["profile"]["alerts"]]
    assert fired == [("critical", "a has 1.235", 2), ("warning", "only a warning", 1)]
    said = [reason for reason in found["verdict_reasons"] if "alert" in reason.lower()]
    assert len(said) == 1 and "a has 1.235 (and 1 more series)" in said[0]


def test_an_alert_is_not_asked_for_the_time_when_components_came_up(
    summarize: Summarize, asked: list[dict[str, str]]
) -> None:
    summarize({}, Metric("m", "x"), Alert("y", "y", "warning"))
    starts = {each["query"]: float(each["start"]) for each in asked}
    assert (starts["x"], starts["y"]) == (WINDOW["start"] - 2, WINDOW["start"] + 2)


def test_the_raw_answers_are_kept_as_prometheus_wrote_them(summarize: Summarize, tmp_path: Path) -> None:
    summarize({"x": [series("1", "NaN", pod="a")]}, Metric("m", "x"))
    scraped, line = map(json.loads, (tmp_path / "run-1" / "profile.jsonl").read_text().splitlines())
    assert (scraped["kind"], scraped["query"], scraped["step"]) == ("scraped", "max(present_over_time(up[4s]))", 2)
    assert line["points"] == [[START, "1.0"], [START + 1, "nan"]]
    assert (line["kind"], line["name"], line["labels"]) == ("value", "m", {"pod": "a"})

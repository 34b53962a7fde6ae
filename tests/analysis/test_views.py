from __future__ import annotations

from typing import Any

import pytest

from analysis.report import REPORT
from analysis.results import analyse
from analysis.sentences import causes, meaning
from analysis.summary import summarize
from analysis.text import render
from tests.analysis.runs import known_run, pod, with_settings, write_admissions, write_lines

TIMEOUTS = {"webhook-timeout": 58, "timeout": 2}


def summary_of(folder, pods: int, ready: int, attempts: dict[str, int] | None, **changes: Any) -> dict[str, Any]:
    """A run with 3 answers 429 and 2 timeouts (known_run), and these pods."""
    known_run(folder, settings=with_settings(), **changes)
    lines = [pod(f"p{n}", 1000.5, 1004.0, "ready") for n in range(ready)]
    lines += [pod(None, None, None, "denied", "timed out", cause="timeout") for _ in range(pods - ready)]
    write_lines(folder / "pods.jsonl", lines)
    if attempts is not None:
        write_admissions(folder, refused_attempts=attempts)
    found: dict[str, Any] = summarize(folder)
    return found


def told(summary: dict[str, Any]) -> str:
    return " ".join(meaning(summary))


def test_throttling_is_told_from_the_first_429_to_the_last_pod(tmp_path):
    assert (
        "The registry answered 429 3 times, and Ratify asked again as long as its deadline lets it; it ran into its "
        "deadline 2 times; admission refused 60 requests (webhook-timeout 58, timeout 2). Controllers tried again, "
        "and all 5 pods were Ready after 4 s."
    ) in told(summary_of(tmp_path / "run-1", 5, 5, TIMEOUTS))


def test_throttling_that_kept_pods_out_says_how_many_got_in(tmp_path):
    assert "In the end 3 of 5 pods were Ready." in told(summary_of(tmp_path / "run-1", 5, 3, {"timeout": 9}))


def test_throttling_that_did_no_harm_claims_none(tmp_path):
    text = told(summary_of(tmp_path / "run-1", 5, 5, {}))
    assert "admission refused no request. All 5 pods were Ready after 4 s." in text


def test_without_429_nothing_is_said_of_throttling(tmp_path):
    summary = summary_of(tmp_path / "run-1", 5, 5, TIMEOUTS)
    summary["registry"]["throttled"] = 0
    summary["ratify"]["registry_requests"]["429"] = 0
    assert "429" not in told(summary)


def test_a_registry_that_does_not_count_leaves_it_to_ratify(tmp_path):
    summary = summary_of(tmp_path / "run-1", 5, 5, TIMEOUTS)
    summary["registry"]["throttled"] = None
    assert "answered 429 3 times" in told(summary)


def test_causes_are_explained_those_that_kept_pods_out_first(tmp_path):
    summary = summary_of(tmp_path / "run-1", 5, 3, TIMEOUTS)
    first, second = causes(summary)
    assert (first.cause, first.pods, first.requests) == ("timeout", "2", "2")
    assert (second.cause, second.pods, second.requests) == ("webhook-timeout", "0", "58")
    assert first.meaning == "Ratify did not get through within its own deadline."
    assert "larger registry" not in first.advice


def test_the_terminal_and_the_page_say_what_a_cause_is_and_what_to_do(tmp_path):
    folder = tmp_path / "run-1"
    summary_of(folder, 5, 3, TIMEOUTS)
    text = " ".join(render(analyse(folder)).split())
    page = (folder / REPORT).read_text()
    for said in ("Gatekeeper did not answer the API server within", "raise gatekeeper.maxServingThreads."):
        assert said in text
        assert said in page
    assert "webhook-timeout (pods 0, refused requests 58): Gatekeeper did not" in text


@pytest.mark.parametrize("where", ["text", "page"])
def test_the_registry_s_cpu_is_shown_apart_from_ratify_s(tmp_path, where):
    folder = known_run(tmp_path / "run-1")
    text = render(analyse(folder))
    if where == "text":
        assert "\nRatify  " in text
        assert "\nRegistry           CPU peak 0.5 cores · CPU mean 0.5 cores · throttled 3\n" in text
        assert "\nThrottled          read 3\n" in text
    else:
        assert "<h3>Registry</h3>" in (folder / REPORT).read_text()


def test_a_category_that_is_new_shows_by_its_name(tmp_path):
    summary = summary_of(tmp_path / "run-1", 5, 5, {})
    summary["registry"]["requests_by_category"] = {"read": 3, "teleport": 2}
    assert "Categories         read 3 · teleport 2" in render(summary)


def test_a_throttled_run_says_which_bucket_was_empty(tmp_path):
    summary = summary_of(tmp_path / "run-1", 5, 5, {})
    summary["registry"]["throttled_by_bucket"] = {"pull": {"list_referrers": 7}, "registry": {"oauth": 1, "read": 2}}
    assert "Empty buckets      pull list_referrers 7 · registry oauth 1 · registry read 2" in render(summary)

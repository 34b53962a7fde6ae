from __future__ import annotations

from typing import Any

import pytest

from analysis.thresholds import evaluate

SUMMARY = {
    "pods": {"expected": 200, "ready": 200, "reasons": []},
    "ratify": {"verification_seconds": {"p95": None}, "registry_requests": {"200": 10}, "cpu_cores": {"peak": 0.5}},
    "registry": {"requests": None},
    "missing": {"ratify.verification_seconds.p95": "It lies beyond the last bucket.", "registry.requests": "No page."},
}


def row(metric: str, expression: str) -> dict[str, Any]:
    (found,) = evaluate({metric: expression}, SUMMARY)
    return found


@pytest.mark.parametrize(
    ("metric", "expression", "ok"),
    [
        ("pods.ready", ">= pods.expected", True),
        ("pods.ready", "> pods.expected", False),
        ("pods.ready", "== 200", True),
        ("ratify.cpu_cores.peak", "< 0.5", False),
        ("ratify.cpu_cores.peak", "<= 5e-1", True),
    ],
)
def test_a_figure_is_compared(metric, expression, ok):
    found = row(metric, expression)
    assert found["ok"] is ok
    assert found["reason"] is None
    assert found["limit"] == expression


def test_the_row_has_the_number_behind_a_path():
    assert row("pods.ready", ">= pods.expected") == {
        "metric": "pods.ready",
        "limit": ">= pods.expected",
        "bound": 200,
        "value": 200,
        "ok": True,
        "reason": None,
    }


def test_a_missing_value_fails_with_its_reason():
    found = row("ratify.verification_seconds.p95", "<= 0.5")
    assert not found["ok"]
    assert "It lies beyond the last bucket." in found["reason"]


def test_a_status_that_was_not_seen_is_zero_where_statuses_were_counted():
    assert row("ratify.registry_requests.500", "<= 0")["ok"]
    unknown = row("registry.requests.500", "<= 0")
    assert not unknown["ok"]
    assert "No page." in unknown["reason"]


@pytest.mark.parametrize("metric", ["pods.raedy", "nothing", "ratify.registry_requests.many", "pods.ready.deeper"])
def test_an_unknown_path_fails(metric):
    found = row(metric, "<= 1")
    assert not found["ok"]
    assert found["reason"] == f"There is no figure '{metric}'."


@pytest.mark.parametrize("metric", ["pods", "pods.reasons"])
def test_what_is_not_a_number_fails(metric):
    assert row(metric, "<= 1")["reason"] == f"'{metric}' is not a number."


def test_an_expression_that_nobody_checked_fails():
    assert "neither a number nor" in row("pods.ready", "<= lots!")["reason"]

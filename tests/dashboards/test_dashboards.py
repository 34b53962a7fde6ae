"""The dashboards ask for metrics that there are, by a data source that is chosen when they are imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.expressions import DASHBOARDS, expressions, known, names, read
from workloads.ratify import metrics


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('sum by (le) (rate(a_total{code=~"5..",x="b_total"}[5m])) / on (job) group_left (y) c', {"a_total", "c"}),
        (
            "histogram_quantile(0.95, sum by (le, name) (rate(x_bucket[$__rate_interval]) or rate(y_bucket[1m])))",
            {"x_bucket", "y_bucket"},
        ),
        ("time() - process_start_time_seconds offset 5m", {"process_start_time_seconds"}),
        ("bottomk(8, tokens) and up == bool 1e3", {"tokens", "up"}),
    ],
)
def test_the_names_in_an_expression(expression: str, found: set[str]):
    assert names(expression) == found


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_every_metric_of_a_dashboard_is_one_that_there_is(file: Path):
    there = {name for of_one in known()["seen"].values() for name in of_one} | set(known()["unseen"])
    unknown = {(panel, name) for panel, text in expressions(read(file)) for name in names(text) - there}
    assert unknown == set()


def test_no_name_is_known_that_no_dashboard_uses():
    used = {name for file in DASHBOARDS for _, text in expressions(read(file)) for name in names(text)}
    assert {name for of_one in known()["seen"].values() for name in of_one} | set(known()["unseen"]) == used


def test_a_name_that_no_run_shows_is_one_of_a_release_that_is_known():
    spelled = {
        f"{name}{suffix}"
        for metric in vars(metrics).values()
        if isinstance(metric, metrics.Metric)
        for name in metric.names
        for suffix in ("", "_bucket", "_count")
    }
    assert set(known()["unseen"]) <= spelled


@pytest.mark.parametrize("spelled", ["ratify_verification_request", "ratify_mutation_request"])
def test_both_spellings_of_ratify_are_asked_for_together(spelled: str):
    for file in DASHBOARDS:
        for panel, text in expressions(read(file)):
            found = {name.replace("_millisecond", "") for name in names(text) if name.startswith(spelled)}
            both = {name for name in names(text) if name.startswith(spelled)}
            assert len(both) == 2 * len(found), panel


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_can_be_imported(file: Path):
    """Grafana: a dashboard of a file has a uid, no id, and panels that do not lie on one another."""
    dashboard = read(file)
    assert dashboard["uid"] == f"ratify-perf-{file.stem}" and "id" not in dashboard and dashboard["schemaVersion"] > 30
    (variable,) = dashboard["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert all(source["uid"] == "${datasource}" for source in _sources(dashboard))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    places = [
        (at["x"] + x, at["y"] + y)
        for at in (p["gridPos"] for p in dashboard["panels"])
        for x in range(at["w"])
        for y in range(at["h"])
    ]
    assert len(set(places)) == len(places) and max(x for x, _ in places) < 24
    assert all(panel["title"] and panel["description"] for panel in dashboard["panels"])


def _sources(dashboard: dict[str, Any]) -> list[dict[str, str]]:
    panels = dashboard["panels"]
    return [panel["datasource"] for panel in panels] + [t["datasource"] for panel in panels for t in panel["targets"]]

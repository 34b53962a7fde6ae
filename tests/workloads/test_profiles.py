"""Metric and alert profiles: kube-burner's format as it is, ours beside it, and what is refused with file and entry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from workloads.errors import UsageError
from workloads.profiles import Alert, Metric, described, quantile_of, read, rendered
from workloads.ratify import metrics

EXAMPLE = Path(__file__).parents[2] / "profiles" / "ratify.yaml"
KUBE_BURNER = """
- query: sum(irate(node_cpu_seconds_total{mode!="idle"}[2m])) by (instance) > 0
  metricName: 99thNodeCPU-Masters
- query: max_over_time(process_resident_memory_bytes[{{ .elapsed }}:])
  metricName: maxMemory
  instant: true
  captureStart: true
"""
ALERTS = """
- expr: avg_over_time(histogram_quantile(0.99, rate(etcd_fsync_seconds_bucket[2m]))[{{.elapsed}}:]) > 0.01
  description: avg. 99th fsync latency on {{$labels.pod}} higher than 10ms. {{$value}}s
  severity: warning
- expr: up == 0
  severity: critical
"""


def parsed(text: str, environment: dict[str, str] | None = None) -> Any:
    return read({"some.yaml": yaml.safe_load(text)}, environment or {})


def test_kube_burners_profiles_are_taken_as_they_are() -> None:
    found = read({"metrics.yaml": yaml.safe_load(KUBE_BURNER), "alerts.yaml": yaml.safe_load(ALERTS)}, {})
    assert [(each.name, each.instant, each.capture_start) for each in found.metrics] == [
        ("99thNodeCPU-Masters", False, False),
        ("maxMemory", True, True),
    ]
    assert rendered(found.metrics[1].query, 89.7) == "max_over_time(process_resident_memory_bytes[90s:])"
    assert rendered(found.metrics[1].query, 0.2) == "max_over_time(process_resident_memory_bytes[1s:])"
    assert [each.severity for each in found.alerts] == ["warning", "critical"]
    assert found.alerts[1] == Alert("up == 0", "up == 0", "critical")
    said = described(found.alerts[0].description, 0.0123456, {"pod": "etcd-0"})
    assert said == "avg. 99th fsync latency on etcd-0 higher than 10ms. 0.012s"


def test_ours_have_unit_direction_and_threshold() -> None:
    text = "[{query: x, metricName: a, unit: ms, direction: lower, threshold: '<= 0.5'}]"
    assert parsed(text).metrics == (Metric("a", "x", unit="ms", direction="lower", threshold="<= 0.5"),)


def test_queries_of_one_name_are_one_metric_and_the_same_entry_twice_is_one() -> None:
    text = "[{query: x, metricName: a}, {query: y, metricName: a}, {query: x, metricName: a}]"
    assert [each.query for each in parsed(text).metrics] == ["x", "y"]


def test_variables_of_the_environment_are_filled_in() -> None:
    text = "[{query: 'x{namespace=\"{{.NAMESPACE}}\"}', metricName: a}]"
    assert parsed(text, {"NAMESPACE": "perf"}).metrics[0].query == 'x{namespace="perf"}'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "some.yaml is no profile: a profile is a list"),
        ("[]", "some.yaml is no profile"),
        ("[x]", "some.yaml, entry 1: 'x' is no entry"),
        ("[{query: x, metricName: a}, {query: x}]", "some.yaml, entry 2: metricName is not there"),
        ("[{metricName: a}]", "entry 1: query is not there"),
        ("[{query: '', metricName: a}]", "query has to be text"),
        ("[{query: x, metricName: a.b}]", "without blanks, dots and slashes"),
        ("[{query: x, metricName: a, instant: maybe}]", "instant of a has to be true or false"),
        ("[{query: x, metricName: a, captureStart: true}]", "captureStart of a is for an instant query"),
        ("[{query: x, metricName: a, direction: up}]", "direction of a has to be lower, higher or none"),
        ("[{query: x, metricName: a, threshold: good}]", "threshold of a: 'good' is not an operator"),
        ("[{query: x, metricName: a, units: ms}]", "units is no key of it"),
        ("[{query: 'x[{{.NOWHERE}}]', metricName: a}]", "is not set: it is a variable of the environment"),
        ("[{query: '{{if .x}}y{{end}}', metricName: a}]", "of which only variables"),
        ("[{query: x, metricName: a}, {query: y, metricName: a, unit: ms}]", "entry 2: a is there already"),
        ("[{expr: x}]", "severity is not there"),
        ("[{expr: x, severity: bad}]", "severity has to be one of info, warning, error, critical"),
        ("[{expr: x, severity: info, description: '{{humanize $value}}'}]", "of which only {{$value}}"),
    ],
)
def test_what_is_malformed_is_refused_with_file_and_entry(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(text)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_quantile_of_a_query_and_its_buckets() -> None:
    inner = 'sum by (le) (rate(x_bucket{a=")"}[5m]))'
    assert quantile_of(f"histogram_quantile(0.95, {inner})") == (0.95, inner)
    assert quantile_of("histogram_quantile(0.5, a) + histogram_quantile(0.5, b)") is None
    assert quantile_of("max(histogram_quantile(0.5, a))") is None
    assert quantile_of("histogram_quantile(1.5, a)") is None
    assert quantile_of("histogram_quantile(0.1.2, a)") is None


def test_the_example_asks_for_names_that_the_components_have() -> None:
    """In both spellings where there are two; the run with a Prometheus shows that the pages of today have them."""
    profile = read({EXAMPLE.name: yaml.safe_load(EXAMPLE.read_text())}, {})
    known = [
        f"{name}{end}"
        for each in vars(metrics).values()
        if isinstance(each, metrics.Metric)
        for name in each.names
        for end in ("", "_bucket", "_count", "_sum")
    ]
    known += ["up", *metrics.CPU_SECONDS, *metrics.RESIDENT_BYTES]
    queries = [each.query for each in profile.metrics] + [each.expr for each in profile.alerts]
    patterns = [word for query in queries for word in re.findall(r'__name__=~"([^"]+)"', query)]
    names = {word for query in queries for word in re.findall(r"\b[a-z]+(?:_[a-z]+){2,}\b", query.split("__name__")[0])}
    assert names and names <= set(known) | {"histogram_quantile"}
    for pattern in patterns:
        assert len([name for name in known if re.fullmatch(pattern, name)]) == 2, pattern

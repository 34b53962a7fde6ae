from __future__ import annotations

from math import inf, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.expositions import Sample, canonical_labels, parse, parse_labels
from workloads.errors import CollectError

PAGE = b"""# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{code="400",method="post",} 3

msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9
metric_without_labels 12.47
metric_with_brace{path="a}b{c # d"} -Inf
empty{} NaN
http_request_duration_seconds_bucket{le="+Inf"} 144320 # {trace_id="abc"} 0.67
"""


def test_a_page_of_the_format():
    samples = list(parse(PAGE))
    assert samples[0] == Sample("http_requests_total", 'code="200",method="post"', 1027.0)
    assert samples[1] == Sample("http_requests_total", 'code="400",method="post"', 3.0)
    assert parse_labels(samples[2].labels) == {"path": "C:\\DIR\\FILE.TXT", "error": 'Cannot find file:\n"FILE.TXT"'}
    assert samples[3] == Sample("metric_without_labels", "", 12.47)
    assert samples[4] == Sample("metric_with_brace", 'path="a}b{c # d"', -inf)
    assert isnan(samples[5].value)
    assert samples[6] == Sample("http_request_duration_seconds_bucket", 'le="+Inf"', 144320.0)


def test_only_kept_families_are_read():
    kept = list(parse(PAGE + b"not a metric line at all\n", keep=["metric_"]))
    assert [one.metric for one in kept] == ["metric_without_labels", "metric_with_brace"]


@pytest.mark.parametrize(
    "line",
    [
        b"metric",
        b"metric abc",
        b"metric1.5",
        b'metric{a="b" 1',
        b'metric{a="b",a="c"} 1',
        b"metric{a=b} 1",
        b'metric{a="\xff"} 1',
        b"metric 1e5-3",
        b"metric 1_000",
        b"<html>",
    ],
)
def test_a_line_that_is_not_in_the_format_is_refused_with_its_number(line):
    with pytest.raises(CollectError, match="Line 2 of the metrics of ratify-0 is not in the Prometheus text format"):
        list(parse(b"ok 1\n" + line + b"\n", target="ratify-0"))


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), st.text(max_size=8), max_size=4))
def test_labels_survive_the_canonical_form_and_the_wire(labels):
    text = canonical_labels(labels)
    assert parse_labels(text) == labels
    (sample,) = parse(f"m{{{text}}} 1".encode()) if "\n" not in text else [Sample("m", text, 1)]
    assert sample.labels == text

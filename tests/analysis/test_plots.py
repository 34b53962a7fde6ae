"""What the plots show, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from analysis.drawing.charts import Axis, Chart, Curve
from analysis.drawing.scales import Scale, spanning
from analysis.drawing.svg import svg
from analysis.histograms import Histogram
from analysis.plots.every import plots
from analysis.plots.latencies import cumulative, ecdf
from analysis.plots.pods import asked
from analysis.records import read
from analysis.summary import figures
from tests.analysis.runs import known_run, pod, process, sample, write_lines, write_metrics


def request(name: str, intended: float | None):
    return {"object": name, "intended": intended, "sent": 0.0, "answered": 0.0, "status": "created", "message": None}


def plot_of(folder, name):
    records = read(folder)
    (found,) = (one for one in plots(records, figures(records)) if one.name == name)
    return found


def test_the_plan_is_the_pods_of_each_object_at_the_instant_that_the_schedule_gave_it():
    pods = [
        pod("a", 1.0, 2.0, "ready"),
        pod("b", 1.0, 2.0, "ready"),
        {**pod("c", 1.0, 2.0, "ready"), "workload": "job/y"},
    ]
    requests = [request("job/perf/y", 7.0), request("deployment/perf/x", 5.0), request("configmap/perf/z", 6.0)]
    assert asked(requests, pods) == [(5.0, 2.0), (6.0, 2.0), (7.0, 3.0)]
    assert asked([request("configmap/perf/z", 6.0), request("job/perf/y", None)], pods) == []


def test_the_plan_is_drawn_or_the_plot_says_why_not(tmp_path):
    folder = known_run(tmp_path / "run-1")
    assert "The plan is not drawn: no pod belongs to an object" in plot_of(folder, "pods").text
    write_lines(folder / "requests.jsonl", [request("deployment/perf/x", 1000.0)])
    shown = plot_of(folder, "pods")
    assert shown.chart is not None and shown.chart.curves[0].name == "asked for"
    assert shown.chart.curves[0].points[1] == (0.0, 4.0)
    (folder / "requests.jsonl").unlink()
    assert "The plan is not drawn: requests.jsonl is not there." in plot_of(folder, "pods").text


def test_a_histogram_is_known_at_its_bounds_and_not_beyond_the_last():
    assert cumulative(Histogram((0.01, 0.1, 1.0, inf), (0.0, 3.0, 0.0, 1.0))) == [(0.01, 0.0), (0.1, 75.0), (1.0, 75.0)]
    assert ecdf([0.0, 0.2]) == [(1e-4, 0.0), (1e-4, 50.0), (0.2, 100.0)]


def test_token_buckets_that_were_drawn_upon_are_drawn(tmp_path):
    folder = known_run(tmp_path / "run-1")
    levels = {999.0: 100, 1005.0: 25, 1011.0: 50}
    write_metrics(
        folder,
        [
            (
                time,
                "registry-eastus2",
                [
                    *process(900, 1, 1e6),
                    sample("registry_bucket_tokens", left, category="read"),
                    sample("registry_identity_bucket_tokens", 9, identity="pull", category="read"),
                ],
            )
            for time, left in levels.items()
        ],
    )
    shown = plot_of(folder, "tokens")
    assert shown.rows == [["eastus2: registry read", "100", "25"]]
    assert shown.chart is not None
    assert shown.chart.curves[0].points == [(-1.0, 100.0), (5.0, 25.0), (11.0, 50.0)]


def test_heat_counts_the_requests_of_each_bucket_and_interval(tmp_path):
    shown = plot_of(known_run(tmp_path / "run-1"), "heat")
    assert shown.chart is not None
    assert [(cell.left, cell.right, cell.share) for cell in shown.chart.cells] == [(1.0, 3.0, 1.0), (1.0, 3.0, 0.25)]
    assert shown.head == ("Until", "0–10 ms", "10–100 ms")
    assert ["3.0 s", "8", "2"] in shown.rows


def test_a_run_without_metrics_has_every_plot_with_its_reason(tmp_path):
    folder = known_run(tmp_path / "run-1")
    (folder / "metrics.parquet").unlink()
    records = read(folder)
    made = {one.name: one for one in plots(records, figures(records))}
    assert made["pods"].chart and made["distribution"].chart
    for name in ("latency", "heat", "caching", "answers", "tokens", "memory", "cpu"):
        assert made[name].chart is None
        assert "metrics.parquet is not there" in made[name].text


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (Scale(0, 10, 0, 100), [0, 2, 4, 6, 8, 10]),
        (Scale(0, 0.45, 0, 100), [0, 0.1, 0.2, 0.3, 0.4]),
        (Scale(0.001, 1, 0, 100, log=True), [0.001, 0.01, 0.1, 1]),
    ],
)
def test_ticks_are_round_and_inside(scale, ticks):
    assert scale.ticks() == pytest.approx(ticks)


def test_scales_place_by_the_logarithm_and_never_beyond_their_ends():
    scale = spanning(0.01, 100, 0, 400, log=True)
    assert [scale.place(value) for value in (0, 0.01, 1, 1000)] == pytest.approx([0, 0, 200, 400])
    assert spanning(5, 5, 0, 10).place(5) == 0


def test_a_gap_is_not_drawn_over_and_names_are_escaped():
    curve = Curve("<b>", "ready", [(0, 0.0), (1, None), (2, 4.0), (4, 4.0)])
    drawn = svg(Chart(Axis("<x>"), Axis("y"), [curve]), "n", '"quoted"')
    (path,) = (part for part in drawn.split("<path") if 'class="line"' in part)
    assert path.count("M") == 2 and path.count("L") == 1
    assert "<x>" not in drawn and 'aria-label="&quot;quoted&quot;"' in drawn
    stepped = svg(Chart(Axis("x"), Axis("y"), [replace(curve, step=True)]), "n", "")
    assert "H" in next(part for part in stepped.split("<path") if 'class="line"' in part)

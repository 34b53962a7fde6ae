from __future__ import annotations

import re
from functools import partial

import orjson
import pytest

from analysis.report import REPORT
from analysis.results import analyse
from tests.analysis import browser
from tests.analysis.browser import Nesting
from tests.analysis.pictures import colors
from tests.analysis.runs import known_run, with_settings, write_run

MAX_BYTES = 500_000
PLOTS = ("pods", "distribution", "latency", "heat", "caching", "answers", "memory", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = known_run(
        tmp_path_factory.mktemp("runs") / "run-1", settings=with_settings(thresholds={"pods.denied": "<= 0"})
    )
    (folder / "logs").mkdir()
    (folder / "logs" / "ratify 0.log").write_text("verified\n")
    analyse(folder)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return (folder / REPORT).read_text()


def test_the_page_says_what_failed_and_why(page):
    assert "2 of 4 pods became Ready; its threshold is broken." in page
    assert "pods.denied is 1, and has to be &lt;= 0." in page
    assert "admission webhook denied the request" in page
    assert "ratify exported no ratify_mutation_request" in page


def test_the_page_is_whole_and_not_too_large(page):
    assert len(page.encode()) <= MAX_BYTES
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r'(src|href)="(https?:)?//', outside)
    assert "default-src 'none'" in page


def test_the_page_links_the_raw_files(page):
    assert 'href="logs/ratify%200.log"' in page
    assert 'href="metrics.parquet"' in page


def test_every_plot_has_a_sentence_and_a_table(page):
    for name in PLOTS:
        figure = re.search(rf'<figure id="{name}">.*?</figure>', page, re.S)
        assert figure is not None
        assert re.search(r'role="img" tabindex="0" data-x="[^"]+" aria-label=', figure[0])
        assert "<table>" in figure[0]


def test_plots_show_what_was_recorded(page):
    found = re.search(r'<script id="plots" type="application/json">(.*?)</script>', page, re.S)
    assert found is not None
    drawn = {
        name: {curve["name"]: (curve["x"], curve["y"]) for curve in plot["curves"]}
        for name, plot in orjson.loads(found[1]).items()
    }
    assert drawn["pods"]["created"] == ([0, 0.5, 1.0, 2.0, 10.0], [0, 1, 2, 3, 3])
    assert drawn["pods"]["ready"] == ([0, 2.5, 5.0, 10.0], [0, 1, 2, 2])
    assert drawn["pods"]["refused"] == ([0, 1.0, 2.0, 10.0], [0, 1, 3, 3])
    assert drawn["distribution"]["startup"] == ([2.0, 2.0, 4.0], [0, 50, 100])
    assert drawn["distribution"]["verification"] == ([0.01, 0.1], [80, 100])
    assert drawn["latency"] == {"p50": ([3.0], [6.25]), "p95": ([3.0], [77.5])}
    assert drawn["caching"]["verification requests"][1][-1] == 10
    assert {name: max(y) for name, (_, y) in drawn["answers"].items()} == {"200": 15, "401": 2, "429": 1.5}
    memory = {name: max(y) for name, (_, y) in drawn["memory"].items()}
    assert memory == {"ratify": 90, "gatekeeper": 80, "registry": 60, "kube-apiserver": 1000}


def test_a_plot_without_data_says_why(page):
    figure = re.search(r'<figure id="tokens">.*?</figure>', page, re.S)
    assert figure is not None
    assert "There is nothing to draw: The registry tells nobody what is left in its buckets" in figure[0]
    assert "<svg" not in figure[0]
    assert "Without mutation: ratify exported no ratify_mutation_request" in page


def test_the_page_has_a_switch_of_themes_a_way_past_the_header_and_a_print_style(page):
    assert 'class="skip" href="#figures"' in page
    assert '<button type="button" id="theme"' in page
    assert "@media print" in page
    assert page.count('tabindex="0" data-x=') == len(PLOTS)


def test_what_components_say_cannot_become_markup(tmp_path):
    folder = tmp_path / "run-1"
    write_run(folder, error={"phase": "up", "message": "<script>alert(1)</script>"}, window=None)
    analyse(folder)
    assert "<script>alert" not in (folder / REPORT).read_text()


def test_the_page_is_well_nested(page):
    parser = Nesting()
    parser.feed(re.sub(r"<script>.*?</script>", "", page, flags=re.S))
    assert parser.stack == []


@pytest.fixture
def chromium(folder, tmp_path):
    return partial(browser.chromium, folder / REPORT, tmp_path / "profile")


@pytest.mark.real
def test_a_browser_draws_every_plot_without_a_network(chromium):
    dom = chromium("--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND")
    assert "2 of 4 pods became Ready" in dom
    for name in PLOTS:
        assert re.search(rf'<svg class="plot" id="plot-{name}".*?(class="line|class="dots|class="heat)', dom, re.S), (
            name
        )
    assert dom.count('class="cursor"') == len(PLOTS) - 1  # the script read every plot with curves
    assert 'data-theme="auto"' in dom


@pytest.mark.real
@pytest.mark.parametrize(
    ("theme", "paper", "ready", "verdict"),
    [
        ("1", (255, 255, 255), (0x14, 0x80, 0x4A), (0xB3, 0x26, 0x1E)),
        ("0", (0x14, 0x17, 0x1A), (0x4C, 0xC3, 0x8A), (0xFF, 0x8A, 0x80)),
    ],
    ids=["light", "dark"],
)
def test_the_screenshot_shows_verdict_and_curves_in_both_themes(chromium, tmp_path, theme, paper, ready, verdict):
    picture = tmp_path / "report.png"
    chromium(f"--screenshot={picture}", "--window-size=1000,1300", f"--blink-settings=preferredColorScheme={theme}")
    seen = colors(picture)
    assert seen.most_common(1)[0][0] == paper
    assert seen[ready] > 300  # the line of ready pods
    assert seen[verdict] > 1000  # the rule above the verdict
    assert len(seen) > 100  # text and curves have soft edges


def test_a_report_that_is_written_while_the_run_goes_on(tmp_path):
    folder = tmp_path / "run-1"
    phases = [{"name": "up", "started": 1.0, "finished": 3.5, "ok": True}]
    phases.append({"name": "collect", "started": 4.0, "finished": None, "ok": None})
    write_run(folder, phases=phases, finished_at=None, versions={"ratify": "v1.4.6", "kwok": None})
    analyse(folder)
    page = (folder / REPORT).read_text()
    assert "<dt>up</dt><dd>2.5 s</dd>" in page
    assert "<dt>collect (under way)</dt><dd>–</dd>" in page
    assert "<dt>kwok</dt><dd>–</dd>" in page

"""The page of a comparison, from the folders of small runs whose every figure is known."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from analysis.comparing import Comparison, Row, compare
from analysis.comparison_page import page, sentence
from analysis.plots.overlays import OVERLAYS, TOGETHER
from analysis.results import analyse
from tests.analysis import browser
from tests.analysis.pictures import colors
from tests.analysis.runs import known_run, pod, with_settings, write_lines

NAMES = [overlay.name for overlay in OVERLAYS]
MEAN = "ratify.verification_seconds.mean"


def row(metric: str, verdict: Any, reason: str, **more: Any) -> Row:
    empty: dict[str, Any] = {"judged": True, **dict.fromkeys(("base", "new", "change", "interval", "p_value"))}
    return Row(metric=metric, unit="", direction="lower", verdict=verdict, reason=reason, **{**empty, **more})


def sides(folder: Path, *counts: int) -> list[list[Path]]:
    """The folders of equal runs, so many of each side."""
    first = known_run(folder / "base-0")
    analyse(first)
    found = []
    for side, count in zip(("base", "new"), counts, strict=True):
        found.append([folder / f"{side}-{number}" for number in range(count)])
        for each in found[-1]:
            if each != first:
                shutil.copytree(first, each)
    return found


def compared(base: list[Path], new: list[Path]) -> str:
    return page(compare(base, new, {}, force=True), base, new)


def drawn(text: str) -> dict[str, Any]:
    found = re.search(r'<script id="plots" type="application/json">(.*?)</script>', text, re.S)
    assert found is not None
    plots: dict[str, Any] = orjson.loads(found[1])
    return plots


def figure(text: str, name: str) -> str:
    found = re.search(rf'<figure id="{name}">.*?</figure>', text, re.S)
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """One run on each side; the new one with four more pods denied, another version and other settings."""
    base, new = sides(tmp_path_factory.mktemp("runs"), 1, 1)
    pods = [pod(None, None, None, "denied", "no signature", cause="unsigned") for _ in range(4)]
    pods += [pod("a", 1000.5, 1003.5, "ready"), pod("b", 1001.0, 1009.0, "ready")]
    known_run(new[0], versions={"ratify": "v1.5.0"}, settings=with_settings(ratify={"cache": True}))
    write_lines(new[0] / "pods.jsonl", pods)
    analyse(new[0])
    return [base, new]


@pytest.fixture(scope="module")
def text(folders: list[list[Path]]) -> str:
    return compared(*folders)


def test_the_page_says_first_what_is_worse_and_what_cannot_be_told(text: str) -> None:
    heading = re.search(r"<h1.*?</h1>", text, re.S)
    assert heading is not None
    assert (
        '<span class="verdict">Worse</span> Pods denied (from 1 to 4) and pods wrongly denied (from 1 to 4) are worse'
        in heading[0]
    )
    assert "; pods failed (from 1 to 0) is better; " in heading[0]
    assert "cannot be told (1 and 1 runs are too few to tell a change from chance: take 5 on each side)" in heading[0]


def test_the_page_says_what_differs_between_the_sides(text: str) -> None:
    table = text[text.index("What differs between the sides") : text.index(">Figures</h2>")]
    assert re.search(r"versions\.ratify</code>.*v1\.4\.6.*v1\.5\.0", table)
    assert re.search(r"settings\.ratify\.cache</code></th><td class=.reason.>off</td><td class=.reason.>on</td>", table)


def test_the_header_warns_of_other_scenarios_and_leaves_the_rest_to_the_tables(text: str) -> None:
    header = text[text.index("<header") : text.index("</header>")]
    (warning,) = re.findall(r"<li>(.*?)</li>", header)
    assert warning.startswith("The runs differ in caches.gatekeeper_response_seconds, caches.ratify, ")


def test_worse_figures_come_first_and_those_that_are_not_judged_last(text: str) -> None:
    kinds = re.findall(r'<td><span class="(broken|ok|alike|untold)">', text)
    assert kinds == sorted(kinds, key=["broken", "ok", "untold", "alike"].index)
    assert {"broken", "ok", "untold", "alike"} == set(kinds)
    assert text.index("Figures that are shown, and not judged") > text.index('<figure id="gatekeeper-cpu">')


def test_every_plot_lays_the_sides_over_each_other_in_colour_and_dash(text: str) -> None:
    for name in NAMES:
        one = figure(text, name)
        assert len(re.findall(r'<path class="line" style="--c:var\(--c-base\)"', one)) == 1
        assert len(re.findall(r'<path class="line dashed" style="--c:var\(--c-new\)"', one)) == 1
        assert re.search(r'role="img" tabindex="0" data-x="[^"]+" aria-label=', one)
        assert one.count('<th scope="row">') == 2


def test_plots_show_what_was_recorded(text: str) -> None:
    shown = {name: {one["name"]: (one["x"], one["y"]) for one in plot["curves"]} for name, plot in drawn(text).items()}
    assert set(shown) == set(NAMES)
    assert shown["ready"] == {"base": ([0, 2.5, 5.0, 10.0], [0, 1, 2, 2]), "new": ([0, 3.5, 9.0, 10.0], [0, 1, 2, 2])}
    assert shown["startup"]["new"] == ([3.0, 3.0, 8.0], [0, 50, 100])
    assert shown["verification"]["base"] == ([0.01, 0.1], [80, 100])
    assert shown["latency"]["base"] == ([3.0], [77.5])
    assert max(shown["ratify-memory"]["base"][1]) == 90


def test_the_table_of_a_plot_has_the_figures_of_the_summaries(text: str) -> None:
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", figure(text, "startup").partition("<tbody>")[2])
    assert cells == ["base", "2", "2 s", "4 s", "4 s", "4 s", "new", "2", "3 s", "8 s", "8 s", "8 s"]


def test_ten_runs_on_each_side_are_thin_and_few_points_and_in_the_legend_by_side(tmp_path: Path) -> None:
    base, new = sides(tmp_path, 10, 10)
    pods = [{**pod(f"p{n}", 1000 + n / 200, 1001 + n / 200, "ready")} for n in range(1000)]
    for each in (*base, *new):
        write_lines(each / "pods.jsonl", pods)
    text = compared(base, new)
    ready = figure(text, "ready")
    assert ready.count('class="line thin"') == ready.count('class="line dashed thin"') == 10
    legend = re.search(r'<ul class="legend".*?</ul>', ready, re.S)
    assert legend is not None and legend[0].count("<li") == 2
    assert "<title>new 10: new-9</title>" in ready
    assert sum(len(one["x"]) for one in drawn(text)["ready"]["curves"]) <= TOGETHER * 1.1
    assert len(text.encode()) < 1_000_000


def test_a_run_without_metrics_is_named_with_the_reason(tmp_path: Path) -> None:
    base, new = sides(tmp_path, 2, 2)
    for each in new:
        (each / "metrics.parquet").unlink()
    memory = figure(compared(base, new), "ratify-memory")
    assert "Without new 1, new 2: metrics.parquet is not there: no metrics were collected." in memory
    assert memory.count('class="line thin"') == 2


def test_a_plot_that_no_run_has_anything_for_says_why(tmp_path: Path) -> None:
    base, new = sides(tmp_path, 1, 1)
    for each in (*base, *new):
        (each / "metrics.parquet").unlink()
    text = compared(base, new)
    for name in NAMES[2:]:
        assert "There is nothing to draw: metrics.parquet is not there" in figure(text, name)
        assert "<svg" not in figure(text, name)
    assert "<svg" in figure(text, "ready")


def test_what_runs_say_cannot_become_markup(tmp_path: Path) -> None:
    base, new = sides(tmp_path, 1, 1)
    evil = "</script><script>alert(1)</script>\x1b\x07"
    named = tmp_path / "<img src=x onerror=alert(1)>"
    known_run(named, stack=evil, versions={evil: evil}, settings=with_settings(ratify={evil: evil}))
    analyse(named)
    (named / "metrics.parquet").unlink()
    text = compared(base, [named])
    assert "<script>alert" not in text and "<img" not in text
    assert "\x1b" not in text and "\x07" not in text
    assert len(re.findall(r"<script\b", text)) == 2


def test_the_page_is_whole_and_well_nested(text: str) -> None:
    outside = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r'(src|href)="(?!#)', outside)
    assert "default-src 'none'" in text
    parser = browser.Nesting()
    parser.feed(outside)
    assert parser.stack == []
    ids = re.findall(r'\bid="([^"]+)"', outside)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("rows", "word", "said"),
    [
        (
            [row(MEAN, "worse", "", base=0.1, new=0.112, change=0.12, interval=(0.1, 0.14))],
            "worse",
            "Ratify verification mean (+12.0%) is worse.",
        ),
        ([row("pods.denied", "better", "", base=3.0, new=0.0)], "better", "Pods denied (from 3 to 0) is better."),
        ([row("pods.denied", "same", "")], "same", "No figure is worse or better."),
        (
            [row("pods.denied", "same", ""), row(MEAN, "unknown", "+2.0%, which may be chance.", change=0.02)],
            "unknown",
            "No figure is known to be worse or better; Ratify verification mean cannot be told (may be chance).",
        ),
        (
            [row(f"pods.{name}", "worse", "", base=0.0, new=1.0) for name in ("denied", "failed")],
            "worse",
            "Pods denied (from 0 to 1) and pods failed (from 0 to 1) are worse.",
        ),
        ([row("ratify.timeouts", "unknown", "shown", judged=False)], "unknown", "No figure is judged."),
        ([row("load.phases.0.failed", "unknown", "listed", judged=False)], "unknown", "No figure is judged."),
    ],
)
def test_the_sentence(rows: list[Row], word: str, said: str) -> None:
    assert sentence(Comparison(tuple(rows), ())) == (word, said)


@pytest.fixture
def opened(text: str, tmp_path: Path) -> Any:
    """Chromium on the page, in which the first plot has been walked through by the keyboard."""
    walked = """<script>
      const first = document.querySelector("svg.plot");
      for (const key of ["End", "ArrowLeft"]) first.dispatchEvent(new KeyboardEvent("keydown", { key }));
    </script>"""
    (tmp_path / "page.html").write_text(text.replace("</body>", f"{walked}</body>"))
    return partial(browser.chromium, tmp_path / "page.html", tmp_path / "profile")


@pytest.mark.real
def test_a_browser_draws_every_plot_and_reads_it_out_by_the_keyboard(opened: Any) -> None:
    dom = opened("--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND")
    assert dom.count('class="cursor"') == len(NAMES)
    assert "At 9 s: base 2 · new 2 (pods)</output>" in dom
    assert 'data-theme="auto"' in dom


@pytest.mark.real
@pytest.mark.parametrize(
    ("theme", "paper", "base", "new"),
    [
        ("1", (255, 255, 255), (0x1F, 0x6F, 0xD1), (0xB9, 0x6A, 0x00)),
        ("0", (0x14, 0x17, 0x1A), (0x6C, 0xAB, 0xF7), (0xE8, 0xA3, 0x3D)),
    ],
    ids=["light", "dark"],
)
def test_the_screenshot_shows_both_sides_in_both_themes(
    opened: Any, tmp_path: Path, theme: str, paper: Any, base: Any, new: Any
) -> None:
    picture = tmp_path / "page.png"
    opened(f"--screenshot={picture}", "--window-size=1000,1900", f"--blink-settings=preferredColorScheme={theme}")
    seen = colors(picture)
    assert seen.most_common(1)[0][0] == paper
    assert seen[base] > 30
    assert seen[new] > 30


def test_summaries_that_lack_figures_leave_cells_empty(tmp_path: Path) -> None:
    base, new = sides(tmp_path, 1, 1)
    file = new[0] / "summary.json"
    summary = json.loads(file.read_text())
    summary["pods"], summary["pod_startup_seconds"], summary["gatekeeper"] = {}, None, {"memory_bytes": {"peak": "x"}}
    del summary["platform"]
    file.write_text(json.dumps(summary))
    cells = re.findall(r"<td class=.n.>([^<]*)</td>", figure(compared(base, new), "ready"))
    assert cells == ["2", "4", "–", "–", "–", "–"]

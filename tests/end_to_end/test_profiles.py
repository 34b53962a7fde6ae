"""Metric profiles asked of the real Prometheus beside a local stack, and what a run says that lost it on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from infra.local import tools
from infra.local.running import records
from tests.end_to_end.conftest import Place

pytestmark = pytest.mark.real
WORDS = ("run", "--stack", "local-smoke", "--set", "monitoring.prometheus=on", "--profile", "profiles/ratify.yaml")
SLOWLY = ("--set", "load.mode=created", "--set", "load.rate=1", "--set", "scenario.shards=5")
PAUSE_SECONDS = 7


@pytest.fixture(autouse=True)
def built() -> None:
    if lacking := tools.missing([tools.TOOLS["prometheus"]]):
        pytest.skip(f"{lacking[0].name} is not built; scripts/test builds it")


def test_every_metric_of_the_example_is_on_the_pages_of_the_real_components(place: Place) -> None:
    done = place.csscgen(*WORDS, *SLOWLY)

    assert done.returncode == 0, done.stderr
    summary = place.summary()
    metrics = summary["profile"]["metrics"]
    assert [name for name, metric in metrics.items() if metric["value"] is None] == []
    assert all(metrics[name]["error"] > 0 for name in metrics if name.endswith("_p95"))
    # increase() extrapolates to the whole span, by less than a scrape at each end.
    assert metrics["verifications"]["value"] == pytest.approx(summary["ratify"]["verification_requests"], rel=0.5)
    assert metrics["ratify_memory"]["peak"] == pytest.approx(summary["ratify"]["memory_bytes"]["peak"], rel=0.2)
    assert (summary["profile"]["alerts"], summary["profile"]["warnings"]) == ([], [])
    assert place.leftovers() == []


def test_a_time_in_which_prometheus_was_paused_is_told(place: Place) -> None:
    run = place.start(*WORDS, *SLOWLY, "--set", "load.rate=0.5")
    prometheus = _prometheus_under_load(place, run)
    os.kill(prometheus, signal.SIGSTOP)
    time.sleep(PAUSE_SECONDS)
    os.kill(prometheus, signal.SIGCONT)
    output, _ = run.communicate(timeout=120)

    assert run.returncode == 0, output
    (warning,) = place.summary()["profile"]["warnings"]
    assert warning.startswith("Prometheus scraped nothing between ")
    assert place.leftovers() == []


def test_a_run_whose_prometheus_is_killed_says_so_and_no_figure_is_zero(place: Place) -> None:
    run = place.start(*WORDS, *SLOWLY)
    os.kill(_prometheus_under_load(place, run), signal.SIGKILL)
    output, _ = run.communicate(timeout=120)

    assert run.returncode == 1, output
    summary = place.summary()
    assert "prometheus" in summary["error"]["message"]
    for name, metric in summary["profile"]["metrics"].items():
        assert metric["value"] is None, name
        assert "did not answer" in summary["missing"][f"profile.metrics.{name}.value"]
    assert [alert["value"] for alert in summary["profile"]["alerts"]] == [None, None]
    assert any("could not be judged" in reason for reason in summary["verdict_reasons"])
    assert answers(place.run_folder()) == {0}
    assert place.leftovers() == []


def answers(folder: Path) -> set[int]:
    """How many samples the queries had."""
    return {len(json.loads(line)["points"]) for line in (folder / "profile.jsonl").read_text().splitlines()}


def _prometheus_under_load(place: Place, run: subprocess.Popen[str]) -> int:
    """The pid of the run's Prometheus, when the first object was sent."""
    end = time.monotonic() + 120
    while not any(file.stat().st_size for file in (place.folder / "runs").glob("*/requests.jsonl")):
        assert time.monotonic() < end and run.poll() is None
        time.sleep(0.05)
    (found,) = [
        record for record in records(place.folder / "state" / "local-smoke" / "files") if record.name == "prometheus"
    ]
    return found.pid

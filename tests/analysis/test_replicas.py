"""Replicas that come and go while the load is running, and what their pods' status says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis import replicas
from analysis.components import Component
from analysis.samples import Samples, Window
from analysis.summary import summarize
from analysis.text import render
from tests.analysis.runs import Page, histogram, process, sample, with_settings, write_metrics, write_run
from workloads.errors import CollectError
from workloads.ratify.metrics import CAME, LEFT, RATIFY_REGISTRY_REQUESTS, RATIFY_VERIFICATION

WINDOW = Window(10.0, 20.0)
Scrapes = list[tuple[float, str, Page]]


def page(count: float, started: float = 0.0, cpu: float = 0.0) -> Page:
    done = {"100": count, "+Inf": count}
    requests = sample("ratify_registry_request_count_total", 10 * count, status_code="200")
    return [*histogram("ratify_verification_request", done, count), requests, *process(started, cpu, 50e6)]


def staying() -> Iterator[tuple[float, str, Page]]:
    """A replica that is there all the time and does one thing per scrape."""
    for index in range(7):
        yield 9.0 + 2 * index, "ratify-a", page(index, cpu=index)


def coming(mark: bool = True) -> Iterator[tuple[float, str, Page]]:
    """One that begins at 12 and has done 3 things before its first scrape."""
    if mark:
        yield 12.5, "ratify-b", [sample(CAME, 1)]
    for index in range(5):
        yield 13.0 + 2 * index, "ratify-b", page(3 + index, started=12.0, cpu=index)


def leaving(mark: bool = True) -> Iterator[tuple[float, str, Page]]:
    """One that is gone after 13; its last page has been asked for in vain."""
    for index in range(3):
        yield 9.0 + 2 * index, "ratify-c", page(5 + index, cpu=index)
    yield 15.0, "ratify-c", [sample("up", 0)]
    if mark:
        yield 15.5, "ratify-c", [sample(LEFT, 1)]


def component(folder: Path, *parts: Iterator[tuple[float, str, Page]]) -> Component:
    scrapes = sorted((one for part in parts for one in part), key=lambda one: one[0])
    write_metrics(folder, scrapes)
    return Component("ratify", Samples.read(folder / "metrics.parquet"), WINDOW)


def test_what_a_replica_that_came_late_had_counted_by_its_first_scrape_is_of_the_window(tmp_path: Path):
    ratify = component(tmp_path, staying(), coming())
    assert ratify.histogram(RATIFY_VERIFICATION).count == 6 + 7
    assert ratify.counter(RATIFY_REGISTRY_REQUESTS, "status_code") == {"200": 130}
    assert {name: one.count for name, one in ratify.by_replica(RATIFY_VERIFICATION).items()} == {
        "ratify-a": 6,
        "ratify-b": 7,
    }


def test_a_replica_that_left_counts_up_to_its_last_answer(tmp_path: Path):
    ratify = component(tmp_path, staying(), leaving())
    assert ratify.histogram(RATIFY_VERIFICATION).count == 6 + 2
    assert ratify.failed_scrapes() == {"ratify-c": 1}


def test_over_time_they_add_up_to_the_same(tmp_path: Path):
    ratify = component(tmp_path, staying(), coming(), leaving())
    assert sum(one.count for _, one in ratify.latencies(RATIFY_VERIFICATION)) == 6 + 7 + 2
    assert ratify.counter_over_time(RATIFY_REGISTRY_REQUESTS, "status_code")["200"][-1] == (21.0, 150.0)


def test_memory_is_that_of_the_replicas_that_are_there(tmp_path: Path):
    ratify = component(tmp_path, staying(), coming(), leaving())
    assert dict(ratify.memory()) == {9: 100e6, 11: 100e6, 13: 150e6, 15: 100e6, 17: 100e6, 19: 100e6, 21: 100e6}


def test_cpu_is_spread_over_the_window_and_not_over_a_short_life(tmp_path: Path):
    ratify = component(tmp_path, staying(), leaving())
    # 6 seconds in 12 of the one; 2 seconds of the other, in a window of 10.
    assert ratify.mean_cpu() == pytest.approx(6 / 12 + 2 / 10)
    assert max(cores for _, cores in ratify.cpu()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ((staying(), coming(mark=False)), "ratify-b was first scraped 3.0 s after the window's start"),
        ((staying(), leaving(mark=False)), "ratify-c was last scraped 7.0 s before the window's end"),
    ],
)
def test_without_a_mark_a_gap_is_a_gap(tmp_path: Path, parts, why: str):
    with pytest.raises(CollectError, match=why):
        component(tmp_path, *parts).histogram(RATIFY_VERIFICATION)


def test_who_left_before_the_window_or_came_after_it_is_not_in_it(tmp_path: Path):
    early = iter([(5.0, "ratify-x", page(9)), (6.0, "ratify-x", [sample(LEFT, 1)])])
    late = iter([(20.5, "ratify-y", [sample(CAME, 1)]), (21.0, "ratify-y", page(9))])
    ratify = component(tmp_path, staying(), early, late)
    assert ratify.histogram(RATIFY_VERIFICATION).count == 6
    assert max(value for _, value in ratify.memory()) == 50e6


def test_one_that_left_and_is_there_again_under_its_name_has_not_left(tmp_path: Path):
    again = iter([(time, "ratify-c", page(index, started=16.0)) for index, time in enumerate((17.0, 19.0, 21.0))])
    back = iter([(16.5, "ratify-c", [sample(CAME, 1)])])
    ratify = component(tmp_path, staying(), leaving(), back, again)
    assert ratify.histogram(RATIFY_VERIFICATION).count == 6 + 2 + 2
    assert ratify.restarts() == 1


def test_api_servers_that_take_turns_behind_one_address_are_not_added_up(tmp_path: Path):
    turns = [(9.0 + 2 * index, "kube-apiserver", process(100.0 * (index % 2), 1, 1)) for index in range(7)]
    write_metrics(tmp_path, turns)
    server = Component("kube-apiserver", Samples.read(tmp_path / "metrics.parquet"), WINDOW)
    with pytest.raises(CollectError, match="several processes behind one address"):
        server.restarts()


def line(pod: str, **changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "component": "ratify",
        "target": pod,
        "uid": pod,
        "pod": pod,
        "namespace": "n",
        "container": "ratify",
        "created": 1.0,
        "gone": None,
        "restarts": 0,
        "restarts_before": 0,
        "ends": [],
        "last_end": None,
    }
    return {**known, **changes}


def ended(reason: str | None) -> dict[str, Any]:
    return {"finished": 15.0, "code": 137, "reason": reason}


def test_restarts_are_those_of_containers_and_pods_that_were_replaced():
    pods = [line("a", restarts=2), line("b", gone=12.0), line("c")]
    assert replicas.restarts(pods) == 3


def test_ends_for_lack_of_memory_are_counted_if_every_end_was_seen():
    seen = [
        line("a", restarts=2, ends=[ended("OOMKilled"), ended("Error")]),
        line("b", gone=1.0, ends=[ended("Error")]),
    ]
    assert replicas.oom(seen) == 1
    with pytest.raises(CollectError, match="Of 3 restarts only 1 were seen with their reason"):
        replicas.oom([line("a", restarts=3, ends=[ended("OOMKilled")])])


def test_a_clusters_summary_has_them_and_says_where_it_was(tmp_path: Path):
    write_run(
        tmp_path, platform="azure", cluster={"version": "v1.33.2", "nodes": 307}, unscraped={"gatekeeper": "None."}
    )
    pods = [line("ratify-a", restarts=1, ends=[ended("OOMKilled")])]
    (tmp_path / "replicas.jsonl").write_text("".join(json.dumps(pod) + "\n" for pod in pods))
    summary = summarize(tmp_path)
    assert (summary["ratify"]["restarts"], summary["ratify"]["oom"]) == (1, 1)
    assert summary["scenario"]["nodes"] == 307
    text = render(summary)
    assert "azure platform (Kubernetes v1.33.2, 307 nodes), embedded engine" in text
    assert "out of memory 1" in text
    assert "local" not in text.replace("stack local-S", "")


def test_what_the_stack_did_not_install_is_not_what_its_settings_say(tmp_path: Path):
    settings = with_settings(ratify={"install": False, "cache": True, "mode": "regular", "replicas": 1})
    write_run(tmp_path, platform="kubeconfig", settings={**settings, "gatekeeper": {"install": False}})
    (tmp_path / "replicas.jsonl").write_text("".join(json.dumps(line(name)) + "\n" for name in ("a", "b")))
    summary = summarize(tmp_path)
    assert summary["caches"] == {"ratify": None, "gatekeeper_response_seconds": None}
    assert summary["missing"]["caches.ratify"].startswith("Ratify was there before the stack")
    assert (summary["scenario"]["ratify_mode"], summary["scenario"]["ratify_replicas"]) == (None, 2)
    assert "Whether caches were on is not known." in render(summary)


def test_on_one_machine_there_is_no_such_figure(tmp_path: Path):
    write_run(tmp_path)
    summary = summarize(tmp_path)
    assert "oom" not in summary["ratify"] and "ratify.oom" not in summary["missing"]
    assert "out of memory" not in render(summary)


def test_why_a_component_was_not_scraped_is_the_reason_of_its_figures(tmp_path: Path):
    write_metrics(tmp_path, [(time, "ratify-a", page(1)) for time in (999.0, 1011.0)])
    write_run(tmp_path, platform="azure", unscraped={"kube-apiserver": "The API server refuses."})
    missing = summarize(tmp_path)["missing"]
    assert missing["control_plane.webhook_fail_open"] == "The API server refuses."

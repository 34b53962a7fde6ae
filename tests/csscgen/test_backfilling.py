"""Samples of a time that nobody scraped, out of a Prometheus that did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.components import Component as Figures
from analysis.samples import Samples, Window
from csscgen import backfilling
from csscgen.backfilling import backfill
from csscgen.prometheus import Prometheus
from csscgen.replicas import Component, Replica
from tests.csscgen.pods import replica
from tests.csscgen.prometheuses import FakePrometheus
from tests.csscgen.servers import ApiServer, in_background
from workloads.ratify import metrics

RATIFY = Component("ratify", "gatekeeper-system", "app.kubernetes.io/name=ratify", "ratify", 8888)
WINDOW = Window(1000.0, 1100.0)
BEFORE = range(970, 1140, 30)
"""Instants of the scrapes around the window."""
REQUESTS = "ratify_registry_request_count_total"


@pytest.fixture
def fake() -> FakePrometheus:
    return FakePrometheus()


@pytest.fixture
def prometheus(fake: FakePrometheus) -> Iterator[Prometheus]:
    with in_background(ApiServer()) as api:
        api.pages["/api/v1/query"] = fake.answer
        yield Prometheus(api.url)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfilling, "PATIENCE", 0)


def pods(*names: str) -> list[Replica]:
    return [Replica.first(RATIFY, replica(name)) for name in names]


def scraped(fake: FakePrometheus, times, values, started=0.0, page=REQUESTS, series=None, **labels: str) -> None:
    """A target with one counter, as a Prometheus scraped it."""
    fake.knows("up", [(time, 1) for time in times], **labels)
    fake.knows(metrics.START_TIME, [(time, started) for time in times], **labels)
    fake.knows("process_resident_memory_bytes", [(time, 1e6) for time in times], **labels)
    fake.knows(page, list(zip(times, values, strict=True)), **labels, **(series or {"status_code": "200"}))


def pod_labels(name: str, **more: str) -> dict[str, str]:
    return {"job": "pods", "instance": f"{name}:8888", "namespace": "gatekeeper-system", "pod": name, **more}


def read(prometheus: Prometheus, tmp_path: Path, *there: str) -> tuple[list[str], Samples]:
    file = tmp_path / "metrics.parquet"
    names = backfill(prometheus, WINDOW, [RATIFY], pods(*there), file, lambda what: None)
    return names, Samples.read(file)


def figures(samples: Samples, name: str = "ratify") -> Figures:
    return Figures(name, samples, WINDOW)


def test_each_pod_is_a_target_and_their_counts_add_up(fake, prometheus, tmp_path: Path):
    scraped(fake, BEFORE, [10, 10, 20, 30, 40, 50], **pod_labels("ratify-a"))
    scraped(fake, BEFORE, [0, 1, 1, 1, 3, 3], **pod_labels("ratify-b"))
    names, samples = read(prometheus, tmp_path, "ratify-a", "ratify-b")
    assert names == ["ratify-a", "ratify-b"]
    assert samples.scrapes("ratify-a") == list(BEFORE)
    # From the scrape at 1000, the last at or before the start, to that at 1120, the first after the end.
    assert figures(samples).counter(metrics.RATIFY_REGISTRY_REQUESTS, "status_code") == {"200": 50 - 10 + 3 - 1}
    assert max(value for _, value in figures(samples).memory()) == 2e6


def test_what_prometheus_put_on_is_taken_off_again(fake, prometheus, tmp_path: Path):
    own = {"status_code": "200", "exported_namespace": "theirs"}
    scraped(fake, BEFORE, range(6), series=own, **pod_labels("ratify-a", container="ratify"))
    _, samples = read(prometheus, tmp_path, "ratify-a")
    (series,) = samples.series(REQUESTS, "ratify-a")
    assert series.labels == 'namespace="theirs",status_code="200"'


def test_a_pod_that_is_scraped_by_two_jobs_counts_once(fake, prometheus, tmp_path: Path):
    scraped(fake, BEFORE, range(6), **pod_labels("ratify-a"))
    scraped(fake, BEFORE, range(6), **pod_labels("ratify-a", job="again"))
    names, samples = read(prometheus, tmp_path, "ratify-a")
    assert names == ["ratify-a"]
    assert figures(samples).counter(metrics.RATIFY_REGISTRY_REQUESTS, "status_code") == {"200": 5 - 1}


def test_a_pod_that_came_and_one_that_left_are_counted_for_as_long_as_they_lived(fake, prometheus, tmp_path: Path):
    scraped(fake, [970, 1000, 1030], [5, 5, 7], **pod_labels("ratify-gone"))
    scraped(fake, [1060, 1090, 1120], [4, 5, 6], started=1050.0, **pod_labels("ratify-new"))
    scraped(fake, BEFORE, [0] * 6, **pod_labels("ratify-a"))
    names, samples = read(prometheus, tmp_path, "ratify-a", "ratify-new")
    assert names == ["ratify-a", "ratify-gone", "ratify-new"]
    assert figures(samples).counter(metrics.RATIFY_REGISTRY_REQUESTS, "status_code") == {"200": 2 + 6}
    assert dict(figures(samples).memory()) == {1000: 2e6, 1030: 2e6, 1060: 2e6, 1090: 2e6, 1120: 2e6}


def test_a_process_that_was_there_before_and_was_scraped_late_has_no_figures(fake, prometheus, tmp_path: Path):
    scraped(fake, [1060, 1090, 1120], [4, 5, 6], started=5.0, **pod_labels("ratify-a"))
    _, samples = read(prometheus, tmp_path, "ratify-a")
    with pytest.raises(Exception, match="ratify-a was first scraped 60.0 s after the window's start"):
        figures(samples).counter(metrics.RATIFY_REGISTRY_REQUESTS, "status_code")


def test_a_prometheus_that_scraped_nothing_after_the_load_has_no_figures_either(fake, prometheus, tmp_path: Path):
    scraped(fake, [970, 1000, 1030], [5, 5, 7], **pod_labels("ratify-a"))
    _, samples = read(prometheus, tmp_path, "ratify-a")
    with pytest.raises(Exception, match="ratify-a was last scraped 70.0 s before the window's end"):
        figures(samples).counter(metrics.RATIFY_REGISTRY_REQUESTS, "status_code")


def test_without_the_label_pod_the_name_of_the_job_is_the_targets(fake, prometheus, tmp_path: Path):
    scraped(fake, BEFORE, range(6), job="ratify-0", instance="127.0.0.1:1")
    scraped(fake, BEFORE, range(6), job="gatekeeper", instance="127.0.0.1:2")
    scraped(fake, BEFORE, range(6), job="somebody", instance="127.0.0.1:3")
    scraped(fake, BEFORE, range(6), job="pods", instance="h:1", namespace="gatekeeper-system", pod="a-stranger")
    assert read(prometheus, tmp_path)[0] == ["gatekeeper", "ratify-0"]


def test_api_servers_are_had_each_by_itself_and_their_thousands_of_series_at_the_ends_only(
    fake, prometheus, tmp_path: Path
):
    for number in (1, 2):
        labels = {"job": "apiserver", "instance": f"10.0.0.{number}:443"}
        scraped(fake, BEFORE, range(6), page="apiserver_admission_webhook_fail_open_count", **labels)
        fake.knows("apiserver_request_duration_seconds_count", [(time, time) for time in BEFORE], verb="GET", **labels)
    names, samples = read(prometheus, tmp_path)
    assert names == ["kube-apiserver-0", "kube-apiserver-1"]
    assert figures(samples, "kube-apiserver").counter(metrics.APISERVER_FAIL_OPEN, "name") == {"": 2 * (5 - 1)}
    (series,) = samples.series("apiserver_request_duration_seconds_count", "kube-apiserver-0")
    assert series.times == [1000, 1120]


def test_a_page_of_one_of_several_api_servers_is_left_out(fake, prometheus, tmp_path: Path):
    scraped(fake, BEFORE, range(6), job="apiserver", instance="10.0.0.1:443")
    scraped(fake, BEFORE, range(6), job="ratify-0", instance="10.0.0.2:8888")
    file = tmp_path / "metrics.parquet"
    for servers in (2, None):
        assert backfill(prometheus, WINDOW, [], [], file, lambda what: None, servers=servers) == ["ratify-0"]
    assert backfill(prometheus, WINDOW, [], [], file, lambda what: None, servers=1) == ["kube-apiserver", "ratify-0"]

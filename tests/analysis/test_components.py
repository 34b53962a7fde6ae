from __future__ import annotations

from collections.abc import Iterator

import pytest

from analysis.components import Component
from analysis.samples import Samples, Window
from tests.analysis.runs import Page, histogram, process, sample, write_metrics
from workloads.errors import CollectError
from workloads.ratify.metrics import RATIFY_REGISTRY_REQUESTS, RATIFY_VERIFICATION

WINDOW = Window(10.0, 16.0)
SKEW = 0.003


@pytest.fixture
def ratify(tmp_path):
    """Two replicas, scraped 3 ms apart every 2 s; the second one missed a scrape."""

    def scrapes() -> Iterator[tuple[float, str, Page]]:
        for index, time in enumerate((9.0, 11.0, 13.0, 15.0, 17.0)):
            for replica in range(2):
                if (replica, time) == (1, 13.0):
                    yield time + SKEW, "ratify-1", [sample("up", 0)]
                    continue
                done = {"100": 10 * index, "+Inf": 10 * index}
                page = histogram("ratify_verification_request", done)
                page.append(sample("ratify_registry_request_count_total", 100 * index, status_code="200"))
                memory = (50 + index) * 1e6 if replica == 0 else 30e6
                yield time + replica * SKEW, f"ratify-{replica}", page + process(0, index, memory)

    write_metrics(tmp_path, scrapes())
    return Component("ratify", Samples.read(tmp_path / "metrics.parquet"), WINDOW)


def test_intervals_of_replicas_that_are_scraped_a_moment_apart_are_one(ratify):
    assert [(time, one.count) for time, one in ratify.latencies(RATIFY_VERIFICATION)] == [
        (11.0, 20.0),
        (13.0, 10.0),
        (15.0, 30.0),  # what the second replica did since 11 is known only now
        (17.0, 20.0),
    ]


def test_counters_over_time_are_summed_at_the_first_replicas_instants(ratify):
    totals = ratify.counter_over_time(RATIFY_REGISTRY_REQUESTS, "status_code")
    assert totals == {"200": [(9.0, 0.0), (11.0, 200.0), (13.0, 300.0), (15.0, 600.0), (17.0, 800.0)]}


def test_cpu_of_skewed_replicas_has_no_spikes(ratify):
    assert max(cores for _, cores in ratify.cpu()) == pytest.approx(1.0)
    assert ratify.mean_cpu() == pytest.approx(1.0)


def test_memory_peaks_where_the_sum_does(ratify):
    assert max(value for _, value in ratify.memory()) == 84e6


def test_a_scrape_without_an_answer_is_counted(ratify):
    assert ratify.failed_scrapes() == {"ratify-1": 1}


def test_a_component_that_was_not_scraped_has_no_figures(ratify, tmp_path):
    other = Component("gatekeeper", Samples.read(tmp_path / "metrics.parquet"), WINDOW)
    for question in (other.memory, other.cpu, other.restarts, lambda: other.histogram(RATIFY_VERIFICATION)):
        with pytest.raises(CollectError, match="No target gatekeeper was scraped"):
            question()


def test_the_cpu_of_a_new_process_counts_from_its_start_though_it_is_above_what_the_old_one_had(tmp_path):
    """And it is known while the page does not answer: the process is sampled then too."""
    start = sample("process_start_time_seconds", 900.0)
    anew = sample("process_start_time_seconds", 1004.2)

    def cpu(seconds: float, up: bool = True) -> list:
        return [sample("csscgen_process_cpu_seconds_total", seconds), sample("up", up)]

    pages = [
        (999.0, [start, *cpu(2.0)]),
        (1003.0, [start, *cpu(2.0)]),
        (1005.0, cpu(4.0, up=False)),
        (1007.0, [anew, *cpu(5.0)]),
        (1009.0, [anew, *cpu(5.0)]),
        (1011.0, cpu(5.0, up=False)),
    ]
    write_metrics(tmp_path, [(time, "ratify-0", page) for time, page in pages])
    ratify = Component("ratify", Samples.read(tmp_path / "metrics.parquet"), Window(1000.0, 1010.0))
    assert ratify.cpu() == [(1003.0, 0.0), (1005.0, 2.0), (1007.0, 0.5), (1009.0, 0.0), (1011.0, 0.0)]
    assert ratify.mean_cpu() == 5.0 / 12

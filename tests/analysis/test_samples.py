from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.sample_writer import SampleWriter
from analysis.samples import Samples, Window, selected
from tests.analysis.runs import Page, process, sample, write_metrics
from workloads.errors import CollectError

WINDOW = Window(10.0, 20.0)


def counter(value: float, **labels: str) -> tuple[str, str, float]:
    return sample("requests_total", value, **labels)


@pytest.fixture
def read(tmp_path):
    def make(scrapes):
        write_metrics(tmp_path, [(time, "app", page) for time, page in scrapes])
        return Samples.read(tmp_path / "metrics.parquet")

    return make


def up(*page: tuple[str, str, float]) -> Page:
    return [*page, sample("up", 1)]


def test_what_is_written_is_read_over_several_batches(tmp_path):
    path = tmp_path / "metrics.parquet"
    with SampleWriter(path) as writer:
        for time in range(40):
            writer.write(time, f"app-{time % 2}", [(f"m{n}", f'n="{n}"', n + time) for n in range(5_000)])
    (series,) = Samples.read(path).series("m4999", "app-1")
    assert series.labels == 'n="4999"'
    assert series.times == [float(t) for t in range(1, 40, 2)]
    assert series.values == [4999.0 + t for t in range(1, 40, 2)]


def test_nothing_is_there_under_the_files_name_before_it_is_closed(tmp_path):
    path = tmp_path / "metrics.parquet"
    writer = SampleWriter(path)
    writer.write(1.0, "app", [("up", "", 1.0)])
    assert not path.exists()
    writer.close()
    writer.close()
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.parquet"]


def test_samples_of_a_run_that_failed_are_kept(tmp_path):
    path = tmp_path / "metrics.parquet"
    with pytest.raises(RuntimeError), SampleWriter(path) as writer:
        writer.write(1.0, "app", [("up", "", 1.0)])
        raise RuntimeError
    assert Samples.read(path).scrapes("app") == [1.0]


def test_a_file_without_samples_is_read(tmp_path):
    with SampleWriter(tmp_path / "metrics.parquet"):
        pass
    assert Samples.read(tmp_path / "metrics.parquet").targets("app") == []


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CollectError, match="no metrics were collected"):
        Samples.read(tmp_path / "metrics.parquet")


def test_increase_is_from_the_last_scrape_before_the_window_to_the_first_after_it(read):
    samples = read([(t, up(counter(v))) for t, v in [(6, 1), (9, 10), (12, 15), (19, 30), (21, 34), (24, 99)]])
    assert samples.increases("requests_total", "app", WINDOW) == {"": 24.0}


def test_scrapes_at_the_very_edges_count(read):
    samples = read([(t, up(counter(v))) for t, v in [(8, 1), (10, 10), (20, 30), (22, 40)]])
    assert samples.increases("requests_total", "app", WINDOW) == {"": 20.0}


def test_a_series_born_in_the_window_started_at_zero(read):
    born = counter(3, code="429")
    samples = read([(9, up(counter(1, code="200"))), (15, up(born)), (21, up(counter(2, code="200"), born))])
    assert selected(samples.increases("requests_total", "app", WINDOW), "code") == {"200": 1.0, "429": 3.0}


def test_a_fall_is_a_restart_where_the_target_does_not_tell_its_start(read):
    samples = read([(t, up(counter(v))) for t, v in [(9, 10), (12, 16), (15, 2), (21, 5)]])
    assert samples.increases("requests_total", "app", WINDOW) == {"": 11.0}
    assert samples.bracket("app", WINDOW).restarts is None


def test_a_restart_is_seen_by_the_start_time_even_where_the_counter_did_not_fall(read):
    pages = [(9, 0, 10), (12, 0, 16), (15, 13, 20), (21, 13, 25)]
    samples = read([(t, [counter(v), *process(start, 1, 1)]) for t, start, v in pages])
    assert samples.bracket("app", WINDOW).restarts == [15.0]
    assert samples.increases("requests_total", "app", WINDOW) == {"": 6.0 + 25.0}


def test_a_series_that_the_new_process_does_not_have_keeps_what_the_old_one_counted(read):
    pages = [(9, 0, [counter(10)]), (12, 0, [counter(16)]), (15, 13, []), (21, 13, [])]
    samples = read([(t, page + process(start, 1, 1)) for t, start, page in pages])
    assert samples.increases("requests_total", "app", WINDOW) == {"": 6.0}


def test_a_start_time_that_jitters_is_no_restart(read):
    samples = read([(t, process(start, 1, 1)) for t, start in [(9, 5.0), (15, 6.0), (21, 5.0)]])
    assert samples.bracket("app", WINDOW).restarts == []


def test_scrapes_without_an_answer_are_no_scrapes(read):
    down = [sample("up", 0), sample("csscgen_process_cpu_seconds_total", 1)]
    samples = read([(8, up(counter(1))), (9.5, down), (15, down), (20.5, down), (22, up(counter(5)))])
    assert samples.scrapes("app") == [8.0, 22.0]
    assert samples.failed_scrapes("app", WINDOW) == 1
    assert samples.increases("requests_total", "app", WINDOW) == {"": 4.0}


def test_scrapes_that_do_not_enclose_the_window_are_an_error(read):
    with pytest.raises(CollectError, match=r"app was first scraped 2.0 s after the window's start"):
        read([(12, up()), (21, up())]).bracket("app", WINDOW)
    with pytest.raises(CollectError, match=r"app was last scraped 4.0 s before the window's end"):
        read([(9, up()), (16, up())]).bracket("app", WINDOW)
    with pytest.raises(CollectError, match="No scrape of other was answered"):
        read([(9, up())]).bracket("other", WINDOW)


def test_targets_of_a_component(tmp_path):
    write_metrics(tmp_path, [(1.0, name, up()) for name in ("ratify-1", "ratify-0", "registry-a", "ratifyer", "etcd")])
    samples = Samples.read(tmp_path / "metrics.parquet")
    assert samples.targets("ratify") == ["ratify-0", "ratify-1"]
    assert samples.targets("etcd") == ["etcd"]


@settings(deadline=None)  # it writes files, which a busy machine is slow at
@given(steps=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=4, max_size=12))
def test_the_increase_is_what_happened_whatever_restarts(tmp_path_factory, steps):
    """A counter that is scraped right before each restart loses nothing."""
    folder = tmp_path_factory.mktemp("run")
    value, start, happened, pages = 5, 0.0, 0, []
    times = [10.0 + index * 10 / (len(steps) - 1) for index in range(len(steps))]
    for time, (grown, restarts) in zip(times, steps, strict=True):
        first = time == times[0]
        if restarts and not first:
            value, start = 0, time - 0.01
        value += 0 if first else grown
        happened += 0 if first else grown
        pages.append((time, "app", [counter(value), *process(start, 1, 1)]))
    write_metrics(folder, pages)
    samples = Samples.read(folder / "metrics.parquet")
    assert samples.increases("requests_total", "app", Window(10.0, 20.0)) == {"": float(happened)}

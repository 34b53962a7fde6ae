from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.samples import Samples
from csscgen.scraping import Scrape
from csscgen.spools import FILE, PARQUET, Spool, publish, read, rounds

PAGE = b"# TYPE requests counter\nrequests 3\n"


def scrape(moment: float, target: str = "a", page: bytes | None = PAGE) -> Scrape:
    return Scrape(moment, target, True, page, (1.5, 2.0))


def fill(folder: Path, *scrapes: Scrape) -> Path:
    spool = Spool(folder)
    for one in scrapes:
        spool.append(one)
    spool.close()
    return folder / FILE


def test_scrapes_come_back_as_they_were_in_the_order_of_time(tmp_path: Path):
    given = [
        scrape(2.0),
        scrape(1.0, "b", None),
        scrape(3.0, page=b""),
        Scrape(4.0, "harness", False, None, None),
        scrape(5.0, page=b"a\nb\n\0\xff"),
    ]
    assert list(read(fill(tmp_path, *given))) == sorted(given, key=lambda one: one.time)


def test_what_is_there_is_kept_when_a_run_is_gone_on_with(tmp_path: Path):
    fill(tmp_path, scrape(1.0))
    assert list(read(fill(tmp_path, scrape(2.0)))) == [scrape(1.0), scrape(2.0)]


@pytest.mark.parametrize("lost", [1, 5, 20, 60])
def test_a_torn_last_frame_is_dropped_and_cut_off_before_the_next(tmp_path: Path, lost: int):
    file = fill(tmp_path, scrape(1.0), scrape(2.0))
    file.write_bytes(file.read_bytes()[:-lost])
    assert list(read(file)) == [scrape(1.0)]
    fill(tmp_path, scrape(3.0))
    assert list(read(file)) == [scrape(1.0), scrape(3.0)]


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"not a spool at all", b"\xff" * 40])
def test_what_is_no_spool_has_no_scrapes(tmp_path: Path, content: bytes):
    (tmp_path / FILE).write_bytes(content)
    assert list(read(tmp_path / FILE)) == []
    assert rounds(tmp_path / FILE) == []


def test_a_spool_becomes_the_samples_of_the_run(tmp_path: Path):
    fill(tmp_path, scrape(2.0), scrape(1.0), scrape(1.0, "b"))
    assert rounds(tmp_path / FILE) == [1.0, 2.0]
    publish(tmp_path)
    samples = Samples.read(tmp_path / PARQUET)
    assert samples.scrapes("a") == [1.0, 2.0]
    (series,) = samples.series("requests", "b")
    assert series.values == [3.0]
    assert not (tmp_path / FILE).exists()


def test_without_a_spool_there_is_nothing_to_publish(tmp_path: Path):
    publish(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_page_takes_a_fraction_of_its_size(tmp_path: Path):
    page = b"".join(b'requests_total{code="200",path="/v2/%d"} %d\n' % (n, n * 7) for n in range(1000))
    file = fill(tmp_path, *(scrape(float(n), page=page) for n in range(10)))
    assert file.stat().st_size < 10 * len(page) / 3


WRITER = """
import itertools, sys
from pathlib import Path
from csscgen.scraping import Scrape
from csscgen.spools import Spool
spool = Spool(Path(sys.argv[1]))
for number in itertools.count(int(sys.argv[2])):
    spool.append(Scrape(float(number), "a", True, bytes([number % 256]) * 50_000, None))
"""


def test_a_spool_survives_a_kill_at_any_moment(tmp_path: Path):
    draw = random.Random(1)
    for _ in range(5):
        there = len(rounds(tmp_path / FILE))
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(there)])
        while len(rounds(tmp_path / FILE)) == there:
            assert writer.poll() is None
        time.sleep(draw.uniform(0, 0.1))
        writer.kill()
        writer.wait()
        found = list(read(tmp_path / FILE))
        assert [one.time for one in found] == [float(number) for number in range(len(found))]
        assert all(one.page == bytes([int(one.time) % 256]) * 50_000 for one in found)

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from csscgen.scraping import HARNESS, Scrape, Scraper, Target, process_usage, prune
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.servers import Pages, text
from workloads.errors import CollectError
from workloads.ratify.metrics import CPU_SECONDS, RESIDENT_BYTES, UP

PAGE = "# TYPE requests counter\nrequests 3\n"


@asynccontextmanager
async def scraping(scraper: Scraper) -> AsyncIterator[asyncio.Task[None]]:
    """Runs from the first round until the last."""
    stopping, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(scraper.run(stopping, ready))
    try:
        await asyncio.wait_for(ready.wait(), 10)
        yield task
    finally:
        stopping.set()
        await asyncio.wait_for(task, 20)


def of(scraper: Scraper, target: str) -> list[Scrape]:
    return [scrape for scrape in scraper.scrapes if scrape.target == target]


def samples(scrape: Scrape) -> dict[str, float]:
    return {metric: value for metric, _, value in scrape.samples()}


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.6)
    return web.Response(text=PAGE)


@asynchronous
async def test_targets_are_read_at_an_interval_and_once_more_at_the_end():
    async with Pages({"a": text(PAGE)}) as pages:
        scraper = Scraper([Target("a", pages.url("a"))], 0.1)
        async with scraping(scraper):
            assert len(of(scraper, "a")) == 1
            await asyncio.sleep(0.55)
            before = time.time()
            assert 3 <= len(of(scraper, "a")) <= 7
    last = of(scraper, "a")[-1]
    assert last.time >= before
    assert samples(last) == {"requests": 3, UP: 1}
    assert scraper.latest["a"] == PAGE.encode()
    gaps = [b.time - a.time for a, b in zip(of(scraper, "a")[:-1], of(scraper, "a")[1:-1], strict=False)]
    assert 0.09 < sum(gaps) / len(gaps) < 0.2


@asynchronous
async def test_all_targets_of_a_round_have_the_same_time():
    async with Pages({"a": text(PAGE), "b": slow}) as pages:
        scraper = Scraper([Target("a", pages.url("a")), Target("b", pages.url("b"))], 30)
        async with scraping(scraper):
            pass
    assert len({scrape.time for scrape in scraper.scrapes}) == 2


@pytest.mark.parametrize("answer", [text("no", 500), text("requests 3", 404), text("<html>not metrics</html>")])
@asynchronous
async def test_a_target_that_does_not_answer_with_metrics_is_down(answer):
    async with Pages({"a": answer}) as pages:
        scraper = Scraper([Target("a", pages.url("a"))], 30)
        async with scraping(scraper):
            pass
    assert [samples(scrape) for scrape in of(scraper, "a")] == [{UP: 0}, {UP: 0}]


@asynchronous
async def test_a_target_that_is_not_there_is_down():
    scraper = Scraper([Target("a", "http://127.0.0.1:1/metrics")], 30)
    async with scraping(scraper):
        pass
    assert [samples(scrape) for scrape in of(scraper, "a")] == [{UP: 0}, {UP: 0}]
    assert scraper.latest == {}


@asynchronous
async def test_a_target_that_breaks_off_is_down():
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"requests 3\n")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with Pages({"a": cut}) as pages:
        scraper = Scraper([Target("a", pages.url("a"))], 30)
        async with scraping(scraper):
            pass
    assert [samples(scrape) for scrape in of(scraper, "a")] == [{UP: 0}, {UP: 0}]


@asynchronous
async def test_a_malformed_page_is_down_and_has_no_half_of_its_samples():
    scrape = Scrape(0, "a", True, b"requests 3\nthis is not a sample\n", (1.0, 2.0))
    assert samples(scrape) == {UP: 0, CPU_SECONDS[0]: 1, RESIDENT_BYTES[0]: 2}


@asynchronous
async def test_a_target_that_hangs_does_not_delay_the_others_and_its_process_is_still_read():
    hang = asyncio.Event()

    async def hanging(_: web.Request) -> web.StreamResponse:
        await asyncio.wait_for(hang.wait(), 30)
        return web.Response(text=PAGE)

    async with Pages({"a": text(PAGE), "b": text(PAGE)}) as pages:
        targets = [Target("a", pages.url("a")), Target("b", pages.url("b"), os.getpid())]
        scraper = Scraper(targets, 0.1, answer_seconds=1)
        async with scraping(scraper):
            pages.answers["b"] = hanging
            await asyncio.sleep(0.6)
            assert 3 <= len(of(scraper, "a")) <= 8
            assert len(of(scraper, "b")) >= 3
            assert pages.asked["b"] == 2
            hang.set()
    assert [scrape.process for scrape in of(scraper, "b")].count(None) == 0
    assert [samples(scrape)[UP] for scrape in of(scraper, "b") if scrape.asked] == [1, 1, 1]


@asynchronous
async def test_a_target_that_hangs_for_good_is_down():
    async def hanging(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(2)
        return web.Response(text=PAGE)

    async with Pages({"a": hanging}) as pages:
        scraper = Scraper([Target("a", pages.url("a"))], 0.1, answer_seconds=0.2)
        began = time.monotonic()
        async with scraping(scraper):
            pass
        assert time.monotonic() - began < 2
    assert {samples(scrape).get(UP) for scrape in of(scraper, "a") if scrape.asked} == {0}


@asynchronous
async def test_the_harness_reads_itself():
    scraper = Scraper([], 30)
    async with scraping(scraper):
        pass
    first, last = of(scraper, HARNESS)
    assert samples(first)[RESIDENT_BYTES[0]] > 10_000_000
    assert samples(last)[CPU_SECONDS[0]] >= samples(first)[CPU_SECONDS[0]] > 0
    assert UP not in samples(first)


@asynchronous
async def test_a_process_that_is_gone_has_no_samples():
    async with Pages({"a": text(PAGE)}) as pages:
        scraper = Scraper([Target("a", pages.url("a"), 2**22 + 1)], 30)
        async with scraping(scraper):
            pass
    assert samples(of(scraper, "a")[0]) == {"requests": 3, UP: 1}


@asynchronous
async def test_a_client_certificate_that_is_not_there_is_told():
    scraper = Scraper([], 30, {"ca": "/nonexistent/ca", "certificate": ["/nonexistent/c", "/nonexistent/k"]})
    with pytest.raises(CollectError, match="The certificate that metrics are read with cannot be used"):
        await scraper.run(asyncio.Event(), asyncio.Event())


@asynchronous
async def test_stopped_before_the_first_round_is_through():
    async with Pages({"a": slow}) as pages:
        scraper = Scraper([Target("a", pages.url("a"))], 30)
        stopping = asyncio.Event()
        stopping.set()
        await asyncio.wait_for(scraper.run(stopping, asyncio.Event()), 10)
    assert len(of(scraper, "a")) == 2


def test_the_big_pages_lose_what_nobody_asks_for():
    page = b'# HELP x y\nboring_total 3\nprocess_start_time_seconds 1\napiserver_request_total{code="200"} 4\n'
    kept = prune("kube-apiserver", page)
    assert b"apiserver_request_total" in kept
    assert b"boring_total" not in kept
    assert prune("ratify-0", page) == page


def test_a_process_name_with_brackets_and_spaces(tmp_path: Path):
    script = tmp_path / "a) b (c"
    script.write_text("#!/bin/sh\nread line\n")
    script.chmod(0o700)
    with subprocess.Popen([script], stdin=subprocess.PIPE) as process:
        end = time.monotonic() + 10
        while (found := process_usage(process.pid)) == (0.0, 0.0) and time.monotonic() < end:
            time.sleep(0.01)  # it has no memory of its own before its exec is through
        process.communicate(b"\n")
    assert found is not None and found[1] > 0


def test_a_process_that_is_not_there():
    assert process_usage(2**22 + 1) is None


def test_targets_are_read_from_outputs():
    outputs = {"targets": {"a": {"metrics": "http://h/m", "pid": 3, "log": "l"}, "b": {"log": "l"}}}
    assert Target.of(outputs) == [Target("a", "http://h/m", 3), Target("b", None, None)]
    assert Target.of({}) == []

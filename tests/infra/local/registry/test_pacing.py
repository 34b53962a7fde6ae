"""Answers that are held back: by how much, and in which order."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.pacing import Pacing
from infra.local.registry.protocol import Answer, Request
from infra.local.registry.server import Connection
from tests.infra.local.registry.helpers import unhurried

seconds = st.floats(0, 10)


@unhurried
@given(seconds, st.floats(1, 1e6), st.lists(st.tuples(seconds, st.integers(0, 10**6)), min_size=1, max_size=20))
def test_one_link_carries_no_more_than_its_bandwidth_and_nobody_overtakes(latency, bandwidth, answers):
    pacing = Pacing(latency, bandwidth)
    now, sent, before = 0.0, 0, 0.0
    for gap, size in answers:
        now += gap
        sent += size
        leaves = pacing.leaves(size, now)
        assert leaves >= max(before, now + latency + size / bandwidth) - 1e-6
        assert leaves - latency >= sent / bandwidth - 1e-6
        before = leaves


@unhurried
@given(seconds, st.integers(0, 10**9), seconds)
def test_without_a_bandwidth_there_is_the_latency_only(latency, size, now):
    assert Pacing(latency, None).leaves(size, now) == now + latency


def exchange(pacing: Pacing, requests: bytes) -> tuple[bytes, float]:
    """All that the server says until it closes the connection, and the seconds that it took."""

    def answer(request: Request) -> Answer:
        return Answer(200, [(b"x-path", request.path.encode())], b"x" * 1000, at_once=request.path == "/metrics")

    async def run() -> tuple[bytes, float]:
        server = await asyncio.get_running_loop().create_server(lambda: Connection(answer, pacing), "127.0.0.1", 0)
        try:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            started = time.perf_counter()
            writer.write(requests)
            said = await asyncio.wait_for(reader.read(), 10)
            took = time.perf_counter() - started
            writer.close()
            await asyncio.sleep(0.01)
            return said, took
        finally:
            server.close()

    return asyncio.run(run())


def get(path: str, close: bool = False) -> bytes:
    return f"GET {path} HTTP/1.1\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode()


def test_answers_leave_late_and_in_order_and_then_the_connection_closes():
    paths = [f"/{n}" for n in range(20)]
    said, took = exchange(Pacing(0.1, None), b"".join(map(get, paths)) + get("/last", close=True))
    places = [said.index(f"x-path: {path}\r\n".encode()) for path in [*paths, "/last"]]
    assert places == sorted(places)
    assert said.endswith(b"x" * 1000)
    assert 0.1 <= took < 5  # they wait at the same time, not one after the other


def test_a_narrow_link_takes_its_time():
    said, took = exchange(Pacing(0, 20_000), get("/1") + get("/2") + get("/3", close=True))
    assert said.count(b"x" * 1000) == 3
    assert took >= 0.15


@pytest.mark.parametrize("before", [b"", get("/held")])
def test_the_metrics_page_is_not_held_back_but_for_what_is_before_it(before):
    said, took = exchange(Pacing(0.3, None), before + get("/metrics", close=True))
    assert (took >= 0.3) == bool(before)
    assert said.endswith(b"x" * 1000)
    assert said.count(b"HTTP/1.1 200") == (2 if before else 1)


def test_nonsense_after_a_request_is_told_after_its_answer():
    said, _ = exchange(Pacing(0.05, None), get("/1") + b"nonsense\r\n\r\n")
    assert said.index(b"x-path: /1") < said.index(b"HTTP/1.1 400")


def test_a_client_that_does_not_wait_is_no_error():
    async def run() -> None:
        loop = asyncio.get_running_loop()
        errors: list[object] = []
        loop.set_exception_handler(lambda _, context: errors.append(context))
        server = await loop.create_server(
            lambda: Connection(lambda _: Answer(200, [], b"x"), Pacing(0.05, None)), "127.0.0.1", 0
        )
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(get("/1") * 3)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.transport.abort()
        await asyncio.sleep(0.2)
        server.close()
        assert errors == []

    asyncio.run(run())

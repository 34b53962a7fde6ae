"""The front with real sockets: who gets a connection, what passes through it, what happens when nobody is there."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from infra.local import probes
from infra.local.front import endpoints as watched
from infra.local.front.__main__ import main
from infra.local.front.endpoints import HOST, Endpoint
from infra.local.front.pages import Page, metrics
from infra.local.front.relays import Front
from infra.local.sockets import free_ports

ROOT = Path(__file__).resolve().parents[4]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MEGABYTES = 60


def on_uvloop(test):
    """Runs an asynchronous test as the front itself runs."""

    def run():
        uvloop.run(asyncio.wait_for(test(), 30))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[int]:
    """A server on loopback; its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def fronting(*endpoints: Endpoint, seed: int = 1) -> AsyncIterator[tuple[Front, int]]:
    """A front whose endpoints were probed once; its port."""
    front = Front(endpoints, random.Random(seed))
    for endpoint in endpoints:
        await endpoint.probe()
    server = await asyncio.get_running_loop().create_server(front.client, HOST, 0)
    try:
        yield front, server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(name: str) -> Handler:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        await writer.drain()

    return say


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers after its client has ended its request: what a half-close is for."""
    writer.write(await reader.read())
    await writer.drain()


async def ask(port: int, data: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


@on_uvloop
async def test_new_connections_are_spread_over_the_ready_endpoints():
    async with served(saying("a")) as a, served(saying("b")) as b, served(saying("c")) as c:
        ends = [Endpoint(name, port) for name, port in zip("abc", (a, b, c), strict=True)]
        async with fronting(*ends) as (front, port):
            told = Counter([(await ask(port)).decode() for _ in range(300)])
    assert set(told) == {"a", "b", "c"}
    assert min(told.values()) > 70
    assert {end.name: end.connections for end in front.endpoints} == told
    assert front.refused == 0


@on_uvloop
async def test_an_endpoint_that_is_not_there_gets_nothing():
    (nowhere,) = free_ports(1)
    async with (
        served(saying("a")) as a,
        fronting(Endpoint("a", a), Endpoint("gone", nowhere)) as (front, port),
    ):
        assert {await ask(port) for _ in range(20)} == {b"a"}
    assert [end.ready for end in front.endpoints] == [True, False]


@on_uvloop
async def test_without_a_ready_endpoint_a_connection_is_reset_at_once():
    (nowhere,) = free_ports(1)
    async with fronting(Endpoint("gone", nowhere)) as (front, port):
        begun = asyncio.get_running_loop().time()
        with pytest.raises(ConnectionResetError):
            await ask(port, b"hello")
        assert asyncio.get_running_loop().time() - begun < 0.5
        assert front.refused == 1


@on_uvloop
async def test_an_endpoint_that_ended_since_its_last_probe_resets_its_connection():
    async with served(saying("a")) as a:
        end = Endpoint("a", a)
        await end.probe()
    (end.port,) = free_ports(1)
    async with _unprobed(end) as port:
        with pytest.raises(ConnectionResetError):
            await ask(port, b"hello")
    assert (end.connections, end.failed, end.open) == (1, 1, 0)


@asynccontextmanager
async def _unprobed(endpoint: Endpoint) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(Front([endpoint]).client, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@on_uvloop
async def test_a_connection_stays_where_it_is_when_its_endpoint_is_no_longer_ready():
    async with served(echo) as a, fronting(Endpoint("a", a)) as (front, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"one ")
        await asyncio.sleep(0.05)
        front.endpoints[0].ready = False
        writer.write(b"two")
        writer.write_eof()
        assert await reader.read() == b"one two"
        writer.close()
        with pytest.raises(ConnectionResetError):
            await ask(port, b"x")


@on_uvloop
async def test_a_big_body_goes_through_whole_in_both_directions():
    body = random.Random(3).randbytes(MEGABYTES * 1_000_000)
    async with served(echo) as a, fronting(Endpoint("a", a)) as (front, port):
        assert await ask(port, body) == body
        await asyncio.sleep(0.05)
        assert front.endpoints[0].open == 0


@on_uvloop
async def test_who_reads_slowly_slows_the_other_side_down():
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _ in range(MEGABYTES * 10):
            writer.write(bytes(100_000))
            await writer.drain()
            sent += 100_000

    async with served(flood) as a, fronting(Endpoint("a", a)) as (_, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        await asyncio.sleep(0.5)
        held = sent
        received = len(await reader.read())
        writer.close()
    assert held < MEGABYTES * 500_000  # what the kernel's buffers take, and not the whole of it in the front's memory
    assert received == MEGABYTES * 1_000_000


@on_uvloop
async def test_a_server_that_resets_its_connection_resets_the_client_s():
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with served(refuse) as a, fronting(Endpoint("a", a)) as (_, port):
        with contextlib.suppress(ConnectionError):
            assert await ask(port, b"hello") == b""


@on_uvloop
async def test_a_page_that_answers_200_is_what_makes_ready():
    status = b"503 Service Unavailable"

    async def health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with served(echo) as a, served(health) as page:
        end = Endpoint("a", a, (page, "/readyz"))
        await end.probe()
        assert not end.ready  # it listens, and that is not enough
        status = b"200 OK"
        await end.probe()
        assert end.ready
        status = b"503 Service Unavailable"
        for expected in (True, True, False):
            await end.probe()
            assert end.ready is expected
        status = b"200 OK"
        await end.probe()
        assert end.ready


@on_uvloop
async def test_a_page_that_never_answers_is_a_failed_probe():
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with served(hang) as page:
        end = Endpoint("a", page, (page, "/readyz"))
        await end.probe()
    assert not end.ready


@on_uvloop
async def test_what_refuses_its_probe_is_out_at_once_and_back_when_it_answers():
    async with served(saying("a")) as a:
        end = Endpoint("a", a)
        await end.probe()
        assert end.ready
    while True:  # until the server's port is closed
        with contextlib.suppress(ConnectionError):
            await ask(a)
            continue
        break
    await end.probe()
    assert not end.ready
    server = await asyncio.start_server(lambda r, w: w.close(), HOST, a)
    await end.probe()
    server.close()
    assert end.ready


@on_uvloop
async def test_the_pages_show_who_got_how_much():
    (nowhere,) = free_ports(1)
    async with served(saying("a")) as a, fronting(Endpoint("a", a), Endpoint("gone", nowhere)) as (front, port):
        for _ in range(5):
            await ask(port)
        pages = await asyncio.get_running_loop().create_server(lambda: Page(front), HOST, 0)
        at = pages.sockets[0].getsockname()[1]
        text = (await _get(at, "/metrics")).decode()
        assert text.startswith("HTTP/1.1 200 OK\r\n")
        assert 'front_connections_total{endpoint="a"} 5\n' in text
        assert 'front_endpoint_ready{endpoint="gone"} 0\n' in text
        assert (await _get(at, "/readyz")).startswith(b"HTTP/1.1 200")
        front.endpoints[0].ready = False
        assert (await _get(at, "/readyz")).startswith(b"HTTP/1.1 503")
        assert (await _get(at, "/else")).startswith(b"HTTP/1.1 404")
        pages.close()


async def _get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


def test_the_metrics_page_is_read_by_the_harness():
    from analysis.expositions import parse

    front = Front([Endpoint("a", 1, ready=True, connections=3)])
    found = {(metric, labels): value for metric, labels, value in parse(metrics(front).encode(), None, "front-x")}
    assert found["front_connections_total", 'endpoint="a"'] == 3
    assert found["front_refused_connections_total", ""] == 0


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--port=1"],
        ["--port=1", "--metrics-port=2", "--endpoint=ratify-0"],
        ["--port=1", "--metrics-port=2", "--endpoint=ratify-0=x"],
        ["--port=99999", "--metrics-port=2", "--endpoint=ratify-0=5"],
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(words, capsys):
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("The front")
    assert "Traceback" not in told


def test_sigterm_ends_it_at_once_whatever_is_under_way():
    port, page, behind = free_ports(3)
    argv = [sys.executable, "-m", "infra.local.front", f"--port={port}", f"--metrics-port={page}"]
    with (
        socket.create_server((HOST, behind)) as server,
        subprocess.Popen([*argv, f"--endpoint=a={behind}"], cwd=ROOT) as front,
    ):
        end = time.monotonic() + 20
        while not probes.succeeds({"http": f"http://{HOST}:{page}/readyz"}):
            assert time.monotonic() < end and front.poll() is None
            time.sleep(0.05)
        with socket.create_connection((HOST, port)) as client:
            client.sendall(b"client")
            while not (accepted := server.accept()[0]).recv(6):
                accepted.close()  # a probe of the front's, which sends nothing
            with accepted:
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        client.send(bytes(1_000_000))  # until nobody takes any more
                front.terminate()
                assert front.wait(5) == 0


def test_probes_are_as_often_as_documented():
    assert (watched.PERIOD_SECONDS, watched.FAILURES) == (1.0, 3)

"""HTTP/1.1 as servers speak it and as they break it, over a real socket that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from csscgen import connections
from csscgen.connections import Answer, Connections, LostError, Origin
from infra.local.certificates import authority
from tests.csscgen.artifacts.asynchronous import asynchronous

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class Server:
    """What ``script`` does on each connection; ``opened`` counts them. An async context manager."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self.opened = 0

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            await self._script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def connections(self, most: int = 4, **options: Any) -> Connections:
        return Connections(Origin(False, "127.0.0.1", self.port, f"127.0.0.1:{self.port}"), most=most, **options)


async def head(reader: asyncio.StreamReader) -> bytes:
    """The next request with its body."""
    text = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in text.split(b"\r\n") if line.startswith(b"content-length:")), 0)
    return text + await reader.readexactly(length)


def saying(*answers: bytes, close: bool = False) -> Script:
    """A script that answers the requests of a connection with these bytes, in turn, and then closes or waits."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await head(reader)
            piece = max(7, len(answer) // 20)
            for byte in range(0, len(answer), piece):  # wherever they fall
                writer.write(answer[byte : byte + piece])
                await writer.drain()
        if not close:
            await reader.read()

    return script


async def get(script: Script) -> Answer:
    async with Server(script) as server:
        there = server.connections()
        try:
            return await there.request("GET", "/")
        finally:
            await there.close()


@asynchronous
async def test_a_request_is_sent_as_the_protocol_has_it_and_its_answer_read():
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await head(reader))
        writer.write(b"HTTP/1.1 201 Created\r\nLocation: /x\r\nLink: a\r\nLink: b\r\ncontent-length: 3\r\n\r\nyes")
        await reader.read()

    async with Server(script) as server:
        there = server.connections()
        answer = await there.request("PUT", "/v2/a?b=c", b"content-type: x/y\r\n", b"body")
        await there.close()
    assert (answer.status, answer.header("location"), answer.body) == (201, "/x", b"yes")
    assert (answer.header("link"), answer.header("none")) == ("a, b", None)
    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"PUT /v2/a?b=c HTTP/1.1" and lines[-1] == b"body"
    assert set(lines[1:-2]) == {
        f"host: 127.0.0.1:{server.port}".encode(),
        b"user-agent: csscgen",
        b"content-type: x/y",
        b"content-length: 4",
    }


@asynchronous
async def test_connections_are_kept_and_no_more_than_allowed():
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await head(reader)
            await asyncio.sleep(0.001)
            writer.write(OK)

    async with Server(script) as server:
        there = server.connections(most=3)
        answers = await asyncio.gather(*(there.request("GET", "/") for _ in range(30)))
        for _ in range(5):
            await there.request("GET", "/")
        assert server.opened == 3
        assert {answer.body for answer in answers} == {b"hi"}
        await there.close()


@asynchronous
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n4\r\n you\r\n0\r\nx: trailer\r\n\r\n",
            b"hi you",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, b"hi"),
    ],
    ids=["chunked", "without a body", "after 100", "after 103"],
)
async def test_bodies_are_read_to_their_end_and_the_connection_goes_on(answer, body):
    async with Server(saying(answer, OK)) as server:
        there = server.connections()
        assert (await there.request("GET", "/")).body == body
        assert (await there.request("GET", "/")).body == b"hi"
        assert server.opened == 1
        await there.close()


@asynchronous
async def test_a_body_may_end_with_the_connection():
    assert (await get(saying(b"HTTP/1.0 200 OK\r\n\r\nall of it", close=True))).body == b"all of it"


@asynchronous
@pytest.mark.parametrize("fields", [b"content-length: 5000\r\n", b"", b"transfer-encoding: chunked\r\n"])
async def test_an_answer_to_head_has_no_body_whatever_it_says(fields):
    answer = b"HTTP/1.1 404 Not Found\r\n" + fields + b"\r\n"
    async with Server(saying(answer, OK)) as server:
        there = server.connections()
        first = await there.request("HEAD", "/")
        assert (first.status, first.body) == (404, b"")
        assert (await there.request("GET", "/")).body == b"hi"
        assert server.opened == 1
        await there.close()


@asynchronous
async def test_a_connection_that_is_to_close_is_not_used_again():
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"
    async with Server(saying(closing)) as server:
        there = server.connections()
        for method in ("GET", "HEAD", "GET"):
            assert (await there.request(method, "/")).status == 200
        assert server.opened == 3
        await there.close()


@asynchronous
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-len",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhi",
    ],
    ids=["nothing", "header", "body", "chunk"],
)
async def test_an_answer_that_is_cut_short_is_none(answer):
    with pytest.raises(LostError, match="before the end of the answer") as lost:
        await get(saying(answer, close=True))
    assert not lost.value.stale


@asynchronous
@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x15\x03\x01\x00\x02\x02"])
async def test_what_is_not_http_is_told(answer):
    with pytest.raises(LostError, match="not one of HTTP/1.1"):
        await get(saying(answer))


@asynchronous
@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 3000, OK[:-2] + b"z" * 9000])
async def test_an_answer_without_end_is_not_read_to_it(answer, monkeypatch):
    monkeypatch.setattr(connections, "MOST_HEAD", 2000)
    monkeypatch.setattr(connections, "MOST_BODY", 8000)
    answer = answer.replace(b"content-length: 2", b"content-length: 90000")
    with pytest.raises(LostError, match="too large"):
        await get(saying(answer))


@asynchronous
async def test_a_server_that_hangs_is_not_waited_for_and_the_slot_is_free_again():
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"GET /hang" in await head(reader):
            writer.write(OK[:20])
        else:
            writer.write(OK)
        await reader.read()

    async with Server(script) as server:
        there = server.connections(most=1, timeout=0.1)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await there.request("GET", "/hang")
        assert 0.05 < time.monotonic() - started < 1
        assert (await there.request("GET", "/")).body == b"hi"
        await asyncio.sleep(0.2)  # idle for longer than a request may take
        await there.close()


@asynchronous
async def test_a_large_body_has_its_own_time(monkeypatch):
    monkeypatch.setattr(connections, "SLOWEST", 1_000_000)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        await asyncio.sleep(0.2)
        writer.write(OK)

    async with Server(script) as server:
        there = server.connections(timeout=0.05)
        assert (await there.request("PUT", "/", body=b"x" * 500_000)).status == 200
        await there.close()


@asynchronous
async def test_a_connection_that_was_closed_while_it_was_idle_is_told_from_one_that_broke():
    async with Server(saying(OK, close=True)) as server:
        there = server.connections()
        await there.request("GET", "/")
        await asyncio.sleep(0.05)
        assert (await there.request("GET", "/")).status == 200  # its end was seen: another is opened

        async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(OK)
            await head(reader)  # the next request is read, and not answered

        server._script = late
        await asyncio.sleep(0.05)
        await there.request("GET", "/")
        with pytest.raises(LostError) as lost:
            await there.request("GET", "/")
        assert lost.value.stale
        assert (await there.request("GET", "/", new=True)).status == 200
        await there.close()


@asynchronous
async def test_who_gives_up_leaves_nothing_behind():
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"GET /hang" not in await head(reader):
            writer.write(OK)
        await reader.read()

    async with Server(script) as server:
        there = server.connections(most=1)
        hanging = asyncio.create_task(there.request("GET", "/hang"))
        waiting = [asyncio.create_task(there.request("GET", "/")) for _ in range(3)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        hanging.cancel()
        assert [(await each).body for each in waiting[1:]] == [b"hi", b"hi"]
        await there.close()


@asynchronous
async def test_a_port_where_nobody_listens_is_an_error_of_the_system():
    there = Connections(Origin(False, "127.0.0.1", 1, "127.0.0.1:1"), most=1)
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await there.request("GET", "/")


@pytest.mark.parametrize("known", [True, False])
def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool):
    root = authority("a test")
    key, certificate = root.issue("localhost", dns=["localhost"])
    (tmp_path / "both.pem").write_text(key + certificate)
    (tmp_path / "root.pem").write_text(root.cert_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "both.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem") if known else "/nonexistent")

    @asynchronous
    async def scenario() -> None:
        async with Server(saying(OK, OK), context) as server:
            there = Connections(Origin(True, "localhost", server.port, f"localhost:{server.port}"), most=1)
            if known:
                assert [(await there.request("GET", "/")).body for _ in range(2)] == [b"hi", b"hi"]
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await there.request("GET", "/")
            await there.close()

    scenario()

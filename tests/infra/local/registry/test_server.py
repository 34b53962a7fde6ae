"""The bytes on the wire, against a server on a free port of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from infra.local.registry.protocol import Answer, Request
from infra.local.registry.server import Connection
from infra.local.registry.service import Registry
from tests.infra.local.registry.helpers import AMPLE, digest

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


def echo(request: Request) -> Answer:
    fields = [(b"x-path", request.path.encode()), (b"x-query", request.query.encode())]
    status = 204 if request.path == "/204" else 200
    return Answer(status, fields, b"" if status == 204 else request.body or request.method.encode())


def talk(conversation: Talk, answer: Callable[[Request], Answer] = echo) -> bytes:
    """What one client gets out of a conversation with the server."""

    async def run() -> bytes:
        server = await asyncio.get_running_loop().create_server(lambda: Connection(answer), "127.0.0.1", 0)
        try:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                return await asyncio.wait_for(conversation(reader, writer), 10)
            finally:
                writer.close()
                await asyncio.sleep(0.01)  # both ends see the close before the loop ends
        finally:
            server.close()

    return asyncio.run(run())


def send(*pieces: bytes) -> bytes:
    """Everything the server says to these bytes, sent piece by piece, until it closes the connection."""

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)
        return await reader.read()

    return talk(conversation)


CLOSE = b"Connection: close\r\n\r\n"


def test_an_answer_has_status_fields_length_and_body():
    assert send(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n" + CLOSE) == (
        b"HTTP/1.1 200 OK\r\nx-path: /a\r\nx-query: b=c\r\ncontent-length: 3\r\nconnection: close\r\n\r\nGET"
    )


def test_head_gets_the_length_without_the_body():
    answer = send(b"HEAD / HTTP/1.1\r\n" + CLOSE)
    assert b"content-length: 4\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_204_has_no_length():
    assert b"content-length" not in send(b"GET /204 HTTP/1.1\r\n" + CLOSE)


def test_a_path_is_decoded_and_a_query_is_not():
    answer = send(b"GET /sha256%3Aab?x=%2B HTTP/1.1\r\n" + CLOSE)
    assert b"x-path: /sha256:ab\r\nx-query: x=%2B\r\n" in answer


def test_pipelined_requests_are_answered_in_order():
    requests = b"".join(b"PUT /%d HTTP/1.1\r\nContent-Length: 1\r\n\r\n%d" % (n, n) for n in range(9))
    answers = send(requests + b"GET /9 HTTP/1.1\r\n" + CLOSE)
    assert [answers.index(b"x-path: /%d\r\n" % n) for n in range(10)] == sorted(
        answers.index(b"x-path: /%d\r\n" % n) for n in range(10)
    )


def test_a_request_may_arrive_byte_by_byte():
    request = b"PUT /a HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
    pieces = [request[n : n + 1] for n in range(len(request))]
    assert send(*pieces).endswith(b"\r\n\r\nabc")


def test_a_chunked_body_is_put_together():
    request = b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert send(request, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n").endswith(b"\r\n\r\nabcde")


def test_expect_is_answered_before_the_body():
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"PUT /a HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n" + CLOSE)
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"abc")
        return interim + await reader.read()

    answer = talk(conversation)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"abc")


def test_http_1_0_ends_with_its_answer():
    assert send(b"GET / HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nGET")


def test_an_upgrade_is_ignored():
    request = b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    assert send(request).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client hello
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_malformed_requests_are_400_and_the_end(garbage):
    assert send(garbage) == b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def test_a_client_that_goes_before_its_body_is_complete_changes_nothing():
    asked: list[Request] = []

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"PUT /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
        await writer.drain()
        writer.write_eof()
        return await reader.read()

    def answer(request: Request) -> Answer:
        asked.append(request)
        return Answer(200)

    assert (talk(conversation, answer), asked) == (b"", [])


def test_a_slow_reader_gets_every_byte():
    content = b"x" * 20_000_000

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 3 + b"GET / HTTP/1.1\r\n" + CLOSE)
        await asyncio.sleep(0.05)
        return await reader.read()

    assert talk(conversation, lambda _: Answer(200, [], content)).count(b"x") == 4 * len(content)


def test_concurrent_uploads_over_connections_of_their_own():
    contents = [bytes([n]) * 200_000 for n in range(20)]

    async def upload(address: tuple[str, int], content: bytes) -> int:
        reader, writer = await asyncio.open_connection(*address)

        async def ask(method: str, path: str, body: bytes = b"") -> dict[str, str]:
            writer.write(f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            for start in range(0, len(body), 10_000):
                writer.write(body[start : start + 10_000])
                await writer.drain()
            status, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            answer = dict(field.split(": ", 1) for field in fields)
            await reader.readexactly(int(answer["content-length"]))
            return answer | {"status": status.split()[1]}

        location = (await ask("POST", "/v2/app/blobs/uploads/"))["location"]
        for start in range(0, len(content), 50_000):
            await ask("PATCH", location, content[start : start + 50_000])
        done = await ask("PUT", f"{location}?digest={digest(content)}")
        writer.close()
        await writer.wait_closed()
        return int(done["status"])

    async def run() -> list[int]:
        registry = Registry(AMPLE, "eastus2")
        server = await asyncio.get_running_loop().create_server(lambda: Connection(registry.answer), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        try:
            return await asyncio.gather(*(upload(address, content) for content in contents))
        finally:
            await asyncio.sleep(0.01)
            server.close()

    assert asyncio.run(run()) == [201] * 20

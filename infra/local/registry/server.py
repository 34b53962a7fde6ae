"""HTTP/1.1 for a function that answers at once: httptools parses, this module frames, uvloop moves the bytes.

The registry shares its processors with what is being measured. A general server (uvicorn on the same parser and loop)
spends twice the time on a small request, for tasks, scopes and queues that an answer without waiting does not need; so
this one calls the function when a request's last byte is here, and writes. It speaks keep-alive, pipelining, chunked
bodies and 100-continue; it ignores upgrades, limits no sizes, and is for loopback clients that are trusted.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import httptools
import uvloop

from infra.local.registry.protocol import Answer, Headers, Request

Answerer = Callable[[Request], Answer]

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_STOPS = (signal.SIGTERM, signal.SIGINT)
_EXPECTS = (b"expect", b"100-continue")


class Connection(asyncio.Protocol):
    """One client's connection. Answers leave in the order of the requests, because each is made before the next."""

    _transport: asyncio.Transport

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = []
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # of a stream socket

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # an error of ours, which the event loop logs
        except httptools.HttpParserUpgrade:
            self._transport.close()  # the request has its answer, and what follows it is another protocol
        except httptools.HttpParserError:
            self._transport.write(_STATUS_LINES[400] + b"connection: close\r\ncontent-length: 0\r\n\r\n")
            self._transport.close()

    def pause_writing(self) -> None:
        """A client that does not read its answers is not asked for more requests."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if _EXPECTS in self._headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        url, _, query = self._url.decode("latin-1").partition("?")
        path = unquote(url) if "%" in url else url
        answer = self._answer(Request(method, path, query, self._headers, b"".join(self._body)))
        keep_alive = self._parser.should_keep_alive()
        self._write(answer, method != "HEAD", keep_alive)
        if not keep_alive:
            self._transport.close()

    def _write(self, answer: Answer, with_body: bool, keep_alive: bool) -> None:
        head = [_STATUS_LINES[answer.status]]
        for name, value in answer.headers:
            head += (name, b": ", value, b"\r\n")
        if answer.status != 204:  # which has no body, and no length of one (RFC 9110, 8.6)
            head.append(b"content-length: %d\r\n" % len(answer.body))
        head.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
        if with_body:
            head.append(answer.body)
        self._transport.writelines(head)


def serve(answer: Answerer, listener: socket.socket) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT. No request is ever half-done when it returns."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)  # one that comes early waits for its handler
    uvloop.run(_serve(answer, listener))


async def _serve(answer: Answerer, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in _STOPS:
        loop.add_signal_handler(number, stopped.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    server = await loop.create_server(lambda: Connection(answer), sock=listener, backlog=1024)
    await stopped.wait()
    server.close()

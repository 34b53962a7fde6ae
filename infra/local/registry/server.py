"""HTTP/1.1 for a function that answers at once: httptools parses, this module frames, uvloop moves the bytes.

The registry shares its processors with what is being measured. A general server (uvicorn on the same parser and loop)
spends twice the time on a small request, for tasks, scopes and queues that an answer without waiting does not need; so
this one calls the function when a request's last byte is here, and writes, at once or when its pacing says. It speaks
keep-alive, pipelining, chunked bodies and 100-continue; it ignores upgrades, limits no sizes, and is for loopback
clients that are trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import httptools
import uvloop

from infra.local.registry.pacing import Pacing
from infra.local.registry.protocol import Answer, Headers, Request

Answerer = Callable[[Request], Answer]

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_BAD_REQUEST = _STATUS_LINES[400] + b"connection: close\r\ncontent-length: 0\r\n\r\n"
_STOPS = (signal.SIGTERM, signal.SIGINT)
_OUTAGES = {signal.SIGUSR1: True, signal.SIGUSR2: False}
OUTAGE_SECONDS = 5.0
"""How long an outage lasts that nobody prolongs, by another SIGUSR1: whoever began it may have been killed."""
_EXPECTS = (b"expect", b"100-continue")


class Connection(asyncio.Protocol):
    """One client's connection. Answers leave in the order of the requests, because each is made before the next."""

    _transport: asyncio.Transport

    def __init__(self, answer: Answerer, pacing: Pacing | None = None) -> None:
        self._answer = answer
        self._pacing = pacing
        self._held: deque[tuple[list[bytes], bool]] = deque()
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
            self._send([], close=True)  # the request has its answer, and what follows it is another protocol
        except httptools.HttpParserError:
            self._send([_BAD_REQUEST], close=True)

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
        close = not self._parser.should_keep_alive()
        pieces = [_STATUS_LINES[answer.status]]
        for name, value in answer.headers:
            pieces += (name, b": ", value, b"\r\n")
        if answer.status != 204:  # which has no body, and no length of one (RFC 9110, 8.6)
            pieces.append(b"content-length: %d\r\n" % len(answer.body))
        pieces.append(b"connection: close\r\n\r\n" if close else b"\r\n")
        if method != "HEAD":
            pieces.append(answer.body)
        self._send(pieces, close=close, at_once=answer.at_once)

    def _send(self, pieces: list[bytes], *, close: bool, at_once: bool = False) -> None:
        """Write, and close after it; later if answers are paced, but never before those that are held back."""
        if self._pacing is None or (at_once and not self._held):
            self._write(pieces, close)
        else:
            loop = asyncio.get_running_loop()
            due = self._pacing.leaves(0 if at_once else sum(map(len, pieces)), loop.time())
            self._held.append((pieces, close))
            loop.call_at(due, self._release)

    def _release(self) -> None:
        """Write the answer that has been held back longest: there is a timer for each."""
        pieces, close = self._held.popleft()
        if not self._transport.is_closing():
            self._write(pieces, close)

    def _write(self, pieces: list[bytes], close: bool) -> None:
        self._transport.writelines(pieces)
        if close:
            self._transport.close()


def serve(
    listeners: Mapping[socket.socket, Answerer], pacing: Pacing | None, on_outage: Callable[[bool], None]
) -> None:
    """Serve on listening sockets until SIGTERM or SIGINT. No request is ever half-done when it returns.

    SIGUSR1 and SIGUSR2 tell ``on_outage`` that an outage begins and ends; it ends by itself after ``OUTAGE_SECONDS``.
    """
    # One that comes early waits for its handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, [*_STOPS, *_OUTAGES])
    uvloop.run(_serve(listeners, pacing, on_outage))


async def _serve(
    listeners: Mapping[socket.socket, Answerer], pacing: Pacing | None, on_outage: Callable[[bool], None]
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in _STOPS:
        loop.add_signal_handler(number, stopped.set)
    ending: asyncio.TimerHandle | None = None

    def outage(begins: bool) -> None:
        nonlocal ending
        if ending:
            ending.cancel()
        ending = loop.call_later(OUTAGE_SECONDS, on_outage, False) if begins else None
        on_outage(begins)

    for number, begins in _OUTAGES.items():
        loop.add_signal_handler(number, outage, begins)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [*_STOPS, *_OUTAGES])
    async with contextlib.AsyncExitStack() as servers:
        for listener, answer in listeners.items():
            server = await loop.create_server(_connections(answer, pacing), sock=listener, backlog=1024)
            servers.callback(server.close)
        await stopped.wait()


def _connections(answer: Answerer, pacing: Pacing | None) -> Callable[[], Connection]:
    return lambda: Connection(answer, pacing)

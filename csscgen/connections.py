"""HTTP/1.1 to one origin on kept-alive connections: httptools parses, asyncio moves the bytes, this module frames.

It is our own because a request costs 240-320 us of CPU with aiohttp and 63-77 us with a bare protocol on httptools
(measured on the machine that the emulator is developed on), and what seeds a registry or sends a load shares the
machine's processors with who answers. It does what those two need: bodies in full, chunked or with a length, answers to
HEAD, connections that the server closes, TLS. It asks for no compression, follows no redirect, and waits for no
100-continue. References: RFC 9112; RFC 9110.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

TIMEOUT = 15.0
"""Seconds for a request without its body, from the first byte that is sent to the last one of its answer."""
CONNECT_TIMEOUT = 10.0
"""Seconds until a connection stands, TLS included."""
SLOWEST = 100_000
"""Bytes per second: a request with a body has the time for it at this rate beside its timeout."""
MOST_HEAD = 64 * 1024
"""Bytes of the header fields of an answer."""
MOST_BODY = 64 * 1024 * 1024
"""Bytes of the body of an answer: a manifest has 4 MiB at most, the envelope of a signature 32."""
JOINED = 64 * 1024
"""Bytes of a body up to which it is copied, to leave with its head in one piece."""
_WITH_LENGTH = ("POST", "PUT", "PATCH")


class LostError(ConnectionError):
    """The connection ended before the answer did, or the answer is none."""

    stale = False
    """Whether the connection had been idle and no byte of an answer came: the server has most probably closed it
    before the request was there."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a server is. ``host`` is a name, or an address without brackets; its text is the origin of a URL."""

    tls: bool
    host: str
    port: int
    authority: str
    """``host`` or ``host:port``, as it was given."""

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}"


@dataclass(slots=True)
class Answer:
    status: int
    fields: dict[bytes, bytes]
    """Header fields by their names in lower case; of a repeated one all values, as a list with commas."""
    body: bytes

    def header(self, name: str) -> str | None:
        """A header field by its name in lower case."""
        value = self.fields.get(name.encode())
        return None if value is None else value.decode("latin-1")


class Connections:
    """At most ``most`` connections to ``origin``; a further request waits for one. Belongs to one event loop.

    ``tls`` says whom to trust and who one is; without it those are trusted whom the machine trusts.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        most: int,
        timeout: float = TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._origin = origin
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._slots: list[_Connection | None] = [None] * most  # None: one that is to be opened; the open ones are last
        self._waiting: deque[asyncio.Future[_Connection | None]] = deque()
        self._open: set[_Connection] = set()
        self._lines = f" HTTP/1.1\r\nhost: {origin.authority}\r\nuser-agent: csscgen\r\n".encode()
        self._tls = tls

    async def request(
        self,
        method: str,
        target: str,
        fields: bytes = b"",
        body: bytes = b"",
        *,
        new: bool = False,
        on_send: Callable[[], None] | None = None,
    ) -> Answer:
        """Send a request and read its answer in full.

        ``target`` is a path with its query, in ASCII; ``fields`` are header lines, each with its CRLF; ``new`` is for
        one that must not go on a connection that was idle; ``on_send`` is called when its connection stands. Raises an
        OSError: LostError, TimeoutError, or one of connecting, ssl.SSLCertVerificationError included.
        """
        head = method.encode() + b" " + target.encode("ascii") + self._lines + fields
        if body or method in _WITH_LENGTH:
            head += b"content-length: %d\r\n" % len(body)
        connection = self._slots.pop() if self._slots else await self._slot()
        try:
            if connection is None or new or connection.closed:
                if connection is not None:
                    connection.abort()
                connection = await self._connect()
            if on_send is not None:
                on_send()
            seconds = self._timeout + len(body) / SLOWEST
            return await connection.send(head + b"\r\n", body, method == "HEAD", seconds)
        except BaseException:
            if connection is not None:
                connection.abort()
            raise
        finally:
            self._release(connection)

    async def open(self, count: int) -> None:
        """Open ``count`` connections beforehand, so that the first requests need not wait for it; one that fails is
        left to the request that needs it. No request may be under way.
        """
        opened = await asyncio.gather(*(self._connect() for _ in range(count)), return_exceptions=True)
        for each in opened:
            if isinstance(each, _Connection):
                self._slots.remove(None)
                self._slots.append(each)
            elif not isinstance(each, OSError):
                raise each

    async def close(self) -> None:
        """Close all connections. No request may be under way."""
        for connection in self._open:
            connection.abort()
        await asyncio.sleep(0)  # for the loop to close what has been told to

    async def _slot(self) -> _Connection | None:
        waiter: asyncio.Future[_Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._release(waiter.result())
            raise

    def _release(self, connection: _Connection | None) -> None:
        if connection is not None and connection.closed:
            connection = None
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None:
            self._slots.insert(0, None)
        else:
            self._slots.append(connection)

    async def _connect(self) -> _Connection:
        origin = self._origin
        if origin.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connect_timeout):
            _, connection = await loop.create_connection(
                lambda: _Connection(loop, self._open), origin.host, origin.port, ssl=self._tls if origin.tls else None
            )
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time. The parser calls the methods that begin with ``on_``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, among: set[_Connection]) -> None:
        self.closed = False
        self._loop = loop
        self._among = among
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._bare = False  # an answer without a body, whatever it says of its length
        self._used = self._heard = False
        self._due = self._looks = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._fields: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._headed = False
        self._size = 0

    def send(self, head: bytes, body: bytes, bare: bool, seconds: float) -> asyncio.Future[Answer]:
        """Send a request; its answer, or the exception that there was instead, within so many seconds."""
        loop = self._loop
        self._answer = answer = loop.create_future()
        self._bare = bare
        self._heard = False
        self._due = loop.time() + seconds
        if self._timer is None or self._looks > self._due:
            self._watch()
        if len(body) <= JOINED:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        return answer

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self.closed = True
        self._answer = None
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()

    def _watch(self) -> None:
        """One timer for all requests of the connection: it looks again when the one that is under way is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._answer is not None:
            if self._loop.time() < self._due:
                self._looks = self._due
                self._timer = self._loop.call_at(self._due, self._watch)
            else:
                self._fail(TimeoutError("no answer in time"))

    def _fail(self, error: OSError) -> None:
        answer = self._answer
        self.abort()
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # of a stream socket
        self._among.add(self)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # that nobody asked for
            self.abort()
            return
        self._heard = True
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(LostError("the answer is not one of HTTP/1.1"))
            return
        if self._size > (MOST_BODY if self._headed else MOST_HEAD):
            self._fail(LostError("the answer is too large"))

    def connection_lost(self, error: Exception | None) -> None:
        self._among.discard(self)
        if self._answer is not None:
            if error is None and self._headed and not self._has_length():
                self._complete()  # its body ends with the connection
            else:
                lost = LostError("the connection was closed before the end of the answer")
                lost.stale = self._used and not self._heard
                self._fail(lost)
        self.closed = True

    def _has_length(self) -> bool:
        return b"content-length" in self._fields or b"transfer-encoding" in self._fields

    def on_message_begin(self) -> None:
        self._fields = {}
        self._body = []
        self._headed = False
        if self._answer is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        fields = self._fields
        fields[name] = value if name not in fields else fields[name] + b", " + value

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            return
        self._headed = True
        if self._bare:
            self._complete()
            self._parser = httptools.HttpResponseParser(self)  # this one goes on to wait for a body

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._headed:
            self._complete()

    def _complete(self) -> None:
        answer, self._answer = self._answer, None
        self._used = True
        self._headed = False
        self._size = 0
        parser, body = self._parser, self._body
        # Of an answer to HEAD without a length the parser believes that a body follows, up to the connection's end.
        stays = self._fields.get(b"connection", b"").lower() != b"close" if self._bare else parser.should_keep_alive()
        if not stays:
            self.closed = True
            self._transport.close()
        if answer is not None and not answer.done():
            whole = body[0] if len(body) == 1 else b"".join(body)
            answer.set_result(Answer(parser.get_status_code(), self._fields, whole))

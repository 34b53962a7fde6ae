"""Connections through a front: bytes from one socket to the other and back, and nothing else.

TLS is passed through untouched. A connection stays with the endpoint that it was given; who stops sending is allowed to
go on reading, and who reads slowly slows the other side down.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Sequence
from typing import cast

from infra.local.front.endpoints import HOST, Endpoint

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes close() send RST at once."""


class Side(asyncio.Protocol):
    """One side of a relay. What it receives goes to the other side, or waits until there is one."""

    transport: asyncio.Transport | None = None

    def __init__(self) -> None:
        self._other: Side | None = None
        self._early: list[bytes] = []
        self._ended = False

    def join(self, other: Side) -> None:
        """Sends on to ``other``, which is connected, and first what came before it was there."""
        self._other = other
        for data in self._early:
            self.data_received(data)
        self._early.clear()
        if self._ended:
            self.eof_received()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # of a stream socket

    def data_received(self, data: bytes) -> None:
        if (target := self._target()) is not None:
            target.write(data)
        else:
            self._early.append(data)

    def eof_received(self) -> bool:
        """The peer sends no more: told to the other side, which may still answer."""
        self._ended = True
        if (target := self._target()) is not None:
            target.write_eof()
        return self._other is None or not self._other._ended

    def connection_lost(self, error: Exception | None) -> None:
        if (target := self._target()) is not None:
            if error:
                reset(target)
            else:
                target.close()

    def pause_writing(self) -> None:
        if (target := self._target()) is not None:
            target.pause_reading()

    def resume_writing(self) -> None:
        if (target := self._target()) is not None:
            target.resume_reading()

    def _target(self) -> asyncio.Transport | None:
        target = self._other.transport if self._other else None
        return None if target is None or target.is_closing() else target


class Client(Side):
    """A connection that came in: given to a ready endpoint at random, or reset at once if there is none."""

    def __init__(self, front: Front) -> None:
        super().__init__()
        self._front = front
        self._endpoint: Endpoint | None = None
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport
        self._endpoint = self._front.pick()
        if self._endpoint is None:
            reset(self.transport)
            return
        self._endpoint.connections += 1
        self._endpoint.open += 1
        self._front.clients.add(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(self.transport, self._endpoint))

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._endpoint:
            self._endpoint.open -= 1
            self._front.clients.discard(self)

    async def _connect(self, transport: asyncio.Transport, endpoint: Endpoint) -> None:
        behind = Side()
        try:
            opened, _ = await asyncio.get_running_loop().create_connection(lambda: behind, HOST, endpoint.port)
        except OSError:
            endpoint.failed += 1
            reset(transport)
            return
        behind.join(self)
        if transport.is_closing():
            opened.close()
        else:
            self.join(behind)


class Front:
    """The endpoints, and who gets the next connection."""

    def __init__(self, endpoints: Sequence[Endpoint], choose: random.Random | None = None) -> None:
        self.endpoints = list(endpoints)
        self.clients: set[Client] = set()
        self.refused = 0
        """Connections that came while no endpoint was ready."""
        self._choose = choose or random.Random()

    def pick(self) -> Endpoint | None:
        """One of the ready endpoints, at random as kube-proxy's iptables rules pick it; None if there is none."""
        ready = [endpoint for endpoint in self.endpoints if endpoint.ready]
        if not ready:
            self.refused += 1
            return None
        return self._choose.choice(ready)

    def client(self) -> Client:
        """The protocol of a connection that comes in."""
        return Client(self)

    def close(self) -> None:
        """Resets every connection: uvloop does not end while one of them has something left to write."""
        for client in list(self.clients):
            assert client.transport
            reset(client.transport)


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection with RST, so that its peer knows at once that something is wrong."""
    if (own := transport.get_extra_info("socket")) is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()

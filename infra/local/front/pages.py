"""A front's own pages: /metrics, which shows who got how much, and /readyz."""

from __future__ import annotations

import asyncio
from typing import cast

import psutil

from infra.local.front.relays import Front

STARTED = psutil.Process().create_time()
MOST = 16_384


class Page(asyncio.Protocol):
    """Answers one GET and closes."""

    _transport: asyncio.Transport

    def __init__(self, front: Front) -> None:
        self._front = front
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # of a stream socket

    def data_received(self, data: bytes) -> None:
        self._received += data
        if b"\r\n\r\n" in self._received or len(self._received) > MOST:
            status, text = self._answer(self._received.split(b"\r\n", 1)[0].split(b" ")[1:2])
            body = text.encode()
            head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n"
            self._transport.write(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
            self._transport.close()

    def _answer(self, path: list[bytes]) -> tuple[str, str]:
        if path == [b"/metrics"]:
            return "200 OK", metrics(self._front)
        if path == [b"/readyz"]:
            ready = any(endpoint.ready for endpoint in self._front.endpoints)
            return ("200 OK", "ok\n") if ready else ("503 Service Unavailable", "no endpoint is ready\n")
        return "404 Not Found", "there are /metrics and /readyz\n"


def metrics(front: Front) -> str:
    """The counts in Prometheus' text format."""
    lines = [f"process_start_time_seconds {STARTED:.2f}", f"front_refused_connections_total {front.refused}"]
    for endpoint in front.endpoints:
        label = f'{{endpoint="{endpoint.name}"}}'
        lines += [
            f"front_connections_total{label} {endpoint.connections}",
            f"front_open_connections{label} {endpoint.open}",
            f"front_failed_connections_total{label} {endpoint.failed}",
            f"front_endpoint_ready{label} {int(endpoint.ready)}",
        ]
    return "\n".join(lines) + "\n"

"""Time on the way: how long an answer is held back, as if the registry were not on this machine.

An answer leaves after the latency, and after its bytes and those of every answer before it have passed through one
link that all clients share. What it says is decided when the request arrives. uvloop's timers count milliseconds.
"""

from __future__ import annotations


class Pacing:
    """``latency`` in seconds per answer, ``bandwidth`` in bytes per second for all answers together, or None."""

    def __init__(self, latency: float, bandwidth: float | None) -> None:
        self._latency = latency
        self._bandwidth = bandwidth
        self._free = 0.0

    def leaves(self, size: int, now: float) -> float:
        """When an answer of ``size`` bytes that is ready now has left. Never before one that was ready earlier."""
        if self._bandwidth is not None:
            now = self._free = max(self._free, now) + size / self._bandwidth
        return now + self._latency

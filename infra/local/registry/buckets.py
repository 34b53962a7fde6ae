"""Token buckets: how the emulator decides that a caller has asked too often, and for how long it must wait.

ACR throttles with a bucket per category of request, and one request may be charged to several (listing referrers is a
read as well), so ``debit`` takes any number of buckets and charges all of them or none. Whoever has more buckets, one
per identity for example, passes more of them.

Amounts are integers: a bucket of ``per_minute`` tokens refills by ``per_minute`` units in a nanosecond when a token is
as many units as a minute has nanoseconds. Nothing is rounded, so a caller that waits as long as it was told is always
admitted, and no window of t seconds admits more than ``per_minute + per_minute * t / 60`` requests. The clock is the
caller's; time that runs backwards refills nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

TOKEN = 60 * 10**9
"""Units in a token: the nanoseconds of a minute."""


class TokenBucket:
    """``per_minute`` tokens (at least 1), full at the start, refilled continuously to ``per_minute`` at most."""

    __slots__ = ("_full", "_level", "_now", "per_minute")

    def __init__(self, per_minute: int, now: int) -> None:
        self.per_minute = per_minute
        self._full = per_minute * TOKEN
        self._level = self._full
        self._now = now

    def refill(self, now: int) -> int:
        """Bring the level up to ``now`` (nanoseconds), and return it in units."""
        elapsed = now - self._now
        if elapsed > 0:
            self._now = now
            level = self._level + elapsed * self.per_minute
            self._level = level if level < self._full else self._full
        return self._level

    def tokens(self, now: int) -> float:
        """The tokens at ``now`` (nanoseconds)."""
        return self.refill(now) / TOKEN

    def take(self) -> None:
        """Charge one token; only ``debit`` knows whether there is one."""
        self._level -= TOKEN


def debit(buckets: Sequence[TokenBucket], now: int) -> int:
    """Charge one token to every bucket, or nothing to any.

    Returns 0 when charged, else the nanoseconds from ``now`` until the same call would succeed if nobody else asked.
    """
    wait = 0
    for bucket in buckets:
        missing = TOKEN - bucket.refill(now)
        if missing > 0:
            wait = max(wait, -(-missing // bucket.per_minute))
    if not wait:
        for bucket in buckets:
            bucket.take()
    return wait


def retry_after(wait: int) -> int:
    """The value of a Retry-After header for a wait in nanoseconds: whole seconds, rounded up, at least 1."""
    return max(1, -(-wait // 10**9))

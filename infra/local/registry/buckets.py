"""Token buckets: how the emulator decides that a caller has asked too often, and for how long it is told to wait.

``debit`` charges one request to any number of buckets, to all of them or to none: to the registry's and the identity's
of its category, and for a list of referrers to those of reads too.

Amounts are integers: a bucket of ``per_minute`` tokens refills by ``per_minute`` units in a nanosecond when a token is
as many units as a minute has nanoseconds. Nothing is rounded, and no window of t seconds admits more than
``per_minute + per_minute * t / 60`` requests. The clock is the caller's; time that runs backwards refills nothing.

**Retry-After.** Microsoft says that it counts down the seconds left in the throttling period, and that a caller can be
throttled for up to a full minute; what begins a period is not published. The model: a period of a minute begins with
the first refusal of a bucket, the next one with the first refusal after it has ended. A refused caller is told to wait
until the period of each bucket that refused it has ended, and never less than until there is a token. So whoever waits
as told is admitted if nobody else asked; whoever comes earlier is admitted as soon as there is a token.
"""

from __future__ import annotations

from collections.abc import Sequence

TOKEN = 60 * 10**9
"""Units in a token: the nanoseconds of a minute."""
PERIOD = 60 * 10**9
"""Nanoseconds of a throttling period."""


class TokenBucket:
    """``per_minute`` tokens (at least 1), full at the start, refilled continuously to ``per_minute`` at most."""

    __slots__ = ("_full", "_level", "_now", "_period_end", "per_minute", "refusals")

    def __init__(self, per_minute: int, now: int) -> None:
        self.per_minute = per_minute
        self.refusals = 0
        self._full = per_minute * TOKEN
        self._level = self._full
        self._now = now
        self._period_end = now

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

    def refuse(self, now: int) -> int:
        """Count a refusal; the nanoseconds that the caller is told to wait. Only for a bucket without a token."""
        self.refusals += 1
        if now >= self._period_end:
            self._period_end = now + PERIOD
        return max(self._period_end - now, -((self._level - TOKEN) // self.per_minute))


def debit(buckets: Sequence[TokenBucket], now: int) -> int:
    """Charge one token to every bucket, or nothing to any.

    Returns 0 when charged, else the nanoseconds from ``now`` that the caller is told to wait.
    """
    wait = 0
    for bucket in buckets:
        if bucket.refill(now) < TOKEN:
            wait = max(wait, bucket.refuse(now))
    if not wait:
        for bucket in buckets:
            bucket.take()
    return wait


def retry_after(wait: int) -> int:
    """The value of a Retry-After header for a wait in nanoseconds: whole seconds, rounded up, at least 1."""
    return max(1, -(-wait // 10**9))

"""One emulated registry: the distribution API behind its token buckets, counted and charged request by request.

The metrics page is neither charged nor counted. Whatever decides about a request before the API sees it belongs here:
the API knows contents, the server knows bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.local.registry import metrics
from infra.local.registry.buckets import TokenBucket, debit, retry_after
from infra.local.registry.distribution import Distribution, Target, parse
from infra.local.registry.protocol import Answer, Refusal, Request
from infra.local.registry.storage import Storage
from workloads.registries import Category, RegistrySize


class Registry:
    """A registry of one size in one region, with a storage of its own.

    ``clock`` counts nanoseconds and never runs backwards; it is what the buckets refill by.
    """

    def __init__(self, size: RegistrySize, region: str, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._size = size
        self._region = region
        self._clock = clock
        self._distribution = Distribution(Storage())
        self._requests: dict[tuple[str, int], int] = {}
        now = clock()
        self._buckets = {category: TokenBucket(limit, now) for category, limit in size.per_minute.items()}
        read, write, referrers = (self._buckets[c] for c in ("read", "write", "list_referrers"))
        self._charged: dict[Category, tuple[TokenBucket, ...]] = {
            "read": (read,),
            "write": (write,),
            "list_referrers": (referrers, read),
        }

    def answer(self, request: Request) -> Answer:
        """The answer to a request: from the API, or 429 if one of the buckets it is charged to is empty."""
        if request.path == "/metrics":
            return self._metrics()
        target = parse(request.path)
        category = _category(request.method, target)
        wait = debit(self._charged[category], self._clock())
        answer = _too_many(category, wait) if wait else self._distribution.handle(request, target)
        counted = category, answer.status
        self._requests[counted] = self._requests.get(counted, 0) + 1
        return answer

    def _metrics(self) -> Answer:
        now = self._clock()
        tokens: dict[str, float] = {category: bucket.tokens(now) for category, bucket in self._buckets.items()}
        content = metrics.page(self._region, self._size.name, self._requests, tokens)
        return Answer(200, [(b"content-type", metrics.CONTENT_TYPE)], content)


def _category(method: str, target: Target) -> Category:
    if method not in ("GET", "HEAD"):
        return "write"
    return "list_referrers" if target.kind == "referrers" else "read"


def _too_many(category: Category, wait: int) -> Answer:
    seconds = retry_after(wait)
    return Refusal(
        "TOOMANYREQUESTS",
        f"the limit of {category} requests is reached; retry after {seconds} seconds",
        headers=[(b"retry-after", str(seconds).encode())],
    ).answer()

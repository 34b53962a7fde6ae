"""One emulated registry: what happens to a request before the API sees it, and what is counted of it.

In order: the metrics page, which is free; an outage; who asks and whether they may; the token buckets; then the token
endpoints or the distribution API. The API knows contents, the server knows bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.local.registry import metrics
from infra.local.registry.access import Access
from infra.local.registry.blobs import DataEndpoint
from infra.local.registry.buckets import retry_after
from infra.local.registry.distribution import Distribution
from infra.local.registry.protocol import Answer, Refusal, Request
from infra.local.registry.routes import Target, category, parse
from infra.local.registry.storage import Storage
from infra.local.registry.throttle import Throttle
from workloads.registries import Category, RegistrySize

REFERRERS_PAGE = 100
"""Referrers on a page, unless told otherwise."""


class Registry:
    """A registry of one size in one region.

    ``clock`` counts nanoseconds and never runs backwards; it is what the buckets refill by. Without ``access`` it asks
    nobody who they are; without ``data`` it sends blobs itself; with a ``referrers_page`` of 0 it has no referrers API.
    """

    def __init__(
        self,
        size: RegistrySize,
        region: str,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        storage: Storage | None = None,
        access: Access | None = None,
        data: DataEndpoint | None = None,
        referrers_page: int = REFERRERS_PAGE,
    ) -> None:
        self.size = size
        self.region = region
        self.access = access
        self.data = data
        self.throttle = Throttle(size, access.names if access else (), clock())
        self.requests: dict[tuple[Category, int], int] = {}
        """Answers by category and status."""
        self.sent = 0
        """Bytes of the bodies that were sent."""
        self._clock = clock
        self._down = False
        self._distribution = Distribution(storage or Storage(), data, referrers_page)

    def outage(self, down: bool) -> None:
        """Begin or end an outage: 503 for everything but the metrics page."""
        self._down = down
        if self.data:
            self.data.down = down

    def answer(self, request: Request) -> Answer:
        """The answer to a request; a refusal is an answer too."""
        if request.path == "/metrics":
            content = metrics.page(self, self._clock())
            return Answer(200, [(b"content-type", metrics.CONTENT_TYPE)], content, at_once=True)
        target = parse(request.path)
        what = category(request.method, target)
        try:
            answer = self._decide(request, target, what)
        except Refusal as refusal:
            answer = refusal.answer()
        counted = what, answer.status
        self.requests[counted] = self.requests.get(counted, 0) + 1
        if request.method != "HEAD":
            self.sent += len(answer.body)
        return answer

    def _decide(self, request: Request, target: Target, what: Category) -> Answer:
        if self._down:
            raise Refusal("UNAVAILABLE", "an outage is being simulated")
        if self.access is None or not request.path.startswith(("/v2", "/oauth2/")):
            self._charge(what, None)
            return self._distribution.handle(request, target)
        if what == "oauth":
            self._charge(what, None)
            return self.access.endpoints.answer(request)
        try:
            grant = self.access.authorize(request, target)
            request = self.access.mounting(request, target, grant)
        except Refusal:
            if self.size.charge_challenges:
                self._charge(what, None)
            raise
        self._charge(what, grant.identity)
        return self._distribution.handle(request, target)

    def _charge(self, what: Category, identity: str | None) -> None:
        """Charge a request to its buckets. Raises Refusal (429) if one of them is empty."""
        if wait := self.throttle.debit(what, identity, self._clock()):
            seconds = retry_after(wait)
            raise Refusal(
                "TOOMANYREQUESTS",
                f"the limit of {what} requests is reached; retry after {seconds} seconds",
                headers=[(b"retry-after", str(seconds).encode())],
            )

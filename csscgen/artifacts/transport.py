"""Requests to one registry that outlast what a busy registry does to them.

A registry under load answers 429 and sometimes 5xx, or drops a connection, and neither says anything
about the request. Each request is therefore sent again: after the time that Retry-After names, or a
jittered exponential back-off. Both are bounded, and what is left is a RegistryError. After a 429 no
request is sent until the time is over, because the others would be refused too. After a 401 it is
sent once more, with a new token. No redirect is followed and no other host is ever asked, whatever an
answer says.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import aiohttp
import orjson
from multidict import CIMultiDictProxy
from yarl import URL

from csscgen.artifacts.logins import Logins, LoginSource
from workloads.errors import RegistryError, brief, quoted

TRANSIENT = frozenset({408, 500, 502, 503, 504})
ATTEMPTS = 6
"""How often a request is sent before transient failures are final; 429 does not count as one."""
BACKOFF = (0.1, 5.0)
"""Seconds before the first repetition, doubled for each further one, and the most."""
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)


@dataclass
class Traffic:
    """What a transport has done so far."""

    requests: int = 0
    """Requests sent, repetitions included."""
    retries: int = 0
    """Repetitions because of a 5xx answer or a connection that failed."""
    throttled: int = 0
    """Answers 429."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    next: URL | None
    """The next page, where the answer names one (RFC 8288)."""


class Transport:
    """At most ``concurrency`` requests at a time to the registry at ``base``, an origin.

    ``patience`` is how long one request waits in all, in seconds, before it is given up; ``logins`` are for a
    registry that asks for one.
    """

    def __init__(self, base: URL, *, concurrency: int, patience: float, logins: Sequence[LoginSource] = ()) -> None:
        self.traffic = Traffic()
        self._base = base
        self._patience = patience
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._logins = Logins(base, logins[0], self._ask) if logins else None
        self._open_at = 0.0  # by time.monotonic(): no request is sent before

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=self._concurrency)
        self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def request(
        self,
        method: str,
        target: URL | str,
        *,
        expect: Collection[int],
        data: bytes = b"",
        headers: dict[str, str] | None = None,
        scope: str = "",
    ) -> Answer:
        """The first answer whose status is one of ``expect``; RegistryError if there is none.

        ``scope`` is what a token for the request has to cover, where the registry wants one.
        """
        url = self._address(target)
        if (url.scheme, url.host, url.port) != (self._base.scheme, self._base.host, self._base.port):
            raise RegistryError(
                f"The registry {self._base.authority} sent the request {method} on to the host "
                f"{url.authority}. Nothing but the stack's own registry is asked; check its address."
            )
        async with self._slots:
            return await self._send(method, url, expect, data, headers or {}, scope)

    async def _ask(self, url: URL, headers: dict[str, str]) -> bytes:
        """A request for a token, within the slot of the request that needs it."""
        return (await self._send("GET", url, (200,), b"", headers, None)).body

    async def _send(
        self,
        method: str,
        url: URL,
        expect: Collection[int],
        data: bytes,
        headers: dict[str, str],
        scope: str | None,
    ) -> Answer:
        """``scope`` is None for a request that needs no token."""
        logins = self._logins if scope is not None else None
        renewed = False
        waited = 0.0
        failures = 0
        while True:
            waited += await self._wait_open(f"{method} {url.path}", waited)
            token = await logins.token(scope or "") if logins else None
            bearer = {"Authorization": f"Bearer {token}"} if token else {}
            try:
                answer = await self._exchange(method, url, data, {**headers, **bearer})
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                reason = f"the connection failed ({brief(error)})"
                delay = None
            else:
                if answer.status in expect:
                    return answer
                reason = f"it answered {answer.status}{_told(answer.body)}"
                delay = _retry_after(answer.headers.get("Retry-After"))
                if answer.status == 429:
                    self.traffic.throttled += 1
                    self._open_at = max(self._open_at, time.monotonic() + (delay or _backoff(1)))
                    continue
                if answer.status == 401 and logins and not renewed:
                    renewed = logins.refused(scope or "", token, answer.headers.get("WWW-Authenticate", ""))
                    if renewed:
                        continue
                if answer.status == 401 and not self._logins:
                    reason += "; it asks for a login, and there is none for it"
                if answer.status not in TRANSIENT:
                    raise self._failure(f"{method} {url.path}", reason)
            failures += 1
            pause = delay or _backoff(failures)
            if failures == ATTEMPTS or waited + pause > self._patience:
                raise self._failure(f"{method} {url.path}", f"after {failures} attempts {reason}")
            self.traffic.retries += 1
            waited += pause
            await asyncio.sleep(pause)

    async def _exchange(self, method: str, url: URL, data: bytes, headers: dict[str, str]) -> Answer:
        self.traffic.requests += 1
        async with self._session.request(
            method, url, data=data or None, headers=headers, allow_redirects=False
        ) as response:
            try:
                link = response.links.get("next")
            except ValueError:
                raise self._no_address(response.headers.get("Link")) from None
            following = URL(link["url"]) if link is not None else None
            return Answer(response.status, response.headers, await response.read(), following)

    def _address(self, target: URL | str) -> URL:
        try:
            url = self._base.join(target if isinstance(target, URL) else URL(target, encoded=True))
            assert url.port != 0  # which is where a port that is none is found out
        except ValueError:
            raise self._no_address(target) from None
        return url

    def _no_address(self, target: object) -> RegistryError:
        return RegistryError(
            f"The registry {self._base.authority} sent a request on to {quoted(str(target))}, which is no address. "
            "It does not keep to the distribution specification, or is no registry."
        )

    async def _wait_open(self, what: str, waited: float) -> float:
        """Wait until the registry admits requests again; the seconds that it took."""
        started = time.monotonic()
        while (delay := self._open_at - time.monotonic()) > 0:
            if waited + (time.monotonic() - started) + delay > self._patience:
                raise self._failure(
                    what,
                    f"it answers 429 and would keep this request waiting for more than "
                    f"{self._patience:.0f} seconds. Seed fewer images at once, or choose a larger "
                    "registry",
                )
            # Spread out, so that those who wait do not all come at the same instant.
            await asyncio.sleep(delay + random.uniform(0, min(delay, 0.5)))
        return time.monotonic() - started

    def _failure(self, what: str, reason: str) -> RegistryError:
        return RegistryError(f"The registry {self._base.authority} failed at {what}: {reason}.")


def _backoff(failures: int) -> float:
    first, most = BACKOFF
    return min(most, first * 2.0 ** (failures - 1)) * random.uniform(0.5, 1)


def _retry_after(value: str | None) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3); None where it says nothing."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:  # the zone "-0000"
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _told(body: bytes) -> str:
    """The code and message of a registry's error (distribution spec 1.1, "Error Codes"), if any."""
    try:
        error = orjson.loads(body)["errors"][0]
        return f" ({brief(error['code'])}: {brief(error.get('message', ''))})"
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""

"""Requests to one registry that outlast what a busy or a broken registry does to them.

A registry answers 429 or 5xx, drops a connection, hangs, cuts a body short or takes no token any more, and none of that
says anything about the request. Each request is therefore sent again, which is safe for all that a registry is asked:

- after a 429, when Retry-After is over, within ``patience`` seconds that a request waits for that in all;
- after what is transient, with a jittered exponential back-off, within ``budget`` seconds since the first failure; a
  registry that has never given an answer of use is given up sooner, as its address may be wrong;
- after a 401 with another token, a few times.

What is left is a RegistryError. No redirect is followed and no other host is ever asked, whatever an answer says.
"""

from __future__ import annotations

import asyncio
import random
import re
import ssl
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import orjson

from csscgen.artifacts.logins import Credentials, Logins, LoginSource, Scope
from csscgen.artifacts.pacing import Pacer
from csscgen.connections import TIMEOUT, Answer, Connections, LostError, Origin
from workloads.errors import RegistryError, brief, quoted
from workloads.registries import Category, Limit

TRANSIENT = frozenset({408, 500, 502, 503, 504})
BUDGET = 60.0
"""Seconds since its first failure in which a request is sent again."""
ATTEMPTS = 5
"""How often it is sent at least, however long each takes."""
FIRST_BUDGET = 5.0
FIRST_ATTEMPTS = 3
"""The same for a registry that has never answered."""
REFUSALS = 5
"""Answers 401 to one request, each with another token, before that is final; those that say that the token has expired
do not count, as long as there is budget: many requests share a token, and each may find it expired."""
EXPIRED = 'error="invalid_token"'
"""What a challenge says of a token that was good once (RFC 6750, 3.1)."""
BACKOFF = (0.1, 5.0)
"""Seconds before the first repetition, doubled for each further one, and the most."""
MOST_DOUBLINGS = 30
"""Beyond the most seconds by far, and within what a float holds."""
_TARGET = re.compile(r"[!-~]+")


@dataclass
class Traffic:
    """What a transport has done so far. Seconds are those of all requests together, which wait at the same time."""

    requests: int = 0
    """Requests sent, repetitions included."""
    retries: int = 0
    """Repetitions because of a 5xx answer, or one that was none, or a connection that failed."""
    throttled: int = 0
    """Answers 429."""
    paced_s: float = 0.0
    """Waited for the client's own token buckets."""
    throttled_s: float = 0.0
    """Waited for the end of a 429."""


class Transport:
    """At most ``concurrency`` requests at a time to the registry at ``origin``; an async context manager.

    ``logins`` are those who ask, in turn, and ``limits`` what the registry admits. ``timeout`` is for one attempt
    without the time for its body, in seconds.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        concurrency: int,
        patience: float,
        budget: float = BUDGET,
        timeout: float = TIMEOUT,
        logins: Sequence[LoginSource] = (),
        limits: Mapping[Category, Limit] | None = None,
    ) -> None:
        self.traffic = Traffic()
        self._origin = origin
        self._patience = patience
        self._budget = budget
        self._connections = Connections(origin, most=concurrency, timeout=timeout)
        self._logins = Logins(origin, logins, self._ask) if logins else None
        self._pacer = Pacer(limits, len(logins))
        self._answered = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._connections.close()

    def scope(self, *scopes: str) -> Scope | None:
        """The credentials for requests that need these scopes; to be kept, as it has their tokens."""
        return Scope(self._logins, scopes) if self._logins else None

    async def request(
        self,
        method: str,
        target: str,
        *,
        category: Category,
        expect: Collection[int],
        data: bytes = b"",
        fields: bytes = b"",
        credentials: Credentials | None = None,
        check: Callable[[Answer], str | None] | None = None,
    ) -> Answer:
        """The first answer whose status is one of ``expect`` and that passes ``check``; RegistryError if there is none.

        ``target`` is a path with its query, ``fields`` header lines, each with its CRLF. ``check`` says what is wrong
        with an answer, as the end of a sentence that begins with the registry.
        """
        waited = began = 0.0
        failures = refusals = 0
        new = False
        while True:
            who = self._pacer.take(category)
            if who is None:
                who, waited = await self._turn(category, f"{method} {target}", waited)
            sent: bytes | None = b""
            if credentials is not None and (sent := credentials.known(who)) is None:
                sent = await credentials.fetch(who)
            self.traffic.requests += 1
            delay = None
            try:
                answer = await self._connections.request(method, target, fields + (sent or b""), data, new=new)
            except ssl.SSLCertVerificationError as error:
                raise self._failure(f"{method} {target}", f"the connection failed ({brief(error)})") from None
            except OSError as error:
                reason = f"the connection failed ({brief(error)})"
                new = isinstance(error, LostError) and error.stale
                if new:
                    self.traffic.retries += 1
                    continue
            else:
                new = False
                if answer.status in expect:
                    problem = check(answer) if check is not None else None
                    if problem is None:
                        self._answered = True
                        return answer
                    reason = f"it {problem}"
                else:
                    reason = f"it answered {answer.status}{_told(answer.body)}"
                    delay = _retry_after(answer.header("retry-after"))
                    if answer.status == 429:
                        self.traffic.throttled += 1
                        self._pacer.refused(category, who, _backoff(1) if delay is None else delay)
                        continue
                    if answer.status == 401 and credentials is not None:
                        refusals += 1
                        challenge = answer.header("www-authenticate") or ""
                        began = began or time.monotonic()
                        expired = EXPIRED in challenge and time.monotonic() - began < self._budget
                        if credentials.refused(who, sent or b"", challenge) and (expired or refusals < REFUSALS):
                            await asyncio.sleep(_backoff(refusals - 1) if refusals > 1 else 0)
                            continue
                        reason += f", {refusals} times" if refusals > 1 else ""
                    elif answer.status == 401:
                        reason += "; it asks for a login, and there is none for it"
                    if answer.status not in TRANSIENT:
                        raise self._failure(f"{method} {target}", reason)
            failures += 1
            now = time.monotonic()
            began = began or now
            pause = self._pause(failures, now - began, delay)
            if pause is None:
                raise self._failure(f"{method} {target}", f"after {failures} attempts {reason}")
            self.traffic.retries += 1
            await asyncio.sleep(pause)

    def path(self, target: str, base: str = "/") -> str:
        """What an answer to a request of ``base`` points to, as a path. RegistryError if it is on another host."""
        origin = self._origin
        try:
            if not _TARGET.fullmatch(target):
                raise ValueError
            url = urlsplit(urljoin(f"{origin}{base}", target))
            port = url.port if url.port is not None else (443 if url.scheme == "https" else 80)
        except ValueError:
            raise RegistryError(
                f"The registry {origin.authority} sent a request on to {quoted(target)}, which is no address. "
                "It does not keep to the distribution specification, or is no registry."
            ) from None
        if (url.scheme, url.hostname, port) != ("https" if origin.tls else "http", origin.host, origin.port):
            raise RegistryError(
                f"The registry {origin.authority} sent a request on to the host {quoted(url.netloc)}. Nothing but the "
                "stack's own registry is asked; check its address."
            )
        return f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"

    async def _ask(self, path: str, credentials: Credentials, check: Callable[[Answer], str | None]) -> Answer:
        return await self.request("GET", path, category="oauth", expect=(200,), credentials=credentials, check=check)

    async def _turn(self, category: Category, what: str, waited: float) -> tuple[int, float]:
        """Wait until a request may be sent; by whom, and the seconds that it has waited for the end of 429s in all."""
        closed = self._pacer.opens(category)
        if waited + closed > self._patience:
            raise self._failure(
                what,
                f"it answers 429 and would keep this request waiting for more than {self._patience:.0f} seconds. Seed "
                "fewer images at once, or choose a larger registry",
            )
        started = time.monotonic()
        who = await self._pacer.turn(category)
        seconds = time.monotonic() - started
        closed = min(closed, seconds)
        self.traffic.throttled_s += closed
        self.traffic.paced_s += seconds - closed
        return who, waited + closed

    def _pause(self, failures: int, elapsed: float, delay: float | None) -> float | None:
        """Seconds before a request that has failed is sent again; None if that is too late."""
        least, budget = ATTEMPTS, self._budget
        if not self._answered:
            least, budget = FIRST_ATTEMPTS, min(FIRST_BUDGET, budget)
        pause = _backoff(failures) if delay is None else delay
        return None if failures >= least and elapsed + pause > budget else min(pause, budget)

    def _failure(self, what: str, reason: str) -> RegistryError:
        return RegistryError(f"The registry {self._origin.authority} failed at {what.partition('?')[0]}: {reason}.")


def _backoff(failures: int) -> float:
    first, most = BACKOFF
    return min(most, first * 2.0 ** min(failures - 1, MOST_DOUBLINGS)) * random.uniform(0.5, 1)


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

"""Creates the workloads on an absolute schedule (workloads/schedules.py), and records what became of each request.

An open loop, so that a slow API server shows up as latency and lag and not as a lower load. For every request it is
recorded when it was due, sent and answered. Bodies are JSON, and serialised before the first is due: what is left here
per request is then a head and a write, which protobuf would not make less.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import orjson

from csscgen.concurrency import for_each
from csscgen.connections import Connections, LostError
from csscgen.interruptions import run
from csscgen.kubeconfigs import Login
from csscgen.objects import decoded, told
from workloads.errors import ClusterError, brief
from workloads.resources import KINDS
from workloads.schedules import MOST_WORKERS, Part

CONFLICT, NOT_FOUND = 409, 404
REQUEST_SECONDS = 70
"""How long an answer is waited for; the API server itself gives a request up after 60."""
GONE_SECONDS = 60.0
"""How long a deleted object may take to be gone before it is created anew."""
AGAIN_SECONDS = 0.02
BEFOREHAND = 8
"""Connections that stand before the first request is due; more are opened when they are needed."""
DELETION = b'{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}'
JSON = b"content-type: application/json\r\naccept: application/json\r\n"


class Verb(NamedTuple):
    """What is asked for an object."""

    name: str
    method: str
    done: str
    """The status of a request that succeeded."""
    repeated: int
    """What the API server answers to one that it has carried out before."""

    @property
    def creates(self) -> bool:
        return self.method == "POST"


CREATE = Verb("create", "POST", "created", CONFLICT)
RECREATE = CREATE._replace(name="recreate")
DELETE = Verb("delete", "DELETE", "deleted", NOT_FOUND)


@dataclass(frozen=True)
class Request:
    """One request of the load: a line of requests.jsonl. Times are epoch seconds."""

    object: str
    intended: float | None
    """When it was due; None in a closed loop, and where it had to wait for another one."""
    sent: float
    answered: float
    status: str
    """``created``, ``deleted`` or ``failed``."""
    message: str | None = None
    phase: int | None = None
    """Which of the schedule's phases it belongs to, from 0; None if there was none."""
    verb: str = "create"
    """``create``, ``delete``, or ``recreate`` for one that was deleted."""
    code: int | None = None
    """HTTP status of the answer; None if there was no answer, or nobody said."""
    bytes: int | None = None
    """Of the body that was sent."""

    @property
    def workload(self) -> str:
        return self.object.rpartition("/")[2]

    def record(self) -> dict[str, Any]:
        """The line of requests.jsonl."""
        return asdict(self)


@dataclass(frozen=True)
class Item:
    """An object that is ready to be sent."""

    object: str
    collection: str
    """The path that it is created at."""
    name: str
    body: bytes

    @classmethod
    def of(cls, body: dict[str, Any], prefix: str) -> Item:
        metadata = body["metadata"]
        collection = prefix + KINDS[body["kind"].lower()].path(metadata["namespace"])
        return cls(named(body), collection, metadata["name"], orjson.dumps(body))


def named(body: dict[str, Any]) -> str:
    """The object as requests.jsonl names it: kind, namespace and name."""
    return f"{body['kind'].lower()}/{body['metadata']['namespace']}/{body['metadata']['name']}"


def send(
    kubeconfig: str,
    bodies: Sequence[dict[str, Any]],
    parts: Sequence[Part],
    on_answer: Callable[[Request], None],
    *,
    again: bool = False,
    begin: float | None = None,
) -> list[Request]:
    """Sends the objects that ``parts`` name by their place in ``bodies``; what became of each, as they were answered.

    One that got no answer has failed. ``on_answer`` is told of each at once. ``again`` says that one may have been sent
    before: its answer was not heard. ``begin`` is when the schedule begins, epoch seconds, and may have passed; without
    it that is at once. Raises ClusterError if the kubeconfig cannot be used.
    """
    import uvloop

    login = Login(kubeconfig)
    prefix = login.path
    sender = _Sender(login, [Item.of(body, prefix) for body in bodies], parts, on_answer, again, begin)
    with _unhindered():
        return run(sender.run(), uvloop.new_event_loop)


@contextmanager
def _unhindered() -> Iterator[None]:
    """What is there already is left alone by the garbage collector meanwhile: its pauses would be lag."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Sender:
    def __init__(
        self,
        login: Login,
        items: Sequence[Item],
        parts: Sequence[Part],
        on_answer: Callable[[Request], None],
        again: bool,
        begin: float | None,
    ) -> None:
        self._login = login
        self._items = items
        self._parts = parts
        self._on_answer = on_answer
        self._again = again
        self._begin = begin
        self._requests: list[Request] = []
        self._connections: Connections
        self._epoch = 0.0

    async def run(self) -> list[Request]:
        self._connections = Connections(
            self._login.origin, most=MOST_WORKERS, timeout=REQUEST_SECONDS, tls=self._login.tls
        )
        await self._connections.open(min(BEFOREHAND, len(self._items)))
        begin = time.monotonic()
        self._epoch = time.time() - begin
        if self._begin is not None:
            begin = self._begin - self._epoch
        try:
            async with asyncio.TaskGroup() as group:
                for part in self._parts:
                    begin += part.pause
                    if part.is_closed:
                        await _until(begin)
                        await self._loop(part)
                        begin = time.monotonic()
                    else:
                        await self._open(part, begin, group)
                        begin += part.seconds
        finally:
            await self._connections.close()
        return self._requests

    async def _open(self, part: Part, begin: float, group: asyncio.TaskGroup) -> None:
        """Sends each when it is due, whatever becomes of the others."""
        one = self._anew if part.is_churn else self._create
        for index, offset in zip(part.indices, part.offsets, strict=True):
            await _until(begin + offset)
            group.create_task(one(part, self._items[index], begin + offset))

    async def _loop(self, part: Part) -> None:
        """Each worker sends its next one when its last is answered."""

        async def one(index: int) -> None:
            await self._create(part, self._items[index], None)

        await for_each(part.indices, one, part.phase.workers or 1)

    async def _create(self, part: Part, item: Item, due: float | None) -> None:
        await self._request(part, item, CREATE, due, good=CREATE.repeated if self._again else None)

    async def _anew(self, part: Part, item: Item, due: float) -> None:
        """Deletes an object and creates it again as soon as it is gone."""
        good = DELETE.repeated if self._again else None
        if await self._request(part, item, DELETE, due, good=good):
            await self._request(part, item, RECREATE, None, patience=GONE_SECONDS)

    async def _request(
        self, part: Part, item: Item, verb: Verb, due: float | None, *, good: int | None = None, patience: float = 0
    ) -> bool:
        """Sends a request, and again while the answer is 409, for ``patience`` seconds; whether it succeeded.

        A status of ``good`` is as good as success.
        """
        body = item.body if verb.creates else DELETION
        sent = began = time.monotonic()

        def on_send() -> None:
            nonlocal sent
            sent = time.monotonic()

        while True:
            code, message = await self._answer(item, verb, body, good, on_send)
            if code != CONFLICT or message is None or time.monotonic() - began >= patience:
                break
            await asyncio.sleep(AGAIN_SECONDS)
        request = Request(
            item.object,
            None if due is None else self._epoch + due,
            self._epoch + sent,
            self._epoch + time.monotonic(),
            verb.done if message is None else "failed",
            message,
            part.number,
            verb.name,
            code,
            len(body),
        )
        self._requests.append(request)
        self._on_answer(request)
        return message is None

    async def _answer(
        self, item: Item, verb: Verb, body: bytes, good: int | None, on_send: Callable[[], None]
    ) -> tuple[int | None, str | None]:
        """The status, None if there was no answer, and what is wrong, None if nothing is."""
        target = item.collection if verb.creates else f"{item.collection}/{item.name}"
        for new in (False, True):
            try:
                answer = await self._connections.request(
                    verb.method, target, self._fields(), body, new=new, on_send=on_send
                )
            except ClusterError as error:
                return None, str(error)
            except OSError as error:
                if not new and isinstance(error, LostError) and error.stale:
                    good = verb.repeated  # it may have arrived none the less
                    continue
                server = self._login.server
                return None, f"The API server at {server} did not answer {verb.method} {target}: {brief(error)}."
            break
        fine = answer.status < 300 or answer.status == good
        return answer.status, None if fine else told(decoded(answer.body), answer.body)

    def _fields(self) -> bytes:
        return JSON + b"".join(f"{name}: {value}\r\n".encode() for name, value in self._login.headers().items())


async def _until(moment: float) -> None:
    """Sleeps until ``time.monotonic()`` says ``moment``, never less: the loop's timers count whole milliseconds."""
    while (left := moment - time.monotonic()) > 0:
        await asyncio.sleep(max(left, 0.001))

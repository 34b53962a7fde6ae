"""One shard of a load: sends its part of the schedule, and tells on a stream what became of it.

A line for each request as in requests.jsonl, and a last one with the shard's sum (analysis/shards.py), which is enough
to merge the shards if the lines before it were lost: the kubelet keeps only the end of a long log.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import orjson

from analysis.loglinear import LogLinear
from csscgen.interruptions import interruptible
from csscgen.loading import Request, send
from csscgen.scraping import peak_bytes
from csscgen.sharding.plans import ShardPlan
from workloads.errors import ClusterError

EVERY_MS = 200
"""Between two writes: what is written meanwhile is none of the load's time."""


def send_shard(load: ShardPlan, shard: int, kubeconfig: str, stream: int) -> None:
    """Sends a shard of a load and writes to the file descriptor ``stream``.

    Raises ClusterError if the kubeconfig cannot be used, or if nobody reads the stream any more.
    """
    with interruptible() as interrupts, _Lines(stream, interrupts.interrupt) as lines:
        parts = load.parts(shard)
        before = _Before(load.begin)
        requests = send(kubeconfig, load.bodies(shard), parts, lines.put, again=load.again, begin=load.begin)
        lines.put_last({**_sum(load, shard, requests), **before.usage()})


def _sum(load: ShardPlan, shard: int, requests: Sequence[Request]) -> dict[str, Any]:
    """The last line: counts, when the first object was due and was sent, and histograms of lag and answers."""
    at, due = load.begin, None
    for part in load.parts(shard):
        at += part.pause
        if part.indices:
            due = at + part.offsets[0]
            break
        at += part.seconds
    paced = [each for each in requests if each.intended is not None] or requests
    return {
        "shard": shard,
        "shards": load.shards,
        "run_id": load.plan.run_id,
        "begin": load.begin,
        "first_due": due,
        "first_sent": min((each.sent for each in requests), default=None),
        "objects": sum(1 for each in requests if each.verb == "create"),
        "requests": len(requests),
        "failed": sum(1 for each in requests if each.status == "failed"),
        "lag": LogLinear(each.sent - each.intended for each in requests if each.intended is not None).record(),
        "answer": LogLinear(each.answered - each.sent for each in paced).record(),
    }


class _Before:
    """What this process had taken when the schedule began, to tell what the load itself takes."""

    def __init__(self, begin: float) -> None:
        self._cpu = time.process_time()  # of a shard that is late
        timer = threading.Timer(max(0.0, begin - time.time()), self._begin)
        timer.daemon = True
        timer.start()

    def _begin(self) -> None:
        self._cpu = time.process_time()

    def usage(self) -> dict[str, float]:
        """CPU of all and of the load, and memory."""
        cpu = time.process_time()
        return {"cpu_seconds": cpu, "window_cpu_seconds": cpu - self._cpu, "peak_rss_bytes": peak_bytes()}


class _Lines:
    """Writes lines in a thread of its own, so that a slow reader does not hold up the load; a context manager."""

    def __init__(self, stream: int, on_loss: Callable[[ClusterError], None]) -> None:
        self._stream = stream
        self._on_loss = on_loss
        self._queue: SimpleQueue[Request] = SimpleQueue()
        self._last = b""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="lines", daemon=True)

    def __enter__(self) -> _Lines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def put(self, request: Request) -> None:
        self._queue.put(request)

    def put_last(self, record: dict[str, Any]) -> None:
        self._last = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)

    def _write(self) -> None:
        poll = select.poll()
        poll.register(self._stream, 0)  # tells of nothing but that the reader has gone
        try:
            stopped = False
            while not stopped:
                stopped = self._stop.is_set()
                if not stopped and poll.poll(EVERY_MS):
                    raise BrokenPipeError
                self._flush()
            _write_all(self._stream, self._last)
        except OSError:
            self._on_loss(ClusterError("Nobody reads what this shard of the load tells any more, so it ends here."))

    def _flush(self) -> None:
        lines = []
        try:
            while True:
                record = self._queue.get_nowait().record()
                lines.append(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        except Empty:
            _write_all(self._stream, b"".join(lines))


def _write_all(stream: int, content: bytes) -> None:
    while content:
        content = content[os.write(stream, content) :]

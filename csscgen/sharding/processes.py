"""The shards of a load as processes of this machine, each started like the container of the Job (jobs.py).

Each process has a core of its own to send from, where one is not enough. What it tells is heard as it tells it, so that
the watch of the pods knows of each request, and a checkpoint of the run has it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import orjson

from analysis.files import write_atomically
from analysis.shapes import REQUEST, Check
from analysis.shards import SHARD, SHARDS
from csscgen.loading import Request
from csscgen.sharding.plans import ShardPlan
from workloads.errors import ClusterError, brief

PLAN = "shards-plan.json"
INDEX = "JOB_COMPLETION_INDEX"
"""Where an Indexed Job says which of its pods this is."""
SEND = ("shards", "send", "--plan")
"""The words of a shard's command; the file of the plan follows."""
LEAD_SECONDS = 15.0
"""From here to the begin of the schedule: the processes start, and make their objects."""
OBJECTS_PER_SECOND = 4000
"""How many objects a process makes at least."""
END_SECONDS = 5.0
_FIELDS = tuple(each.name for each in fields(Request))


def begin(objects: int) -> float:
    """A begin that processes which are started now are ready for, epoch seconds."""
    return time.time() + LEAD_SECONDS + objects / OBJECTS_PER_SECOND


def send_in_shards(
    load: ShardPlan,
    kubeconfig: str,
    folder: Path,
    on_begin: Callable[[], None],
    on_answer: Callable[[Request], None],
) -> list[dict[str, Any]]:
    """Sends a load from a process for each shard; the last line of each, which ``shards.jsonl`` in ``folder`` has too.

    ``on_begin`` is called when the schedule begins, ``on_answer`` for each request from a thread of its shard. Raises
    ClusterError if a shard failed; the others are ended then.
    """
    write_atomically(folder / PLAN, load.dump())
    ended: SimpleQueue[_Shard] = SimpleQueue()
    shards: list[_Shard] = []
    try:
        with _in_memory(kubeconfig) as descriptor:
            for number in range(load.shards):
                shards.append(_Shard(number, folder, descriptor, on_answer, ended.put))
            _wait(ended, 1, max(0.0, load.begin - time.time()))
            on_begin()
            _wait(ended, sum(1 for shard in shards if shard.sum is None))
    finally:
        for shard in shards:
            shard.end()
    found = [shard.sum for shard in shards if shard.sum]
    lines = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in found)
    write_atomically(folder / SHARDS, lines)
    return found


def _wait(ended: SimpleQueue[_Shard], count: int, seconds: float | None = None) -> None:
    """Returns when so many more shards have ended, or in ``seconds``. Raises ClusterError if one has failed."""
    for _ in range(count):
        try:
            shard = ended.get(timeout=seconds)
        except Empty:
            return
        if shard.problem:
            raise ClusterError(f"Shard {shard.number} of the load failed: {shard.problem}")


class _Shard:
    """A process, and the thread that reads what it tells."""

    def __init__(
        self,
        number: int,
        folder: Path,
        kubeconfig: int,
        on_answer: Callable[[Request], None],
        on_end: Callable[[_Shard], None],
    ) -> None:
        self.number = number
        self.sum: dict[str, Any] | None = None
        self.problem: str | None = None
        self._on_answer = on_answer
        self._on_end = on_end
        self._log = folder / "logs" / f"shard-{number}.log"
        self._log.parent.mkdir(exist_ok=True)
        argv = [sys.executable, "-m", "csscgen", *SEND, str(folder / PLAN)]
        environment = {**os.environ, INDEX: str(number), "KUBECONFIG": f"/dev/fd/{kubeconfig}"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[kubeconfig],
            )
        self._thread = Thread(target=self._read, name=f"shard-{number}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Ends the process if it has not ended, and reads what is left of its words."""
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            with self._process.stdout as lines:
                for line in lines:
                    self._hear(line)
        except ClusterError as error:
            self.problem = str(error)
            self._process.terminate()
        code = self._process.wait()
        if self.sum is None and self.problem is None:
            said = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            self.problem = f"{brief(said[0].removeprefix('Error: ')) if said else f'it ended with exit code {code}'}."
        self._on_end(self)

    def _hear(self, line: bytes) -> None:
        record = _record(line)
        if "object" in record:
            self._on_answer(request(record))
        else:
            self.sum = record


def _record(line: bytes) -> dict[str, Any]:
    """A line of a shard. Raises ClusterError if it is none."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        record = None
    check: Check = REQUEST if isinstance(record, dict) and "object" in record else SHARD
    if problem := check(record):
        raise ClusterError(f"a line that it told is none: {problem}.")
    found: dict[str, Any] = record
    return found


def request(record: Mapping[str, Any]) -> Request:
    """A request from its line."""
    return Request(**{key: record[key] for key in _FIELDS if key in record})


@contextmanager
def _in_memory(text: str) -> Iterator[int]:
    """The descriptor of a file that only this process and its children see: a kubeconfig may hold a secret."""
    descriptor = os.memfd_create("kubeconfig")
    try:
        os.write(descriptor, text.encode())
        yield descriptor
    finally:
        os.close(descriptor)

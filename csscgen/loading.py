"""Creates the workloads at a rate, on an absolute schedule: the n-th is due at n/rate, however slow the others are.

An open loop, so that a slow API server shows up as latency and lag and not as a lower load. For every object it is
recorded when it was due, sent and answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from csscgen.cluster import ApiError, Cluster
from csscgen.interruptions import run
from workloads.errors import ClusterError

CONFLICT = 409
PATHS = {"Deployment": "/apis/apps/v1/namespaces/{}/deployments", "Job": "/apis/batch/v1/namespaces/{}/jobs"}


@dataclass(frozen=True)
class Request:
    """One object that was asked for: a line of requests.jsonl. Times are epoch seconds."""

    object: str
    intended: float
    sent: float
    answered: float
    status: str
    """``created`` or ``failed``."""
    message: str | None = None

    @property
    def workload(self) -> str:
        return self.object.rpartition("/")[2]

    def record(self) -> dict[str, Any]:
        """The line of requests.jsonl."""
        return asdict(self)


def create(
    kubeconfig: str,
    bodies: Sequence[dict[str, Any]],
    rate: float,
    on_answer: Callable[[Request], None],
    *,
    again: bool = False,
) -> list[Request]:
    """Creates the objects at ``rate`` per second and returns what became of each; one that got no answer has failed.

    ``on_answer`` is told of each at once. ``again`` says that one may be there already: its answer was not heard.
    Raises ClusterError if the kubeconfig cannot be used.
    """
    return run(_create(kubeconfig, bodies, rate, on_answer, again))


async def _create(
    kubeconfig: str,
    bodies: Sequence[dict[str, Any]],
    rate: float,
    on_answer: Callable[[Request], None],
    again: bool,
) -> list[Request]:
    async with Cluster(kubeconfig) as cluster:
        began = time.monotonic()
        epoch = time.time() - began

        async def one(index: int, body: dict[str, Any]) -> Request:
            due = began + index / rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            sent = time.monotonic()
            metadata = body["metadata"]
            status, message = "created", None
            try:
                await cluster.request("POST", PATHS[body["kind"]].format(metadata["namespace"]), body)
            except ClusterError as error:
                if not (again and isinstance(error, ApiError) and error.code == CONFLICT):
                    status, message = "failed", str(error)
            request = Request(
                f"{body['kind'].lower()}/{metadata['namespace']}/{metadata['name']}",
                epoch + due,
                epoch + sent,
                epoch + time.monotonic(),
                status,
                message,
            )
            on_answer(request)
            return request

        return await asyncio.gather(*(one(index, body) for index, body in enumerate(bodies)))

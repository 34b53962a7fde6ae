"""What the shards of a load have told, read again from files: the logs of the Job's pods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from analysis.shapes import REQUEST
from analysis.shards import SHARD
from workloads.errors import CollectError

Records = list[dict[str, Any]]


def read(lines: Iterable[bytes]) -> tuple[Records, Records]:
    """The sums of the shards and the requests, of logs one after another; what is neither is left out.

    A log may have lost its beginning, and `kubectl logs` may have added words of its own.
    """
    shards, requests = [], []
    for line in lines:
        try:
            record = orjson.loads(line[line.find(b"{") :])
        except orjson.JSONDecodeError:
            continue
        if SHARD(record) is None:
            shards.append(record)
        elif REQUEST(record) is None:
            requests.append(record)
    return shards, requests


def complete(shards: Records, requests: Records) -> Records:
    """All requests by the time that they were sent at. Raises CollectError if the logs have lost some."""
    told, there = sum(one["requests"] for one in shards), len(requests)
    if there != told:
        raise CollectError(
            f"The shards sent {told:,} requests and their logs have {there:,}: the kubelet keeps only the end of a "
            "long log. The sums are whole none the less; leave --requests out."
        )
    return sorted(requests, key=lambda one: one["sent"])

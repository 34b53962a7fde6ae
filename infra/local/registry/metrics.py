"""The registry's own page for Prometheus: what it answered, how full its buckets are, and what it costs.

Its processor time is the load generator's overhead, not the system's under test, and a report shows it apart. There is
no latency histogram: the emulator answers in microseconds, and what a client waits is measured at the client.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.local.registry.service import Registry

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Samples = Iterable[tuple[str, float]]
"""Labels in braces, or nothing, and the value."""


def page(registry: Registry, now: int) -> bytes:
    """The page of a registry in the text format 0.0.4; ``now`` is the time of its buckets."""
    return "".join(_family(*family) for family in _families(registry, now)).encode()


def _families(registry: Registry, now: int) -> Iterator[tuple[str, str, str, Samples]]:
    throttle = registry.throttle
    yield (
        "registry_info",
        "gauge",
        "Region and size of the emulated registry.",
        [(f'{{region="{registry.region}",size="{registry.size.name}"}}', 1)],
    )
    yield (
        "registry_requests_total",
        "counter",
        "Requests answered, by category and status.",
        [(f'{{category="{c}",status="{s}"}}', n) for (c, s), n in sorted(registry.requests.items())],
    )
    yield (
        "registry_bucket_tokens",
        "gauge",
        "Requests that the registry's bucket of a category would admit now.",
        [(f'{{category="{c}"}}', bucket.tokens(now)) for c, bucket in throttle.registry.items()],
    )
    own = [(name, c, bucket) for name, buckets in throttle.identities.items() for c, bucket in buckets.items()]
    yield (
        "registry_identity_bucket_tokens",
        "gauge",
        "Requests that an identity's bucket of a category would admit now.",
        [(f'{{identity="{name}",category="{c}"}}', bucket.tokens(now)) for name, c, bucket in own],
    )
    yield (
        "registry_refusals_total",
        "counter",
        "Requests that a bucket refused; a request can be refused by several.",
        [
            *((f'{{bucket="registry",category="{c}"}}', bucket.refusals) for c, bucket in throttle.registry.items()),
            *((f'{{bucket="{name}",category="{c}"}}', bucket.refusals) for name, c, bucket in own),
        ],
    )
    if registry.access:
        yield (
            "registry_tokens_issued_total",
            "counter",
            "Tokens issued, by kind.",
            [(f'{{kind="{kind}"}}', n) for kind, n in registry.access.issued.items()],
        )
    yield (
        "registry_sent_bytes_total",
        "counter",
        "Bytes of the bodies sent, by address.",
        [
            ('{address="registry"}', registry.sent),
            *([('{address="data"}', registry.data.sent)] if registry.data else []),
        ],
    )
    if registry.data:
        yield (
            "registry_data_requests_total",
            "counter",
            "Requests answered at the data endpoint, by status.",
            [(f'{{status="{status}"}}', n) for status, n in sorted(registry.data.requests.items())],
        )
    yield (
        "process_cpu_seconds_total",
        "counter",
        "User and system CPU time of the registry's process.",
        [("", time.process_time())],
    )
    yield (
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory of the registry's process.",
        [("", bytes_) for bytes_ in _resident_bytes()],
    )


def _family(name: str, kind: str, help_: str, samples: Samples) -> str:
    lines = [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{labels} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _resident_bytes() -> list[int]:
    """The resident set (proc(5), statm, second field), or nothing on a system that has no /proc."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return [int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")]
    except FileNotFoundError:
        return []

"""The registry's own page for Prometheus: what it answered, how full its buckets are, and what it costs.

Its processor time is the load generator's overhead, not the system's under test, and a report shows it apart. There is
no latency histogram: the emulator answers in microseconds, and what a client waits is measured at the client.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


def page(
    region: str,
    size: str,
    requests: Mapping[tuple[str, int], int],
    tokens: Mapping[str, float],
) -> bytes:
    """The page in the text format 0.0.4. ``requests`` counts by category and status, ``tokens`` is by category."""
    families = [
        _family(
            "registry_info",
            "gauge",
            "Region and size of the emulated registry.",
            [(f'{{region="{region}",size="{size}"}}', 1)],
        ),
        _family(
            "registry_requests_total",
            "counter",
            "Requests answered, by category and status.",
            [(f'{{category="{c}",status="{s}"}}', n) for (c, s), n in sorted(requests.items())],
        ),
        _family(
            "registry_bucket_tokens",
            "gauge",
            "Requests that the bucket of a category would admit now.",
            [(f'{{category="{category}"}}', level) for category, level in tokens.items()],
        ),
        _family(
            "process_cpu_seconds_total",
            "counter",
            "User and system CPU time of the registry's process.",
            [("", time.process_time())],
        ),
        _family(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory of the registry's process.",
            [("", bytes_) for bytes_ in _resident_bytes()],
        ),
    ]
    return "".join(families).encode()


def _family(name: str, kind: str, help_: str, samples: Iterable[tuple[str, float]]) -> str:
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

"""What the stub truly did, a line each, and the metrics page that Ratify would have made of it.

A line is written under the lock that also counts it, and so is one for each time that the page is read: what a page
shows is exactly the lines above its own. No clock is compared with another.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from threading import Lock
from typing import Any

from tests.known.components import RATIFY_BOUNDS
from tests.stubs.script import Outcome

MUTATION_BOUNDS = (*RATIFY_BOUNDS[: RATIFY_BOUNDS.index(1800) + 1], inf)
TIMED_OUT = "operation failed with error operation timed out after duration {:g}s"


@dataclass(frozen=True)
class Line:
    """One request that was answered, or one reading of the page (``endpoint`` is metrics)."""

    at: float
    """When it was counted, epoch seconds."""
    endpoint: str
    images: int = 0
    planned: float = 0.0
    """What the script asked for, milliseconds; 0 for what takes no step of it."""
    took: float = 0.0
    """Milliseconds from the request to the answer, by a monotonic clock."""
    outcome: Outcome = "success"
    error: str = ""
    """The system error."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Category and status of each answer of the registry."""
    hits: int = 0
    misses: int = 0


def read(file: Path) -> list[Line]:
    return [Line(**{**line, "asked": [tuple(one) for one in line["asked"]]}) for line in _lines(file)]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for text in file.read_text().splitlines():
        yield json.loads(text)


class Ledger:
    """The file, and the counts of the page. Ratify 1.4, pkg/metrics/stats_reporter.go."""

    def __init__(self, file: Path, spelling: str) -> None:
        self._file = file.open("a", buffering=1)
        self._lock = Lock()
        self._started = time.time()
        self._counters: Counter[tuple[str, str]] = Counter()
        self._histograms = {
            f"ratify_{name}_request{spelling}": (bounds, [0] * len(bounds), [0])
            for name, bounds in (("verification", RATIFY_BOUNDS), ("mutation", MUTATION_BOUNDS))
        }

    def write(self, line: Line) -> None:
        """Counts a request that is about to be answered."""
        with self._lock:
            self._append(line)
            bounds, counts, total = list(self._histograms.values())[line.endpoint == "mutate"]
            whole = int(line.took)  # Ratify has whole milliseconds, cut off
            counts[bisect_left(bounds, whole)] += 1
            total[0] += whole
            for _, status in line.asked:
                self._counters["ratify_registry_request_count_total", f'registry_host="r",status_code="{status}"'] += 1
            for hit, count in (("true", line.hits), ("false", line.misses)):
                self._counters["ratify_blob_cache_count_total", f'hit="{hit}"'] += count
            if line.error:
                self._counters["ratify_system_error_count_total", f'error="{line.error}"'] += 1

    def page(self) -> bytes:
        """The page as it is now, with a line for its having been read."""
        with self._lock:
            self._append(Line(time.time(), "metrics"))
            return "".join(f"{line}\n" for line in self._page()).encode()

    def _append(self, line: Line) -> None:
        self._file.write(json.dumps(asdict(line)) + "\n")

    def _page(self) -> Iterator[str]:
        yield f"process_start_time_seconds {self._started}"
        yield f"process_cpu_seconds_total {time.process_time()}"
        for (name, labels), count in self._counters.items():
            if count:  # a labelled counter is not there before it first counted
                yield f"{name}{{{labels}}} {count}"
        for name, (bounds, counts, total) in self._histograms.items():
            if below := sum(counts):
                reached = 0
                for bound, count in zip(bounds, counts, strict=True):
                    reached += count
                    yield f'{name}_bucket{{le="{"+Inf" if bound == inf else bound}"}} {reached}'
                yield f"{name}_sum {total[0]}"
                yield f"{name}_count {below}"

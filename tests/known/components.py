"""Components of which everything is known: each counts what a script says, when it says so, and shows it on a page.

What is true is worked out from the script alone; the page is what the program under test gets to see of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from csscgen.scraping import Scrape

START, END = 1000.0, 1060.0
SCRAPES = [999.0 + 2 * index for index in range(32)]  # 999, 1001, … 1061: they enclose the window
RATIFY_BOUNDS = (
    *(0, 10, 30, 50, *range(100, 1300, 100), 1400, 1600, 1800, 2000, 2300, 2600, 4000, 4400, 4900),
    inf,
)
GATEKEEPER_BOUNDS = (
    *(n / 1000 for n in range(1, 10)),
    *(n / 100 for n in range(1, 10)),
    *(n / 10 for n in range(1, 10)),
    *(n / 2 for n in range(2, 21)),
    inf,
)
APISERVER_BOUNDS = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.2,
    0.4,
    0.6,
    0.8,
    1,
    1.25,
    1.5,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    15,
    20,
    30,
    60,
    inf,
)

Labels = tuple[tuple[str, str], ...]


def labels(**named: str) -> Labels:
    return tuple(sorted(named.items()))


@dataclass
class Life:
    """One process of a component: from when until when it ran, its CPU seconds at a moment, its memory in bytes."""

    start: float
    end: float
    cpu: Callable[[float], float]
    memory: Callable[[float], float]


@dataclass
class Component:
    """A target: its processes one after the other, and what it counted and observed."""

    name: str
    lives: list[Life]
    tells_start: bool = True
    bounds: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Histogram → its bounds, in the unit of the page."""
    always: tuple[tuple[str, Labels], ...] = ()
    """Counters that are on the page from the beginning, at 0."""
    counted: list[tuple[float, str, Labels, float]] = field(default_factory=list)
    observed: list[tuple[float, str, Labels, float]] = field(default_factory=list)

    def count(self, time: float, metric: str, amount: float = 1, **named: str) -> None:
        self.counted.append((time, metric, labels(**named), amount))

    def observe(self, time: float, metric: str, value: float, **named: str) -> None:
        """``value`` in the unit of the page."""
        self.observed.append((time, metric, labels(**named), value))

    def truth(self, metric: str, label: str | None = None) -> Counter[str]:
        """What it counted in the window, by a label; "" without one."""
        sums: Counter[str] = Counter()
        for time, name, marks, amount in self.counted:
            if name == metric and START <= time <= END:
                sums[dict(marks)[label] if label else ""] += amount  # type: ignore[assignment]
        return sums

    def values(self, metric: str, **named: str) -> list[float]:
        """What it observed in the window, in order of size."""
        wanted = set(named.items())
        return sorted(
            v for t, name, marks, v in self.observed if name == metric and START <= t <= END and wanted <= {*marks}
        )

    def life(self, time: float) -> Life | None:
        return next((life for life in self.lives if life.start <= time < life.end), None)

    def scrape(self, time: float) -> Scrape:
        """What the harness gets when it reads the target at a moment; a dead process answers nothing."""
        life = self.life(time)
        if life is None:
            return Scrape(time, self.name, True, None, None)
        page = "".join(f"{line}\n" for line in self._page(life, time)).encode()
        return Scrape(time, self.name, True, page, (life.cpu(time), life.memory(time)))

    def _page(self, life: Life, time: float) -> Iterable[str]:
        yield "# TYPE target_info gauge"
        yield 'target_info{service_name="known"} 1'
        if self.tells_start:
            yield f"process_start_time_seconds {life.start}"
        sums: Counter[tuple[str, Labels]] = Counter(dict.fromkeys(self.always, 0))
        for moment, metric, marks, amount in self.counted:
            if life.start <= moment <= time:
                sums[metric, marks] += amount  # type: ignore[assignment]
        for (metric, marks), amount in sums.items():
            yield f"{metric}{_shown(marks)} {amount}"
        series: dict[tuple[str, Labels], list[float]] = {}
        for moment, metric, marks, value in self.observed:
            if life.start <= moment <= time:
                series.setdefault((metric, marks), []).append(value)
        for (metric, marks), values in series.items():
            for bound in self.bounds[metric]:
                le = "+Inf" if bound == inf else f"{bound:g}"
                yield f"{metric}_bucket{_shown((*marks, ('le', le)))} {sum(1 for value in values if value <= bound)}"
            yield f"{metric}_sum{_shown(marks)} {sum(values)}"
            yield f"{metric}_count{_shown(marks)} {len(values)}"


def _shown(marks: Iterable[tuple[str, str]]) -> str:
    text = ",".join(f'{name}="{value}"' for name, value in marks)
    return f"{{{text}}}" if text else ""


@dataclass(frozen=True)
class Within:
    """What a histogram may say: no further from the true value than the width of the bucket that has it."""

    value: float
    low: float
    high: float

    @classmethod
    def bucket(cls, ordered: list[float], quantile: float, bounds: tuple[float, ...], scale: float = 1.0) -> Within:
        """The bucket of the true quantile, nearest rank."""
        rank = max(1, -(-round(quantile * len(ordered) * 1e6) // 10**6))
        value = ordered[rank - 1]
        index = bisect_left(bounds, value)
        return cls(value * scale, (bounds[index - 1] if index else 0.0) * scale, bounds[index] * scale)

    @property
    def error(self) -> Within:
        """What the error of a quantile in this bucket may be: half its width in the middle, at most all of it."""
        width = self.high - self.low
        return Within(width, width / 2, width)

    def holds(self, figure: float) -> bool:
        return self.low - 1e-9 <= figure <= self.high + 1e-9


def quantiles(ordered: list[float], bounds: tuple[float, ...], scale: float = 1.0) -> Mapping[str, Any]:
    """The truth of a summary's quantiles, their errors, mean and ``max_bucket``."""
    found = {f"p{percent}": Within.bucket(ordered, percent / 100, bounds, scale) for percent in (50, 95, 99)}
    errors = {percent: bucket.error for percent, bucket in found.items()}
    mean = sum(ordered) / len(ordered) * scale
    return {**found, "error": errors, "mean": mean, "max_bucket": bounds[bisect_left(bounds, ordered[-1])] * scale}

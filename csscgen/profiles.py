"""Metric and alert profiles: read before anything starts, asked of Prometheus when the load is over.

What it answers is kept as it is in profile.jsonl, a line per series and one for each query that has none; figures are
made of it by analysis/profiles.py. A Prometheus that is not there, or does not answer, fails nothing here: each query
has a line that says why there is no sample.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import yaml

from analysis.files import write_atomically
from analysis.profiles import NO_PROMETHEUS, NO_SAMPLE
from analysis.records import PROFILE
from analysis.samples import Window
from csscgen import yamlfiles
from csscgen.prometheus import Prometheus, Series, UnreachableError
from workloads import profiles
from workloads.errors import CollectError, UsageError
from workloads.profiles import Alert, Metric, Profile, quantile_of, rendered

if TYPE_CHECKING:
    from csscgen.context import Context

MOST_STEPS = 1000
MOST_SAMPLES = 1_000_000
"""Of one query: more is not kept."""
SCRAPED = "max(present_over_time(up[{}s]))"
"""Has a sample at the moments before which Prometheus scraped anything, with success or without."""
Line = dict[str, Any]


def of(context: Context) -> Profile:
    """The profile of a stack. Raises UsageError, with file and entry, for one that cannot be used."""
    names = context.settings.monitoring.profiles
    return profiles.read({name: _document(context.root / name, name) for name in names}, os.environ)


def _document(path: Path, name: str) -> Any:
    try:
        return yamlfiles.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{name}, a profile, cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise UsageError(f"{name} is no profile{place}: mend its YAML.") from None


def collect(
    folder: Path,
    kept: Mapping[str, Any],
    prometheus: Prometheus | None,
    window: Mapping[str, float],
    seconds: float,
) -> None:
    """Asks all queries of a profile, as a run's record has it, over a window, and writes profile.jsonl.

    ``seconds`` is the interval of scrapes. The window is asked from a scrape before it until one after it, which is
    waited for: only with these is a counter's growth all of the window's. Alerts are asked when the first scrape of the
    window is there.
    """
    span = Window(window["start"] - seconds, window["end"] + seconds)
    if prometheus:
        time.sleep(max(0.0, span.end - time.time()))
    profile = Profile(
        tuple(Metric(**each) for each in kept["metrics"]), tuple(Alert(**each) for each in kept["alerts"])
    )
    lines = _Asking(prometheus, span, seconds).lines(profile)
    write_atomically(folder / PROFILE, b"".join(orjson.dumps(line) + b"\n" for line in lines))


class _Asking:
    """The questions that are put to one Prometheus; the first that it leaves without any answer is the last."""

    def __init__(self, prometheus: Prometheus | None, window: Window, seconds: float) -> None:
        self._prometheus = prometheus
        self._window = window
        duration = window.end - window.start
        # Whole steps from the window's start to its end, so that its end is asked too.
        steps = min(max(1, ceil(duration / seconds)), MOST_STEPS)
        self._step = max(0.001, floor(duration / steps * 1000) / 1000)
        # Before that, the newest scrape may be of a time when components still came up: nothing to be alarmed at.
        self._begun = window.start + min(ceil(2 * seconds / self._step), steps) * self._step
        self._scraped = SCRAPED.format(ceil(max(2 * seconds, self._step)))
        self._silence: str | None = None if prometheus else NO_PROMETHEUS

    def lines(self, profile: Profile) -> Iterator[Line]:
        """Every series of every query, as lines, after when there were scrapes at all."""
        yield from self._ask("scraped", "up", self._scraped, self._over(self._scraped), step=self._step)
        for metric in profile.metrics:
            query = rendered(metric.query, self._window.end - self._window.start)
            if metric.capture_start:
                yield from self._ask("start", metric.name, query, self._at(query, self._window.start))
            ask = self._at if metric.instant else self._over
            yield from self._ask("value", metric.name, query, ask(query))
            if found := quantile_of(query):
                quantile, buckets = found
                yield from self._ask("buckets", metric.name, buckets, ask(buckets), quantile=quantile)
        for expr in dict.fromkeys(alert.expr for alert in profile.alerts):
            query = rendered(expr, self._window.end - self._window.start)
            yield from self._ask("alert", expr, query, self._over(query, self._begun))

    def _at(self, query: str, moment: float | None = None) -> Callable[[Prometheus], list[Series]]:
        return lambda prometheus: prometheus.instant(query, self._window.end if moment is None else moment)

    def _over(self, query: str, start: float | None = None) -> Callable[[Prometheus], list[Series]]:
        begin = self._window.start if start is None else start
        return lambda prometheus: prometheus.over(query, begin, self._window.end, self._step)

    def _ask(
        self, kind: str, name: str, query: str, ask: Callable[[Prometheus], list[Series]], **more: float
    ) -> Iterator[Line]:
        line: Line = {"kind": kind, "name": name, "query": query, **more, "labels": {}, "points": [], "problem": None}
        if self._prometheus is None or self._silence:
            yield {**line, "problem": self._silence}
            return
        try:
            found = ask(self._prometheus)
            if sum(len(one.points) for one in found) > MOST_SAMPLES:
                raise CollectError(f"The query has more than {MOST_SAMPLES:,} samples: aggregate it.")
        except CollectError as error:
            if isinstance(error, UnreachableError):
                self._silence = str(error)
            yield {**line, "problem": str(error)}
            return
        warned = {"warnings": self._prometheus.warnings} if self._prometheus.warnings else {}
        for one in found:
            # As text, as Prometheus has them: JSON has neither NaN nor infinity.
            points = [[moment, repr(value)] for moment, value in one.points]
            yield {**line, "labels": one.labels, "points": points, **warned}
        if not found:
            yield {**line, "problem": None if kind == "alert" else NO_SAMPLE, **warned}


def record(profile: Profile) -> dict[str, Any] | None:
    """A profile for run.json; None for an empty one."""
    return asdict(profile) if profile else None

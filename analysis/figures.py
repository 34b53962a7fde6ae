"""How figures are taken: each has its value, or is null with its reason in ``missing``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from analysis.components import Component, Points
from analysis.histograms import BEYOND, EMPTY, Histogram
from workloads.errors import CollectError
from workloads.ratify.metrics import THROTTLED, Metric

Record = dict[str, Any]

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Missing(dict[str, str]):
    """Reasons for the figures that are null, by path."""

    def figure(self, path: str, make: Callable[[], Any]) -> Any:
        """What ``make`` returns; None, with the reason kept, if it raises CollectError."""
        try:
            return make()
        except CollectError as error:
            self[path] = str(error)
            return None

    def group(self, path: str, keys: Iterable[str], make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The figures ``keys`` below ``path`` that ``make`` returns together; all None if it raises CollectError."""
        keys = tuple(keys)
        try:
            return dict(make())
        except CollectError as error:
            self.update({f"{path}.{key}": str(error) for key in keys})
            return dict.fromkeys(keys)

    def given(self, path: str, source: Mapping[str, Any] | None, keys: Sequence[str], reason: str) -> dict[str, Any]:
        """The entries ``keys`` of a record; those it does not have are None, for ``reason``."""
        entries = {key: (source or {}).get(key) for key in keys}
        self.update({f"{path}.{key}": reason for key, value in entries.items() if value is None})
        return entries


def quantiles(
    path: str,
    source: Component,
    metric: Metric,
    missing: Missing,
    keys: Sequence[str] = (*QUANTILES, "mean", "max_bucket"),
    keep: Callable[[Mapping[str, str]], bool] = lambda labels: True,
) -> Record:
    """Quantiles of what a component observed in the window, mean and ``max_bucket``, and the quantiles' ``error``."""
    try:
        histogram = source.histogram(metric, keep)
    except CollectError as error:
        return {**missing.given(path, None, keys, str(error)), "error": _errors(path, Histogram(), missing, keys)}
    mean = partial(source.mean, metric, keep)
    figures = {
        key: missing.figure(f"{path}.{key}", mean if key == "mean" else partial(read_histogram, key, histogram))
        for key in keys
    }
    return {**figures, "error": _errors(path, histogram, missing, keys)}


def _errors(path: str, histogram: Histogram, missing: Missing, keys: Iterable[str]) -> Record:
    """By how much each quantile can be wrong; null, for the quantile's own reason, where there is none."""
    found = {key: histogram.error(QUANTILES[key]) for key in keys if key in QUANTILES}
    missing.update({f"{path}.error.{key}": missing[f"{path}.{key}"] for key, value in found.items() if value is None})
    return found


def read_histogram(key: str, histogram: Histogram) -> float:
    """One figure of a histogram, by its key. Raises CollectError, with the reason, if there is none."""
    if not histogram.count:
        raise CollectError(EMPTY)
    value = histogram.max_bucket if key == "max_bucket" else histogram.quantile(QUANTILES[key])
    if value is None:
        raise CollectError(BEYOND)
    return value


def memory(path: str, source: Component, missing: Missing) -> Record:
    """Peak and mean of a component's resident memory, bytes."""
    return missing.group(path, ("peak", "mean"), lambda: _peak_and_mean(source.memory()))


def cpu(path: str, source: Component, missing: Missing) -> Record:
    """Peak (of one scrape interval) and mean of a component's CPU, cores."""
    return missing.group(
        path, ("peak", "mean"), lambda: {"peak": max(cores for _, cores in source.cpu()), "mean": source.mean_cpu()}
    )


def _peak_and_mean(points: Points) -> dict[str, float]:
    values = [value for _, value in points]
    return {"peak": max(values), "mean": sum(values) / len(values)}


def by_status(counts: Mapping[str, float]) -> dict[str, int]:
    """Answers by HTTP status, in order; 429 is always there, as everyone asks for it."""
    return {status: whole(counts.get(status, 0)) for status in sorted({*counts, THROTTLED})}


def whole(value: float) -> int:
    """A count as a whole number."""
    return round(value)

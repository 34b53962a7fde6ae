"""Metric and alert profiles: which queries a run asks of Prometheus, in kube-burner's format and with ours added to it.

A profile is a list. An entry with ``query`` and ``metricName`` is a metric, one with ``expr`` an alert. Ours are the
keys ``unit``, ``direction`` and ``threshold`` of a metric (workloads/thresholds.py). As in kube-burner's own reader
(kube-burner, pkg/prometheus/prometheus.go and pkg/alerting/alert_manager.go) an unknown key is refused. Its variables
are ``{{.elapsed}}`` and those of the environment; of Go's templates nothing else is understood, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Literal, get_args

from workloads.errors import UsageError, named, quoted
from workloads.thresholds import problem as threshold_problem

Direction = Literal["lower", "higher", "none"]
"""What is better."""
Severity = Literal["info", "warning", "error", "critical"]
FAILING: tuple[Severity, ...] = ("error", "critical")
"""An alert of these fails the run."""
ELAPSED = "elapsed"

_VARIABLE = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
_SAID = re.compile(r"\{\{\s*(?:\$value|\.Value|(?:\$labels|\.Labels)\.(\w+))\s*\}\}")
_NAME = re.compile(r"[^\s.\x00-\x1f\x7f/]{1,200}")


@dataclass(frozen=True)
class Metric:
    """A query whose result is kept: at the window's end if ``instant`` (and at its start), else over the window."""

    name: str
    query: str
    instant: bool = False
    capture_start: bool = False
    unit: str = ""
    direction: Direction = "none"
    threshold: str | None = None


@dataclass(frozen=True)
class Alert:
    """An expression that has no result unless something is wrong."""

    expr: str
    description: str
    severity: Severity


@dataclass(frozen=True)
class Profile:
    """All that is asked of a Prometheus."""

    metrics: tuple[Metric, ...] = ()
    alerts: tuple[Alert, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.metrics or self.alerts)


def read(documents: Mapping[str, Any], environment: Mapping[str, str]) -> Profile:
    """The profile of some files: name → content. Entries of one name are one metric with the series of all of them.

    Raises UsageError, with file and entry, for what is malformed.
    """
    metrics: dict[Metric, None] = {}
    alerts: dict[Alert, None] = {}
    for file, document in documents.items():
        if not isinstance(document, list) or not document:
            raise UsageError(f"{file} is no profile: a profile is a list of entries with query or expr.")
        for number, entry in enumerate(document, start=1):
            try:
                if isinstance(entry, Mapping) and "expr" in entry:
                    alerts[_alert(entry, environment)] = None
                else:
                    metric = _metric(entry, environment)
                    _check_same(metric, metrics)
                    metrics[metric] = None
            except ValueError as error:
                raise UsageError(f"{file}, entry {number}: {error}") from None
    return Profile(tuple(metrics), tuple(alerts))


def rendered(query: str, seconds: float) -> str:
    """A query with ``{{.elapsed}}`` filled in, such as ``90s``: whole seconds, rounded up, so that all is in it."""
    return _VARIABLE.sub(f"{max(1, ceil(seconds))}s", query)


def described(description: str, value: float, labels: Mapping[str, str]) -> str:
    """An alert's description with the value, to three decimals, and the labels of a series filled in."""
    number = f"{round(value, 3):.15g}"
    return _SAID.sub(lambda match: labels.get(match[1], "") if match[1] else number, description)


def quantile_of(query: str) -> tuple[float, str] | None:
    """Of a query that is one ``histogram_quantile`` as a whole: its quantile and the query for its buckets."""
    match = re.fullmatch(r"\s*histogram_quantile\s*\(\s*([0-9.]+)\s*,(.*)\)\s*", query, re.DOTALL)
    if match is None or not _closed(match[2]):
        return None
    try:
        return (q, match[2].strip()) if 0 <= (q := float(match[1])) <= 1 else None
    except ValueError:
        return None


def _closed(text: str) -> bool:
    """Whether every parenthesis that ends in a text begins in it."""
    depth = 0
    for character in re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", "", text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _metric(entry: object, environment: Mapping[str, str]) -> Metric:
    found = _entry(entry, ("query", "metricName"), ("instant", "captureStart", "unit", "direction", "threshold"))
    name = _text(found, "metricName")
    if not _NAME.fullmatch(name):
        raise ValueError(f"metricName {quoted(name)} has to be a name without blanks, dots and slashes.")
    for key in ("instant", "captureStart"):
        if not isinstance(found.get(key, False), bool):
            raise ValueError(f"{key} of {named(name)} has to be true or false, not {quoted(found[key])}.")
    direction = found.get("direction", "none")
    if direction not in get_args(Direction):
        raise ValueError(f"direction of {named(name)} has to be lower, higher or none, not {quoted(direction)}.")
    threshold = found.get("threshold")
    if threshold is not None and (wrong := threshold_problem(threshold)):
        raise ValueError(f"threshold of {named(name)}: {wrong}")
    if found.get("captureStart") and not found.get("instant"):
        raise ValueError(f"captureStart of {named(name)} is for an instant query: set instant too, or leave it out.")
    unit = _text(found, "unit") if "unit" in found else ""
    query = _query(_text(found, "query"), environment)
    return Metric(
        name, query, found.get("instant", False), found.get("captureStart", False), unit, direction, threshold
    )


def _alert(entry: Mapping[Any, Any], environment: Mapping[str, str]) -> Alert:
    found = _entry(entry, ("expr", "severity"), ("description",))
    severity = found["severity"]
    if severity not in get_args(Severity):
        raise ValueError(f"severity has to be one of {', '.join(get_args(Severity))}, not {quoted(severity)}.")
    description = _text(found, "description") if found.get("description") else _text(found, "expr")
    if "{{" in _SAID.sub("", description):
        raise ValueError(
            f"description {quoted(description)} has a template of which only {{{{$value}}}} and {{{{$labels.x}}}} are "
            "understood."
        )
    return Alert(_query(_text(found, "expr"), environment), description, severity)


def _entry(entry: object, needed: Sequence[str], optional: Sequence[str]) -> Mapping[str, Any]:
    """The entry, if it has what it needs and nothing that is unknown. Raises ValueError otherwise."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"{quoted(entry)} is no entry: it has to have query and metricName, or expr.")
    for key in entry:
        if key not in (*needed, *optional):
            raise ValueError(f"{named(key)} is no key of it; there are {', '.join((*needed, *optional))}.")
    for key in needed:
        if key not in entry:
            raise ValueError(f"{key} is not there.")
    return entry


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key} has to be text, not {quoted(value)}.")
    return value.strip()


def _query(query: str, environment: Mapping[str, str]) -> str:
    """A query with the variables of the environment filled in. Raises ValueError for one that is not set."""

    def filled(match: re.Match[str]) -> str:
        name = match[1]
        if name == ELAPSED:
            return match[0]
        if name not in environment:
            raise ValueError(f"{match[0]} in {quoted(query)} is not set: it is a variable of the environment.")
        return environment[name]

    if "{{" in _VARIABLE.sub("", query):
        raise ValueError(
            f"{quoted(query)} has a template of which only variables such as {{{{.elapsed}}}} are understood."
        )
    return _VARIABLE.sub(filled, query)


def _check_same(metric: Metric, known: Mapping[Metric, None]) -> None:
    """Entries of one name have to agree in all but the query. Raises ValueError otherwise."""
    for other in _named(metric.name, known):
        if other != replace(metric, query=other.query):
            raise ValueError(f"{named(metric.name)} is there already, and differs in more than its query; rename one.")


def _named(name: str, known: Mapping[Metric, None]) -> Iterator[Metric]:
    return (metric for metric in known if metric.name == name)

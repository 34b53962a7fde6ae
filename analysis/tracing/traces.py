"""The raw records behind a figure: which they are is data (sources.yaml), and here is how each kind is taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from analysis.comparing.figures import dotted, figures, reasons
from analysis.expositions import parse_labels
from analysis.records import Record, Records, seen
from analysis.samples import Samples, Window
from workloads.errors import CollectError, UsageError, named
from workloads.ratify import metrics

_SLACK = 1e-9
Source = Mapping[str, Any]


@dataclass(frozen=True)
class Trace:
    """A figure with its ``value`` and why it has none, and the records of each file."""

    figure: str
    value: float | None
    reason: str | None
    records: dict[str, list[Record]]
    problems: list[str]
    """What was not there."""


def trace(records: Records, summary: Mapping[str, Any], figure: str) -> Trace:
    """The records behind a figure of a run's summary.

    Raises UsageError if the summary has no such figure, or nothing is known of where it comes from.
    """
    path = dotted(figure)
    there = figures(summary)
    if path not in there:
        below = [each for each in there if each.startswith(f"{path}.")]
        advice = f"{named(path)} has these: {', '.join(below)}." if below else "`csscgen runs show` lists all."
        raise UsageError(f"The run has no figure {named(path)}. {advice}")
    value, found, problems = there[path], dict[str, list[Record]](), list[str]()
    for source in sources(path):
        kind = next(iter(source))
        file, take = _TAKERS[kind]
        try:
            lines = list(take(records, source, value))
        except CollectError as error:
            problems.append(str(error))
            continue
        kept = found.setdefault(file, [])
        known = {orjson.dumps(line) for line in kept}  # of an earlier source: a record may be of several
        kept += [line for line in lines if orjson.dumps(line) not in known]
    reason = reasons(summary).get(path) if value is None else None
    return Trace(path, value, reason, found, list(dict.fromkeys(problems)))


def sources(path: str) -> list[Source]:
    """Where a figure comes from. Raises UsageError if that is not known."""
    for pattern, entries in _table():
        if match := pattern.fullmatch(path):
            return [_filled(entry if isinstance(entry, dict) else {entry: {}}, match.groups()) for entry in entries]
    raise UsageError(f"Of the figure {named(path)} it is not known which records it comes from.")


@cache
def _table() -> list[tuple[re.Pattern[str], list[Any]]]:
    entries = yaml.safe_load(Path(__file__).with_name("sources.yaml").read_text())
    return [(_pattern(path), found) for path, found in entries.items()]


def _pattern(path: str) -> re.Pattern[str]:
    """A glob whose asterisks are groups: the first of them as short as can be, as what it stands for has few dots."""
    parts = [re.escape(part) for part in path.split("*")]
    return re.compile("(.*?)".join(parts[:-1]) + ("(.*)" if len(parts) > 1 else "") + parts[-1], re.DOTALL)


def _filled(value: Any, stood_for: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, stood_for) for key, inner in value.items()}
    if isinstance(value, str) and (match := re.fullmatch(r"\{(\d)\}", value)):
        return stood_for[int(match[1])]
    return value


def _pods(records: Records, source: Source, value: float | None) -> Iterator[Record]:
    for pod in _there(records, records.pods, "pods.jsonl"):
        if not _fits(pod, source["pods"]) or (source.get("created") and pod["name"] is None):
            continue
        moments = [seen(pod, name) for name in ("created", "ready")]
        if not source.get("timed") or _lasted(moments, value if source.get("at_or_above") else None):
            yield pod


def _requests(records: Records, source: Source, value: float | None) -> Iterator[Record]:
    since, until = source.get("waited", (None, None))
    for request in _there(records, records.requests, "requests.jsonl"):
        wanted = {**source["requests"]}
        code, phase = wanted.pop("code", None), wanted.pop("phase", None)
        said = "none" if request.get("code") is None else str(request["code"])
        fits = _fits(request, wanted) and code in (None, said) and phase in (None, str(request.get("phase") or 0))
        if fits and (since is None or _lasted([request[since], request[until]], value)):
            yield request


def _lasted(moments: Sequence[float | None], least: float | None) -> bool:
    """Whether both moments are known, and are at least so far apart."""
    first, last = moments
    if first is None or last is None:
        return False
    return least is None or last - first >= least - _SLACK


def _fits(record: Record, wanted: Mapping[str, Any]) -> bool:
    return all((record.get(key) or False) == (value or False) for key, value in wanted.items())


def _events(records: Records, _source: Source, _value: float | None) -> list[Record]:
    return [event for event in records.events if event.get("cause")]


def _faults(records: Records, source: Source, _value: float | None) -> list[Record]:
    faults = _there(records, records.faults, "faults.jsonl")
    return faults if source["faults"] == "all" else faults[int(source["faults"]) :][:1]


def _replicas(records: Records, source: Source, _value: float | None) -> list[Record]:
    return [each for each in records.replicas or () if each["component"] == source["replicas"]]


def _shards(records: Records, _source: Source, _value: float | None) -> list[Record]:
    return records.shards or []


def _profile(records: Records, source: Source, _value: float | None) -> list[Record]:
    return [line for line in records.profile or () if line["name"] == source["profile"]]


def _run(records: Records, source: Source, _value: float | None) -> list[Record]:
    entry = records.run.get(source["run"])
    return [] if entry is None else [{source["run"]: entry}]


def _admissions(records: Records, source: Source, _value: float | None) -> list[Record]:
    if records.admissions is None:
        raise CollectError(records.problems["admissions.json"])
    return [{source["admissions"]: records.admissions[source["admissions"]]}]


def _samples(records: Records, source: Source, _value: float | None) -> Iterator[Record]:
    samples, window = records.samples, records.window
    if samples is None:
        raise CollectError(records.problems["metrics.parquet"])
    if window is None:
        raise CollectError("The run has no window: no load was sent.")
    component = source["samples"]
    targets = samples.targets(component) if component else samples.every_target()
    for target in targets:
        instants = None if source.get("all") else _ends(samples, target, window)
        names = _names(source)
        present = samples.present(names, target)
        for name in [each for each in names if each in present][: 1 if "names" in source else None]:
            yield from _rows(samples, name, target, instants, window, source.get("labels") or {})


def _names(source: Source) -> list[str]:
    if "metric" in source:
        part = f"_{source['part']}" if source.get("part") else ""
        return [f"{name}{part}" for name in getattr(metrics, source["metric"]).names]
    names = source["names"]
    return list(getattr(metrics, names) if isinstance(names, str) else names)


def _ends(samples: Samples, target: str, window: Window) -> set[float]:
    """The ends of a target's bracket, and the last scrape before each restart and the first after it."""
    bracket = samples.bracket(target, window)
    scrapes, again = bracket.scrapes, bracket.restarts or ()
    return {scrapes[0], scrapes[-1], *again, *(max(each for each in scrapes if each < seen) for seen in again)}


def _rows(
    samples: Samples, name: str, target: str, instants: set[float] | None, window: Window, wanted: Mapping[str, str]
) -> Iterator[Record]:
    for one in samples.series(name, target, instants):
        labels = parse_labels(one.labels)
        if not all(labels.get(key) == value for key, value in wanted.items()):
            continue
        before = max((time for time in one.times if time <= window.start), default=window.start)
        after = min((time for time in one.times if time >= window.end), default=window.end)
        for time, value in zip(one.times, one.values, strict=True):
            if before <= time <= after:
                yield {"time": time, "target": target, "metric": name, "labels": one.labels, "value": value}


def _there(records: Records, lines: list[Record] | None, file: str) -> list[Record]:
    if lines is None:
        raise CollectError(records.problems[file])
    return lines


_TAKERS: dict[str, tuple[str, Callable[[Records, Source, float | None], Any]]] = {
    "pods": ("pods.jsonl", _pods),
    "requests": ("requests.jsonl", _requests),
    "events": ("events.jsonl", _events),
    "faults": ("faults.jsonl", _faults),
    "replicas": ("replicas.jsonl", _replicas),
    "shards": ("shards.jsonl", _shards),
    "profile": ("profile.jsonl", _profile),
    "samples": ("metrics.parquet", _samples),
    "run": ("run.json", _run),
    "admissions": ("admissions.json", _admissions),
}
"""Kind of source → the file, and how it is taken."""

"""The figures of a run's metric profile, and the alerts that fired, from profile.jsonl.

A query may have several series. What stands for it is the worst of them: the greatest, or the least where more is
better. Samples that are no number (NaN) are moments without an observation and are left out; a query that has nothing
else, or no sample at all, has no figure. An infinite one has none either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import inf, isfinite, isinf, isnan
from typing import Any, NamedTuple

from analysis.figures import Missing
from analysis.formats import digits, utc
from analysis.histograms import BEYOND, Histogram
from analysis.records import PROFILE, Record, Records
from analysis.samples import Window
from workloads.errors import CollectError, quoted
from workloads.profiles import FAILING, described, quantile_of

NO_PROMETHEUS = "The run's stack has no Prometheus to ask: monitoring.prometheus, or monitoring.prometheusUrl."
NO_SAMPLE = "The query has no sample in the window."
NO_NUMBER = "Every sample of the query is NaN: nothing was observed."
NO_BOUNDS = "The error of a quantile is known only where the whole query is one histogram_quantile over buckets."

Summary = Mapping[str, Any]
Points = list[tuple[float, float]]


class Row(NamedTuple):
    """A metric as people read it."""

    name: str
    value: str
    peak: str
    start: str
    error: str
    unit: str
    note: str


def section(records: Records, missing: Missing) -> dict[str, Any]:
    """``profile``: the metrics by name and the alerts that fired or are not known; nothing if no profile was asked."""
    profile = records.run.get("profile")
    if not profile:
        return {}
    answers: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for line in records.profile or ():
        answers[line["kind"], line["name"]].append(line)
    unasked = _unasked(records)
    metrics = {}
    for metric in profile["metrics"]:  # those of one name differ in their queries only
        metrics[metric["name"]] = _metric(metric, answers, missing, unasked)
    alerts = [each for alert in profile["alerts"] if (each := _alert(alert, answers, unasked))]
    for number, alert in enumerate(alerts):
        lacking = [key for key in ("at", "value") if alert[key] is None]
        missing.update({f"profile.alerts[{number}].{key}": alert["reason"] or "It is no number." for key in lacking})
    told = {warning for line in records.profile or () for warning in line.get("warnings", ())}
    warnings = [f"Prometheus warned: {warning}" for warning in sorted(told)]
    if records.window:
        warnings += _gaps(answers.get(("scraped", "up"), ()), records.window)
    return {"profile": {"metrics": metrics, "alerts": alerts, "warnings": warnings}}


def thresholds(records: Records) -> dict[str, str]:
    """The thresholds of a profile's metrics, by the paths of their figures."""
    metrics = (records.run.get("profile") or {}).get("metrics", ())
    return {f"profile.metrics.{each['name']}.value": each["threshold"] for each in metrics if each["threshold"]}


def objections(summary: Summary) -> Iterator[str]:
    """Why the alerts make the verdict fail, in sentences."""
    for alert in (summary.get("profile") or {}).get("alerts", ()):
        if alert["severity"] in FAILING:
            yield told(alert)


def told(alert: Record) -> str:
    """An alert as a sentence."""
    if alert["reason"]:
        return f"The {alert['severity']} alert {alert['expr']} could not be judged: {alert['reason']}"
    more = f" (and {digits(alert['series'] - 1)} more series)" if alert["series"] > 1 else ""
    return f"An alert of severity {alert['severity']} fired at {alert['at']}: {alert['description']}{more}"


def rows(summary: Summary) -> list[Row]:
    """The metrics of a summary's profile as people read them."""

    def row(name: str, entry: Record) -> Row:
        value, peak, start, error = (digits(entry.get(key)) for key in ("value", "peak", "start", "error"))
        note = summary["missing"].get(f"profile.metrics.{name}.value", "")
        return Row(name, value, peak, start, error, entry["unit"], note)

    return [row(name, entry) for name, entry in (summary.get("profile") or {"metrics": {}})["metrics"].items()]


def _unasked(records: Records) -> str | None:
    """Why Prometheus was asked nothing; None if it was."""
    if records.window is None:
        return "The run has no window: no load was sent."
    return records.problems.get(PROFILE)


def _gaps(lines: Sequence[Record], window: Window) -> Iterator[str]:
    """Between which moments Prometheus scraped nothing, in sentences: no figure of a profile has what happened then."""
    for line in lines:
        if not line["points"]:
            yield f"Whether Prometheus scraped all the time is not known: {line['problem']}"
            continue
        times = {window.start, window.end, *(moment for moment, _ in line["points"])}
        for last, following in pairwise(sorted(times)):
            if following - last > 1.5 * line.get("step", inf):
                gap = f"between {utc(last)} and {utc(following)}"
                yield f"Prometheus scraped nothing {gap}: the profile lacks that time."


def _metric(
    metric: Record, answers: Mapping[tuple[str, str], list[Record]], missing: Missing, unasked: str | None
) -> Record:
    path, name = f"profile.metrics.{metric['name']}", metric["name"]
    worst: Callable[[Sequence[float]], float] = min if metric["direction"] == "higher" else max

    def of(kind: str) -> list[Points]:
        return _series(answers.get((kind, name), ()), unasked)

    def beyond() -> list[float] | None:
        """The errors of a quantile; None if it is none. Raises CollectError where it is beyond the last bucket."""
        asked = [line["query"] for line in answers.get(("value", name), ())]
        return _errors(answers.get(("buckets", name), ())) if any(map(quantile_of, asked)) else None

    def value() -> float:
        beyond()
        return worst([_mean(points) for points in of("value")])

    entry: Record = {
        "value": missing.figure(f"{path}.value", value),
        **(
            {}
            if metric["instant"]
            else {"peak": missing.figure(f"{path}.peak", lambda: _peak(of("value"), worst, beyond))}
        ),
        "unit": metric["unit"],
        "direction": metric["direction"],
        "series": missing.figure(f"{path}.series", lambda: len(of("value"))),
    }
    if metric["capture_start"]:
        entry["start"] = missing.figure(f"{path}.start", lambda: worst([_mean(points) for points in of("start")]))
    if "histogram_quantile" in metric["query"]:
        entry["error"] = missing.figure(f"{path}.error", lambda: _greatest(beyond()))
    return entry


def _peak(series: list[Points], worst: Callable[[Sequence[float]], float], beyond: Callable[[], object]) -> float:
    beyond()
    return worst([value for points in series for _, value in points])


def _greatest(errors: list[float] | None) -> float:
    if not errors:
        raise CollectError(NO_BOUNDS)
    return max(errors)


def _mean(points: Points) -> float:
    return sum(value for _, value in points) / len(points)


def _series(lines: Sequence[Record], unasked: str | None) -> list[Points]:
    """The numbers of each series. Raises CollectError, with the reason, if there is none or one is infinite."""
    if not lines:
        raise CollectError(unasked or NO_SAMPLE)
    if failed := [line["problem"] for line in lines if line["problem"] not in (None, NO_SAMPLE)]:
        raise CollectError(failed[0])  # what the other queries of the name have is not all
    series = [[(moment, float(value)) for moment, value in line["points"]] for line in lines]
    if not any(series):
        raise CollectError(NO_SAMPLE)
    if any(isinf(value) for points in series for _, value in points):
        raise CollectError("A sample of the query is infinite, as of a division by zero.")
    numbers = [[point for point in points if not isnan(point[1])] for points in series]
    if not any(numbers):
        raise CollectError(NO_NUMBER)
    return [points for points in numbers if points]


def _errors(lines: Sequence[Record]) -> list[float]:
    """By how much a quantile can be wrong, at every moment and of every series of it.

    Raises CollectError where it lies beyond the last bucket: Prometheus says the last bound then, which it is not.
    """
    found: dict[tuple[str, frozenset[tuple[str, str]], float], dict[float, float]] = defaultdict(dict)
    for line in lines:
        if "le" in line["labels"]:
            others = frozenset(item for item in line["labels"].items() if item[0] != "le")
            try:
                bound = float(line["labels"]["le"])
            except ValueError:
                raise CollectError(f"A bucket has the bound {quoted(line['labels']['le'])}, no number.") from None
            for moment, value in line["points"]:
                found[line["query"], others, moment][bound] = float(value)
    asked = {line["query"]: quantile for line in lines if (quantile := line.get("quantile")) is not None}
    errors = []
    for (query, _, _), cumulative in found.items():
        histogram = Histogram.from_cumulative({le: count for le, count in cumulative.items() if not isnan(count)})
        if not histogram.count:
            continue
        if (error := histogram.error(asked[query])) is None:
            raise CollectError(BEYOND)
        errors.append(error)
    return errors


def _alert(alert: Record, answers: Mapping[tuple[str, str], list[Record]], unasked: str | None) -> Record | None:
    """An alert that fired, told by its first sample, or one of which nothing is known; None if it did not fire."""
    lines = answers.get(("alert", alert["expr"]), [])
    entry = {key: alert[key] for key in ("severity", "expr", "description")}
    reason = (unasked or NO_SAMPLE) if not lines else next((line["problem"] for line in lines if line["problem"]), None)
    if reason:
        return {**entry, "at": None, "value": None, "labels": {}, "series": 0, "reason": reason}
    fired = [(moment, float(value), line["labels"]) for line in lines for moment, value in line["points"][:1]]
    if not fired:
        return None
    moment, value, labels = min(fired, key=lambda one: one[0])
    entry["description"] = described(alert["description"], value, labels)
    return {
        **entry,
        "at": utc(moment),
        "value": value if isfinite(value) else None,
        "labels": labels,
        "series": len(fired),
        "reason": None,
    }

"""What the registry answered Ratify, and what was left in its token buckets."""

from __future__ import annotations

from analysis.components import Component, Points
from analysis.drawing.charts import Axis, Chart, Curve
from analysis.expositions import parse_labels
from analysis.formats import digits
from analysis.plots.plot import Plot, from_zero, times
from analysis.records import Records
from analysis.samples import Samples, Window
from analysis.timelines import since, thinned
from workloads.errors import CollectError
from workloads.ratify import metrics

BUCKETS = 8
"""Buckets that are drawn at most: those that came nearest to empty."""
_ROLE_OF = {"401": "other", "404": "kwok", "429": "throttled"}
_ROLES = ("throttled", "p50", "refused", "ready", "other", "created", "etcd", "kwok")


def answers(name: str, title: str, ratify: Component, start: float) -> Plot:
    """Answers per second by HTTP status. Raises CollectError if Ratify counted none."""
    totals = ratify.counter_over_time(metrics.RATIFY_REGISTRY_REQUESTS, "status_code")
    if not totals:
        raise CollectError("Ratify counted no request to a registry.")
    curves, rows = [], []
    for status, points in sorted(totals.items()):
        rates = since(start, _per_second(points))
        curves.append(Curve(status, _status_role(status), thinned(rates), step=True))
        peak = max((rate for _, rate in rates), default=0.0)
        rows.append([status, digits(points[-1][1]), f"{digits(peak)}/s"])
    text = "Answers per second, by HTTP status. In the window: "
    text += ", ".join(f"{status} {total}" for status, total, _ in rows) + "."
    head = ("Status", "Answers", "Peak rate")
    return Plot(name, title, text, Chart(times(), from_zero("answers/s"), curves), head, rows, True)


def _per_second(points: Points) -> Points:
    """The rate of each interval, at its beginning, and at the end once more: what a step line is drawn from."""
    rates = [
        (earlier, (grown - before) / (later - earlier))
        for (earlier, before), (later, grown) in zip(points, points[1:], strict=False)
        if later > earlier
    ]
    return [*rates, (points[-1][0], rates[-1][1])] if rates else []


def _status_role(status: str) -> str:
    return _ROLE_OF.get(status) or {"2": "ready", "3": "created", "5": "refused"}.get(status[:1], "harness")


def buckets(name: str, title: str, records: Records, start: float) -> Plot:
    """Tokens left in the buckets that were drawn upon. Raises CollectError if none was, or if nobody says."""
    if records.samples is None:
        raise CollectError(records.problems["metrics.parquet"])
    if records.window is None:
        raise CollectError("No load was sent.")
    every = _levels(records.samples, records.window)
    if not every:
        raise CollectError("The registry tells nobody what is left in its buckets; the emulated one does.")
    used = {who: points for who, points in every.items() if len({value for _, value in points}) > 1}
    if not used:
        raise CollectError(f"At every scrape all {len(every)} buckets held what they had held before: none was short.")
    lowest = {who: min(points, key=lambda point: point[1])[1] / _most(points) for who, points in used.items()}
    shown = sorted(used, key=lambda who: (lowest[who], who))[:BUCKETS]
    curves = [
        Curve(who, role, thinned([(at, 100 * value / _most(used[who])) for at, value in since(start, used[who])]))
        for who, role in zip(shown, _ROLES, strict=False)
    ]
    rows = [[who, digits(_most(used[who])), digits(min(v for _, v in used[who]))] for who in shown]
    text = f"Tokens left, of the most that the bucket held in the window. {len(used)} of {len(every)} buckets changed"
    text += "." if len(used) <= BUCKETS else f"; shown are the {BUCKETS} that came nearest to empty."
    axis = Axis("left", told=lambda share: f"{share:g}%", low=0.0, high=100.0)
    return Plot(name, title, text, Chart(times(), axis, curves), ("Bucket", "At most", "At least"), rows, True)


def _most(points: Points) -> float:
    return max(value for _, value in points) or 1.0


def _levels(samples: Samples, window: Window) -> dict[str, Points]:
    """Tokens of every bucket at the window's scrapes, by registry, whose bucket it is, and category."""
    found: dict[str, Points] = {}
    targets = samples.targets(metrics.REGISTRY)
    for target in targets:
        instants = samples.bracket(target, window).scrapes
        for metric in (metrics.REGISTRY_TOKENS, metrics.REGISTRY_IDENTITY_TOKENS):
            for spelling in metric.names:
                for one in samples.series(spelling, target, instants):
                    labels = parse_labels(one.labels)
                    whose = labels.get("identity", "registry")
                    found[f"{target.removeprefix('registry-')}: {whose} {labels.get('category', '')}"] = list(
                        zip(one.times, one.values, strict=True)
                    )
    return found

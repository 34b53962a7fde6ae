"""Cold against cached: how many admissions a verification stood for."""

from __future__ import annotations

from analysis.components import Component, Points
from analysis.drawing.charts import Chart, Curve
from analysis.formats import digits, seconds
from analysis.plots.plot import Plot, from_zero, times
from analysis.records import Records
from analysis.sentences import caches
from analysis.summary import Summary
from analysis.timelines import reached, since, thinned, until
from workloads.errors import CollectError
from workloads.ratify import metrics


def admissions(name: str, title: str, records: Records, summary: Summary, ratify: Component) -> Plot:
    """Pods let in and verification requests, as running totals: the gap is what caches answered, or nobody.

    Raises CollectError if either is not known.
    """
    if records.pods is None:
        raise CollectError(records.problems["pods.jsonl"])
    if records.window is None:
        raise CollectError("No load was sent.")
    start, end = records.window.start, records.window.end - records.window.start
    total, verified = 0.0, []
    for time, observed in ratify.latencies(metrics.RATIFY_VERIFICATION):
        total += observed.count
        verified.append((time, total))
    curves: dict[str, Points] = {
        "pods admitted": until(since(start, reached(records.pods, "created")), end),
        "verification requests": [(0.0, 0.0), *((max(0.0, at), n) for at, n in since(start, verified))],
    }
    drawn = [
        Curve("pods admitted", "created", thinned(curves["pods admitted"]), step=True),
        Curve("verification requests", "verification", thinned(curves["verification requests"]), dots=True),
    ]
    text = f"{caches(summary)} {_blobs(summary)}"
    rows = [["in the window", *(digits(points[-1][1]) for points in curves.values())]]
    rows += [
        [seconds(at), digits(max((n for t, n in curves["pods admitted"] if t <= at), default=0)), digits(count)]
        for at, count in curves["verification requests"][1:][:: max(1, len(verified) // 20)]
    ]
    chart = Chart(times(low=0.0), from_zero("since the load began"), drawn)
    return Plot(name, title, text.strip(), chart, ("Until", *curves), rows, True)


def _blobs(summary: Summary) -> str:
    hits, misses = summary["ratify"]["cache_hits"], summary["ratify"]["cache_misses"]
    if hits is None or misses is None:
        return ""
    return f"Ratify's cache of blobs answered {digits(hits)} times and missed {digits(misses)} times."

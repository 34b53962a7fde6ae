"""Every plot of the report of a run, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from analysis.components import component
from analysis.faults import name as fault_name
from analysis.plots import caching, latencies, pods, registry, resources, slow
from analysis.plots.plot import Plot, beginning, drawn
from analysis.records import Records
from analysis.summary import Summary
from workloads.ratify import metrics


def plots(records: Records, summary: Summary) -> list[Plot]:
    """The plots, those without data with the reason; a band marks each fault on those that are over time."""
    ratify = component(records, metrics.RATIFY)
    start = beginning(records)
    every: list[tuple[str, str, Callable[[str, str], Plot]]] = [
        ("pods", "Pods over time, against the plan", partial(pods.pods_over_time, records=records)),
        ("distribution", "Latencies, distribution", partial(latencies.distribution, records=records)),
        ("latency", "Verification latency over time", partial(latencies.over_time, records=records)),
        ("heat", "Verification latency, heat", partial(latencies.heat, records=records)),
        ("slow", "Slow pods, and what coincided", partial(slow.slow_pods, records=records, summary=summary)),
        (
            "caching",
            "Cold against cached",
            partial(caching.admissions, records=records, summary=summary, ratify=ratify),
        ),
        ("answers", "Registry answers to Ratify", partial(registry.answers, ratify=ratify, start=start)),
        ("tokens", "Registry's token buckets", partial(registry.buckets, records=records, start=start)),
        ("memory", "Memory", partial(resources.memory, records=records)),
        ("cpu", "CPU", partial(resources.cpu, records=records)),
    ]
    return _marked([drawn(*each) for each in every], records)


def _marked(made: Sequence[Plot], records: Records) -> list[Plot]:
    carried = [fault for fault in records.faults or () if fault["began"] and fault["ended"]]
    if not carried or records.window is None:
        return list(made)
    start = records.window.start
    spans = [(fault_name(fault), fault["began"] - start, fault["ended"] - start) for fault in carried]
    text = " Bands: " + ", ".join(f"{what} until {end:.1f} s" for what, _, end in spans) + "."
    bands = [(first, last) for _, first, last in spans]
    return [
        replace(plot, text=plot.text + text, chart=replace(plot.chart, bands=bands))
        if plot.chart and plot.over_time
        else plot
        for plot in made
    ]

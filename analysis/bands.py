"""Marks on the plots over time: a band for as long as a fault lasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.faults import name
from analysis.plots import Plot
from analysis.records import Records

BAND = "rgba(128,128,128,0.2)"


def marked(plots: Sequence[Plot], records: Records) -> list[Plot]:
    """The plots with a band for every fault, where they are over time, and a sentence that says so."""
    carried = [fault for fault in records.faults or () if fault["began"] and fault["ended"]]
    if not carried or records.window is None:
        return list(plots)
    start = records.window.start
    spans = [(name(fault), fault["began"] - start, fault["ended"] - start) for fault in carried]
    text = " Bands: " + ", ".join(f"{what} until {end:.1f} s" for what, _, end in spans) + "."
    shapes = [
        {"type": "rect", "xref": "x", "yref": "paper", "x0": first, "x1": last, "y0": 0, "y1": 1}
        | {"fillcolor": BAND, "line": {"width": 0}, "layer": "below"}
        for _, first, last in spans
    ]
    return [
        replace(plot, text=plot.text + text, layout={**plot.layout, "shapes": shapes})
        if "since the load" in str(plot.layout.get("xaxis"))
        else plot
        for plot in plots
    ]

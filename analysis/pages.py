"""What the pages share, that of a run and that of a comparison: the templates, and plots as SVG and as data.

A page opens without a network: plots are SVG (analysis.drawing), and its own policy forbids it to load anything.
Everything that a plot shows is also on the page as a sentence and a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.drawing.svg import svg
from analysis.formats import printable
from analysis.plots.plot import Plot


@cache
def environment() -> Environment:
    """The templates; ``svg`` draws a plot."""
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    made.filters["svg"] = _svg
    return made


def _finalized(value: Any) -> Any:
    """What a component said may hold anything; our own scripts are marked as safe and left as they are."""
    return printable(value) if type(value) is str else value


def _svg(plot: Plot) -> Markup:
    assert plot.chart is not None
    return Markup(svg(plot.chart, plot.name, printable(f"{plot.title}. {plot.text}")))


def script_data(plots: Sequence[Plot]) -> str:
    """What the page's script reads out of the plots, as JSON that is safe inside a script element."""
    data = {plot.name: plot.chart.data() for plot in plots if plot.chart and plot.chart.curves}
    return orjson.dumps(data).decode().replace("<", "\\u003c")

"""What a chart shows, as data. Colours are roles (``ready``, ``ratify``, …); the page has them for both themes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.formats import digits

Point = tuple[float, float | None]
"""(x, y); no line is drawn to a y of None."""


@dataclass(frozen=True)
class Axis:
    """One axis: its unit in words, how its values read, and where it ends.

    Without ``low`` or ``high`` the ends are those of the data; ``marks`` are (value, text) in place of round values.
    """

    title: str
    log: bool = False
    told: Callable[[float], str] = digits
    low: float | None = None
    high: float | None = None
    marks: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Curve:
    """A line through points in order of x; ``step`` holds a value until the next one, ``dots`` marks the points.

    Curves of one name are one side: the legend has them once, and they are read out as from the least to the most.
    ``told`` says which of them this is.
    """

    name: str
    role: str
    points: Sequence[Point]
    step: bool = False
    dots: bool = False
    dashed: bool = False
    thin: bool = False
    told: str = ""


@dataclass(frozen=True)
class Cell:
    """A rectangle of a heat map: its edges, its share of the fullest one (0 to 1), and what it says."""

    left: float
    right: float
    bottom: float
    top: float
    share: float
    told: str


@dataclass(frozen=True)
class Chart:
    """Curves, or the cells of a heat map, over two axes; ``bands`` are spans of x that are marked."""

    x: Axis
    y: Axis
    curves: Sequence[Curve] = ()
    cells: Sequence[Cell] = ()
    bands: Sequence[tuple[float, float]] = ()

    def data(self) -> dict[str, Any]:
        """The curves as the page's script reads them out: (name, step, xs, ys), and the titles of the axes."""
        curves = [
            {"name": one.name, "step": one.step, "x": [x for x, _ in one.points], "y": [y for _, y in one.points]}
            for one in self.curves
        ]
        return {"x": self.x.title, "y": self.y.title, "curves": curves}

    def legend(self) -> list[Curve]:
        """A curve of each name, in order."""
        return list({one.name: one for one in reversed(self.curves)}.values())[::-1]

    def xs(self) -> Iterator[float]:
        """Every x that is drawn."""
        yield from (x for one in self.curves for x, _ in one.points)
        yield from (edge for cell in self.cells for edge in (cell.left, cell.right))

    def ys(self) -> Iterator[float]:
        """Every y that is drawn."""
        yield from (y for one in self.curves for _, y in one.points if y is not None)
        yield from (edge for cell in self.cells for edge in (cell.bottom, cell.top))

"""A chart as an SVG element (w3.org/TR/SVG2). Colours and fonts are the page's style; here are classes and roles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from analysis.drawing.charts import Axis, Cell, Chart, Curve, Point
from analysis.drawing.scales import Scale, spanning

WIDTH, HEIGHT = 520, 270
_TOP, _RIGHT, _BOTTOM = 24, 14, 40
_CHARACTER = 7.6
"""Pixels that a character of a tick takes at most."""
_DOTS = 80
"""A curve of more points has no dots: they would hide it."""


def svg(chart: Chart, name: str, label: str) -> str:
    """The element. ``label`` says what the chart shows; ``name`` is unique on the page."""
    ys = _ends(chart.y, list(chart.ys()))
    y = spanning(*ys, HEIGHT - _BOTTOM, _TOP, log=chart.y.log)
    marks = list(chart.y.marks) or [(value, chart.y.told(value)) for value in y.ticks()]
    left = 10 + _CHARACTER * max((len(text) for _, text in marks), default=1)
    x = spanning(*_ends(chart.x, list(chart.xs())), left, WIDTH - _RIGHT, log=chart.x.log)
    parts = [
        *(_band(x, span) for span in chart.bands),
        *_grid(marks, x, y),
        *_bottom(chart.x, x),
        f'<text class="unit" x="2" y="12">{escape(chart.y.title)}</text>',
        *(_cell(cell, x, y) for cell in chart.cells),
        *(part for curve in chart.curves for part in _curve(curve, x, y)),
    ]
    scale = f"{x.low:.6g} {x.high:.6g} {x.start:.1f} {x.end:.1f} {'log' if x.log else 'even'}"
    return (
        f'<svg class="plot" id="plot-{escape(name)}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" tabindex="0" '
        f'data-x="{scale}" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _ends(axis: Axis, values: Sequence[float]) -> tuple[float, float]:
    low = axis.low if axis.low is not None else min(values, default=0.0)
    high = axis.high if axis.high is not None else max(values, default=1.0)
    return low, high


def _band(x: Scale, span: tuple[float, float]) -> str:
    first, last = (x.place(edge) for edge in span)
    return (
        f'<rect class="band" x="{first:.1f}" y="{_TOP}" width="{last - first:.1f}" height="{HEIGHT - _BOTTOM - _TOP}"/>'
    )


def _grid(marks: Sequence[tuple[float, str]], x: Scale, y: Scale) -> Iterator[str]:
    for value, text in marks:
        at = y.place(value)
        yield f'<path class="grid" d="M{x.start:.1f} {at:.1f}H{x.end:.1f}"/>'
        yield f'<text class="tick" x="{x.start - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{escape(text)}</text>'


def _bottom(axis: Axis, x: Scale) -> Iterator[str]:
    base = HEIGHT - _BOTTOM
    yield f'<path class="axis" d="M{x.start:.1f} {base}H{x.end:.1f}"/>'
    for value, text in list(axis.marks) or [(value, axis.told(value)) for value in x.ticks(7)]:
        at = x.place(value)
        anchor = "end" if at > WIDTH - 24 else "middle"
        yield f'<path class="axis" d="M{at:.1f} {base}v4"/>'
        yield f'<text class="tick" x="{at:.1f}" y="{base + 17}" text-anchor="{anchor}">{escape(text)}</text>'
    middle = (x.start + x.end) / 2
    yield f'<text class="unit" x="{middle:.1f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(axis.title)}</text>'


def _cell(cell: Cell, x: Scale, y: Scale) -> str:
    left, right, top, bottom = x.place(cell.left), x.place(cell.right), y.place(cell.top), y.place(cell.bottom)
    return (
        f'<rect class="heat" x="{left:.1f}" y="{top:.1f}" width="{max(0.5, right - left):.1f}" '
        f'height="{bottom - top:.1f}" fill-opacity="{0.1 + 0.9 * cell.share:.2f}">'
        f"<title>{escape(cell.told)}</title></rect>"
    )


def _curve(curve: Curve, x: Scale, y: Scale) -> Iterator[str]:
    color = f'style="--c:var(--c-{escape(curve.role)})"'
    kind = " ".join(["line", *(["dashed"] if curve.dashed else []), *(["thin"] if curve.thin else [])])
    told = f"><title>{escape(curve.told)}</title></path>" if curve.told else "/>"
    yield f'<path class="{kind}" {color} d="{_path(curve, x, y)}"{told}'
    shown = [(x.place(one), y.place(value)) for one, value in curve.points if value is not None]
    if (curve.dots and len(shown) <= _DOTS) or len(shown) == 1:
        circles = "".join(f"M{one - 2.5:.1f} {two:.1f}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0" for one, two in shown)
        yield f'<path class="dots" {color} d="{circles}"/>'


def _path(curve: Curve, x: Scale, y: Scale) -> str:
    """The line as path data: it is taken up again after a gap, and a step goes right before it goes up."""
    data: list[str] = []
    pen = False
    for one, value in _sparse(curve.points):
        if value is None:
            pen = False
            continue
        at, up = f"{x.place(one):.1f}", f"{y.place(value):.1f}"
        data.append(f"M{at} {up}" if not pen else f"H{at}V{up}" if curve.step else f"L{at} {up}")
        pen = True
    return "".join(data)


def _sparse(points: Sequence[Point]) -> Iterator[Point]:
    """The points without those that repeat the one before."""
    before: Point | None = None
    for point in points:
        if point != before:
            yield point
        before = point

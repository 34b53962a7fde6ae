"""From values to places on a drawing, and the round values that an axis names."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10

_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Scale:
    """Values from ``low`` to ``high`` on a line from ``start`` to ``end`` (pixels), evenly or by their logarithms.

    A value beyond an end is placed at that end.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value is, in pixels."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = log10(value / self.low) / log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """At most ``most`` round values in it, in order."""
        return self._decades(most) if self.log else self._even(most)

    def _even(self, most: int) -> list[float]:
        rough = (self.high - self.low) / (most - 1)
        power = 10.0 ** floor(log10(rough))
        step = next(step for step in _STEPS if step * power >= rough * (1 - 1e-9)) * power
        first = ceil(self.low / step - 1e-9)
        return [round(index * step, 12) for index in range(first, floor(self.high / step + 1e-9) + 1)]

    def _decades(self, most: int) -> list[float]:
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            found = [factor * 10.0**power for power in powers for factor in factors]
            inside = [value for value in found if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]
            if len(inside) <= most:
                return inside
        return inside[:: ceil(len(inside) / most)]


def spanning(low: float, high: float, start: float, end: float, *, log: bool = False) -> Scale:
    """A scale that has these values; where they are one, or none fit a logarithm, room is made around them."""
    if log:
        low, high = max(low, 1e-9), max(high, 1e-9)
        return Scale(low, high if high > low * 1.5 else low * 10, start, end, log)
    return Scale(low, high if high > low else low + (abs(low) or 1.0), start, end)

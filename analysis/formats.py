"""Figures as people read them: the unit follows from the figure's name, the digits from its size."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NONE = "\u2013"
"""What stands where there is no figure."""


def figure_text(path: str, value: Any) -> str:
    """A figure with its unit, by its path in the summary (``ratify.memory_bytes.peak`` is in bytes)."""
    if value is None:
        return NONE
    if path.startswith("profile."):
        return digits(value)  # its unit is what its profile says
    if "seconds" in path and not path.endswith(".count"):
        return seconds(value)
    if "bytes" in path:
        return megabytes(value)
    if "cores" in path:
        return f"{digits(value)} cores"
    if "share" in path:
        return f"{value:.1%}"
    return f"{digits(value)}/s" if path.endswith("per_s") else digits(value)


_UNITS = {"seconds", "bytes", "cores"}
_SPELT = {"ratify": "Ratify", "gatekeeper": "Gatekeeper", "cpu": "CPU", "api": "API", "oom": "OOM"}


def figure_name(path: str) -> str:
    """A figure in words, by its path in the summary: Ratify memory peak. Its unit is beside its value."""
    words = path.replace(".", " ").replace("_", " ").split()
    return " ".join(_SPELT.get(word, word) for word in words if word not in _UNITS)


def seconds(value: float | None) -> str:
    """A duration: ms below a second, s below two minutes, then minutes and seconds."""
    if value is None:
        return NONE
    if value == 0:
        return "0 s"
    if abs(value) < 0.9995:
        return f"{digits(value * 1000)} ms"
    if abs(value) < 120:
        return f"{digits(value)} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02} s"


def megabytes(value: float | None) -> str:
    """Memory in MB or GB, powers of ten."""
    if value is None:
        return NONE
    return f"{digits(value / 1e9)} GB" if abs(value) >= 0.9995e9 else f"{digits(value / 1e6)} MB"


def utc(moment: float) -> str:
    """A moment in epoch seconds as RFC 3339, in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def counted(count: float, noun: str) -> str:
    """A count with its noun: 1 pod, 2 pods."""
    return f"{digits(count)} {noun}{'' if count == 1 else 's'}"


def times(count: float) -> str:
    """How often: once, 2 times."""
    return "once" if count == 1 else f"{digits(count)} times"


def digits(value: float | None) -> str:
    """A number with three significant digits, whole numbers in full with thousands separated."""
    if value is None:
        return NONE
    if isinstance(value, int) or value == int(value) and abs(value) < 1e15 or abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def printable(text: str) -> str:
    """Text without the control characters that XML cannot carry and that a terminal obeys."""
    return "".join(character for character in text if character >= " " or character in "\t\n")

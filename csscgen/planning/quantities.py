"""Quantities of Kubernetes as numbers: 500m of a core, 512Mi of memory."""

from __future__ import annotations

_FACTORS = {"m": 0.001, "k": 1e3, **{letter: 10.0 ** (3 * power) for power, letter in enumerate("MGTPE", start=2)}}


def quantity(text: str) -> float:
    """The number that a quantity is: cores, or bytes."""
    if text.endswith("i"):
        return float(text[:-2]) * 1024.0 ** ("KMGTPE".index(text[-2]) + 1)
    return float(text[:-1]) * _FACTORS[text[-1]] if text[-1] in _FACTORS else float(text)

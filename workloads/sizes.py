"""Scenario sizes as data: how many replicas, and how many nodes carry them.

The figures are those of "Ratify Performance Load Testing for Azure", which the published results of Ratify used too, so
that a run here can be held against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SizeName = Literal["S", "M", "L", "XL"]

SIZE_NAMES: tuple[SizeName, ...] = get_args(SizeName)


@dataclass(frozen=True)
class Size:
    """Replicas (pods) of all workloads together, and nodes."""

    replicas: int
    nodes: int


SIZES: dict[SizeName, Size] = {
    "S": Size(200, 11),
    "M": Size(2_000, 62),
    "L": Size(10_000, 307),
    "XL": Size(20_000, 702),
}

"""Registry sizes as data: what a registry admits per minute before it answers 429.

Azure Container Registry throttles with token buckets per category of request. Microsoft publishes the limits of a SKU
(learn.microsoft.com, "Container registry service tiers", 2026-08), calls them approximate, and raises them on request;
what a region of size XS, S, M or L adds or takes away is internal to the service. The sizes here are a model, and every
report names the one that was used: XS is the published Standard row, S the Premium row, M and L three and ten times
Premium, so that L is a registry that is not the bottleneck of a run with every cache off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Category = Literal["read", "write", "list_referrers"]
"""What a request is charged to. Listing referrers is charged to ``read`` as well."""

SizeName = Literal["XS", "S", "M", "L"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
SIZE_NAMES: tuple[SizeName, ...] = get_args(SizeName)


@dataclass(frozen=True)
class RegistrySize:
    """The requests per minute that a registry of one size admits, by category, for all callers together."""

    name: SizeName
    per_minute: dict[Category, int]


_ROWS: tuple[tuple[SizeName, int, int, int], ...] = (
    ("XS", 10_000, 2_000, 500),
    ("S", 20_000, 4_000, 2_000),
    ("M", 60_000, 12_000, 6_000),
    ("L", 200_000, 40_000, 20_000),
)

SIZES: dict[SizeName, RegistrySize] = {
    name: RegistrySize(name, {"read": read, "write": write, "list_referrers": referrers})
    for name, read, write, referrers in _ROWS
}

"""Registry sizes as data: what a registry admits per minute before it answers 429.

Azure Container Registry throttles with token buckets per category of request. Microsoft publishes the limits of a SKU
(learn.microsoft.com, "Container registry service tiers", 2026-08), not those of a region: the regions' sizes XS, S, M
and L are internal to the service. L is therefore the published Premium row, and M, S and XS are this project's own
halving and quartering of it, chosen so that the published Ratify results keep their order; they are a model, and every
report names the size that was used.
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


SIZES: dict[SizeName, RegistrySize] = {
    name: RegistrySize(name, {"read": read, "write": write, "list_referrers": referrers})
    for name, read, write, referrers in (
        ("XS", 1_250, 4_000, 125),
        ("S", 5_000, 4_000, 500),
        ("M", 10_000, 4_000, 1_000),
        ("L", 20_000, 4_000, 2_000),
    )
}

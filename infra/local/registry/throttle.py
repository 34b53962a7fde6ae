"""Which buckets a request is charged to: the registry's of its category, and those of who asks.

Without logins nobody is told apart, so the registry's own buckets are the only ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infra.local.registry.buckets import TokenBucket, debit
from workloads.registries import Category, RegistrySize

_ALSO: dict[Category, tuple[Category, ...]] = {"list_referrers": ("read",)}
"""What a category is charged to beside itself."""

Buckets = Mapping[Category, TokenBucket]


class Throttle:
    """The buckets of one registry. ``identities`` are the names of those who can log in."""

    def __init__(self, size: RegistrySize, identities: Iterable[str], now: int) -> None:
        self.registry: Buckets = {category: TokenBucket(limit.registry, now) for category, limit in size.limits.items()}
        self.identities: Mapping[str, Buckets] = {
            name: {c: TokenBucket(limit.identity, now) for c, limit in size.limits.items() if limit.identity}
            for name in identities
        }
        self._charged = {name: self._rows(buckets) for name, buckets in self.identities.items()}
        self._anybody = self._rows({})

    def _rows(self, own: Buckets) -> dict[Category, tuple[TokenBucket, ...]]:
        rows = {}
        for category in self.registry:
            charged = (category, *_ALSO.get(category, ()))
            rows[category] = (*(self.registry[c] for c in charged), *(own[c] for c in charged if c in own))
        return rows

    def debit(self, category: Category, identity: str | None, now: int) -> int:
        """Charge a request of ``identity``, None for nobody in particular; 0, or nanoseconds to wait."""
        rows = self._anybody if identity is None else self._charged[identity]
        return debit(rows[category], now)

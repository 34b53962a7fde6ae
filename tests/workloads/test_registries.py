from __future__ import annotations

from workloads.registries import CATEGORIES, SIZE_NAMES, sizes


def test_every_size_has_a_limit_for_every_category():
    assert tuple(sizes()) == SIZE_NAMES
    for size in sizes().values():
        assert tuple(size.limits) == CATEGORIES


def test_an_identity_has_half_of_the_registry_where_it_has_a_limit():
    for size in sizes().values():
        for category, limit in size.limits.items():
            assert limit.identity == (None if category == "oauth" else limit.registry // 2)


def test_the_sizes_are_the_published_rows_and_multiples_of_them():
    """Premium: 20,000 reads, 4,000 writes and 2,000 lists of referrers per minute; Standard: 10,000, 2,000, 500."""
    registry = {
        name: [size.limits[c].registry for c in ("read", "write", "list_referrers")] for name, size in sizes().items()
    }
    assert registry["XS"] == [10_000, 2_000, 500]
    assert registry["S"] == [20_000, 4_000, 2_000]
    assert registry["M"] == [3 * count for count in registry["S"]]
    assert registry["L"] == [10 * count for count in registry["S"]]

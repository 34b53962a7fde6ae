from __future__ import annotations

import pytest

from workloads.errors import UsageError
from workloads.registries import CATEGORIES, SIZE_NAMES, host_of, public_host, sizes


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


@pytest.mark.parametrize(
    "host", ["docker.io", "registry-1.docker.io:443", "GHCR.io", "eu.gcr.io", "mcr.microsoft.com."]
)
def test_registries_that_everybody_shares_are_known(host):
    assert public_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "mine.azurecr.io", "notdocker.io", "registry.example"])
def test_a_registry_of_one_s_own_is_not_public(host):
    assert not public_host(host)


def test_the_host_is_that_of_the_size_or_it_is_told_which_sizes_there_are():
    there = [{"size": "L", "host": "one"}, {"size": "S", "host": "two"}]
    assert host_of(there, "S", "shared") == "two"
    with pytest.raises(UsageError, match="shared has no registry of size XS: it has L, S"):
        host_of(there, "XS", "shared")

"""The files beside the code: every figure has its type, and dates are dates."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import get_args

import pytest

from csscgen.planning import data
from csscgen.planning.quantities import quantity
from infra.settings import Settings
from workloads import registries
from workloads.algorithms import AlgorithmName, EnvelopeName


def test_every_file_is_read_whole_and_says_its_date():
    for known in (data.limits(), data.prices()):
        assert date.fromisoformat(known.as_of) <= date(2100, 1, 1)
    model = data.model()
    figures = {field.name: getattr(model, field.name) for field in fields(model)}
    signatures = figures.pop("signature_bytes")
    assert all(figure > 0 for each in (figures, *signatures.values()) for figure in each.values())
    assert {tuple(each) for each in signatures.values()} == {get_args(AlgorithmName)}
    assert set(signatures) == {f"{form}{chain}" for form in get_args(EnvelopeName) for chain in ("", "_chain")}


def test_the_default_vm_sizes_are_known():
    cluster = Settings().cluster
    load, system = data.machine(cluster.vmSize), data.machine(cluster.systemVmSize)
    assert load and (load.cores, load.gib, load.quota) == (4, 16, "standardDSv3Family")
    assert system and (system.cores, system.gib) == (8, 32)
    assert load.usd_per_hour == pytest.approx(0.192)


@pytest.mark.parametrize("size", ["Standard_Z9_v9", "Standard_E8-4s_v3", "Standard_", "D4s_v3", "Standard_D4s_v99"])
def test_other_vm_sizes_are_unknown(size):
    assert data.machine(size) is None


def test_families_of_two_letters_and_features():
    found = data.machine("Standard_D16ads_v5")
    assert found and (found.cores, found.quota) == (16, "standardDADSv5Family")


def test_the_published_rows_are_those_of_the_skus():
    assert registries.published("Premium")["list_referrers"] == registries.Limit(2_000, 1_000)
    assert registries.published("Basic") == registries.published("Standard")
    assert registries.published("Standard")["oauth"] == registries.Limit(10_000)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", 0.5),
        ("1000m", 1),
        ("2", 2),
        ("1.5", 1.5),
        ("512Mi", 512 * 2**20),
        ("1Gi", 2**30),
        ("1M", 1e6),
        ("2Ki", 2048),
    ],
)
def test_quantities_are_numbers(text, number):
    assert quantity(text) == pytest.approx(number)

"""The scenario matrix of Azure, as the folder has it."""

from __future__ import annotations

from itertools import product

import pytest

from csscgen import stackfiles
from tests.infra.stacks import ROOT
from workloads.sizes import SIZES

MATRIX = {f"perf-{size}{jobs}{ha}": (size, jobs, ha) for size, jobs, ha in product(SIZES, ("", "-jobs"), ("", "-ha"))}


def test_there_is_a_file_for_every_scenario_and_no_other():
    assert len(MATRIX) == 16
    assert {name for name in stackfiles.stack_names(ROOT) if name.startswith("perf-")} == MATRIX.keys()


@pytest.mark.parametrize("name", MATRIX)
def test_a_scenario_is_what_its_name_says(name):
    size, jobs, ha = MATRIX[name]
    read = stackfiles.read(ROOT, name)
    settings = read.settings
    assert settings.platform == "azure"
    assert read.shared and read.shared.name == "shared"
    assert settings.nodes == SIZES[settings.scenario.size].nodes
    assert (settings.scenario.size, settings.replicas) == (size, SIZES[settings.scenario.size].replicas)
    assert (settings.scenario.workload, settings.scenario.shards) == (("job", 5) if jobs else ("deployment", 1))
    assert (settings.scenario.containers, settings.scenario.signatures) == (10, 5)
    assert (settings.ratify.mode, settings.ratify.replicas) == (("ha", 3) if ha else ("regular", 1))
    assert settings.registry.size == "L"
    assert settings.response_cache_seconds == 0, "Gatekeeper asks for every admission"


@pytest.mark.parametrize("name", MATRIX)
def test_a_scenario_is_judged_by_figures_that_can_be_had_on_a_cluster(name):
    thresholds = stackfiles.read(ROOT, name).settings.thresholds
    assert {"pods.ready", "pods.missing", "ratify.verification_requests"} <= thresholds.keys()
    assert not [metric for metric in thresholds if metric.startswith("control_plane.webhook")], "of the audit log"


@pytest.mark.parametrize("name", [*MATRIX, "shared"])
def test_the_first_line_says_what_it_is(name):
    first, *rest = (ROOT / "stacks" / f"Pulumi.{name}.yaml").read_text().splitlines()
    assert first.startswith("# ")
    if name in MATRIX:
        size, jobs, _ = MATRIX[name]
        assert first.startswith(f"# {size} of the published test on AKS: ") and f"{SIZES[size].replicas:,}" in first
        assert f"{SIZES[size].nodes} nodes" in first
        assert ("Jobs" in first) is bool(jobs)
    assert len(rest) < 30, "it reads like the scenario"

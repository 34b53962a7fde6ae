"""The policies, when everything is known that a preview cannot know: scopes of roles, hosts of images, addresses."""

from __future__ import annotations

import importlib
import inspect

import pytest

from csscgen.commands.preview import judged
from infra.policy.ownership import UNTAGGED
from infra.policy.resources import UNKNOWN, leaves
from tests.infra.stacks import Declared

ASSIGNMENT = "azure-native:authorization:RoleAssignment"


def known(declared: Declared) -> None:
    """Nothing of the stack is unknown, so that a rule that is silent has seen what it judges."""
    for step in declared.outcome.steps:
        assert UNKNOWN not in [value for _, value in leaves(step.inputs)], step.name


def test_what_comes_up_breaks_no_policy(shared, run):
    for declared in (shared, run):
        known(declared)
        scopes = [step.inputs["scope"] for step in declared.of_type(ASSIGNMENT)]
        assert scopes and all("/providers/" in str(scope) for scope in scopes)
        assert [each.message for each in judged(declared.outcome, "azure")] == []


@pytest.mark.parametrize("stack", ["perf-M-jobs-ha", "perf-L-ha", "perf-XL-jobs"])
def test_the_other_kinds_of_runs_break_none_either(world, shared, stack):
    assert [each.message for each in judged(world.up(stack).outcome, "azure")] == []


def test_what_takes_tags_is_what_the_sdk_says(shared, run):
    types = {step.type for declared in (shared, run) for step in declared.of_type("") if "azure-native" in step.type}
    assert {ASSIGNMENT, "azure-native:containerservice:AgentPool"} <= types
    for token in types:
        _, module, name = token.split(":")
        made = getattr(importlib.import_module(f"pulumi_azure_native.{module}"), name)
        takes = "tags" in inspect.signature(made._internal_init).parameters
        assert takes is (token not in UNTAGGED), token


def test_a_run_s_images_are_of_a_registry_of_azure(run):
    containers = run.inputs("workload-0")["spec"]["template"]["spec"]["containers"]
    assert len(containers) == 10
    assert all(".azurecr.io/" in container["image"] for container in containers)

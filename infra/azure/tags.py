"""The tags of the resources of a stack in Azure, by which what is left of a run is found."""

from __future__ import annotations

import pulumi

from infra.settings import Settings
from workloads.tags import OWNER, PROJECT, RUN, STACK

SHARED = "shared"
"""Tag of what belongs to no run and outlasts them all: a search for what a run has left must not find it."""


def tags(settings: Settings) -> dict[str, str]:
    """For every resource that takes tags. Role assignments and federated credentials take none."""
    return {
        **settings.azure.tags,
        OWNER: settings.azure.owner,
        RUN: settings.runId if settings.sharedStack else SHARED,
        STACK: pulumi.get_stack(),
        PROJECT: pulumi.get_project(),
    }

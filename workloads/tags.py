"""The tags of every resource in Azure: whose it is, and which run, stack and project made it.

What is left of a run that could not be destroyed is found by them, as objects in a cluster are by their labels.
"""

from __future__ import annotations

OWNER = "owner"
RUN = "run-id"
STACK = "stack"
PROJECT = "project"

TAGS = (OWNER, RUN, STACK, PROJECT)

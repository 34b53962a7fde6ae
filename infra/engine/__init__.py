"""Runs the project's Pulumi program: with the Pulumi CLI where there is one, in this process where there is none.

Importing this package imports neither Pulumi nor a Kubernetes client; that happens when an engine is used.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from infra.engine.types import Engine, OnStep, Outcome, PlannedStep, StepEvent
from infra.engine.values import Secret
from workloads.errors import UsageError

__all__ = ["Engine", "OnStep", "Outcome", "PlannedStep", "Secret", "StepEvent", "select"]


def select(name: Literal["auto", "cli", "embedded"], *, root: Path, state: Path) -> Engine:
    """The engine to use. ``auto`` is the CLI if ``pulumi`` is on PATH.

    ``root`` has Pulumi.yaml and the program; ``state`` is where the embedded engine keeps its states. Raises
    ``UsageError`` if the CLI is asked for and is not there.
    """
    found = shutil.which("pulumi")
    if name == "cli" and found is None:
        raise UsageError(
            "The engine cli needs the Pulumi CLI, and there is no pulumi on PATH. Install it, or use --engine embedded."
        )
    if name == "cli" or (name == "auto" and found is not None):
        from infra.engine.cli import CliEngine

        return CliEngine(root)
    from infra.engine.embedded import EmbeddedEngine

    return EmbeddedEngine(root, state)

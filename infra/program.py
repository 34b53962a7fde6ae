"""The Pulumi program: reads the stack's settings once and chooses its components.

It is the same program for the Pulumi CLI and for the embedded engine. Where a run changes settings for once
(``csscgen run --set``), they reach it in ``CSSCGEN_CONFIG``, so that no stack file is edited.
"""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import pulumi

from infra.engine.places import state_folder
from infra.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


def read_settings() -> Settings:
    """The stack's settings. Raises SettingsError that names every bad key."""
    config = pulumi.Config()
    raw: dict[str, object] = {}
    for known in fields(Settings):
        if (value := config.get(known.name)) is not None:
            raw[known.name] = value
    changed = json.loads(os.environ.get("CSSCGEN_CONFIG", "{}"))
    raw.update({key: value for key, value in changed.items() if ":" not in key})  # the others are the providers' own
    return Settings.read(raw, f"stack {pulumi.get_stack()}")


def main() -> None:
    """Declares the stack."""
    settings = read_settings()
    {"local": _local, "azure": _azure, "kubeconfig": _kubeconfig}[settings.platform](settings)


def _local(settings: Settings) -> None:
    from infra.local import stacks

    folder = _files()
    if settings.sharedStack:
        stacks.run(settings, folder)
    else:
        stacks.shared(settings, folder)


def _azure(settings: Settings) -> None:
    from infra.azure import stacks

    if settings.sharedStack:
        stacks.run(settings)
    else:
        stacks.shared(settings)


def _kubeconfig(settings: Settings) -> None:
    from infra.kubernetes import stacks

    folder = _files()
    if settings.sharedStack:
        stacks.run(settings, folder)
    else:
        stacks.shared(settings, folder)


def _files() -> Path:
    """The folder of the files that a stack is made of."""
    return state_folder(ROOT) / pulumi.get_stack() / "files"

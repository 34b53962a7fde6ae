"""Where the states of stacks are: one folder for all, with a folder in it for each named instance.

An instance is a set of stacks of its own under the same names, so that several runs of one stack can go on at once.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from workloads.errors import UsageError, quoted

STATE_VARIABLE = "CSSCGEN_STATE"
INSTANCE_VARIABLE = "CSSCGEN_INSTANCE"
PREFIX = "@"
"""Begins the folder of an instance, which no stack's name can."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


def state_base(root: Path) -> Path:
    """The folder of all states: ``CSSCGEN_STATE``, or ``.state`` beside Pulumi.yaml."""
    return Path(os.environ.get(STATE_VARIABLE) or root / ".state").resolve()


def state_folder(root: Path, instance: str | None = None) -> Path:
    """The folder of the states of an instance: of none if that is empty, of ``CSSCGEN_INSTANCE`` if it is not given.

    Raises UsageError for what is no name of one.
    """
    name = os.environ.get(INSTANCE_VARIABLE) if instance is None else instance
    if not name:
        return state_base(root)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{quoted(name)} cannot be the name of an instance: use up to 40 letters, digits, dots, hyphens and "
            "underscores."
        )
    return state_base(root) / f"{PREFIX}{name}"


def instance_of(folder: Path) -> str | None:
    """The instance whose states are in ``folder``; None if that is the folder of all."""
    return folder.name[len(PREFIX) :] if folder.name.startswith(PREFIX) else None


def state_folders(base: Path) -> list[Path]:
    """The folder of all states and those of the instances in it."""
    return [base, *sorted(folder for folder in base.glob(f"{PREFIX}*") if folder.is_dir())]

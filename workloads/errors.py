"""The one tree of errors that this project raises on purpose.

    ProjectError                 exit code 1: something failed
    ├── UsageError               2: the caller asked for what cannot be; nothing was touched
    │   ├── SettingsError        2: a stack's settings are wrong; names every bad key at once
    │   └── InUseError           2: somebody else works on the stack, so it is not this command's to change
    ├── ToolError                1: a real component could not be found or built
    ├── ProcessError             1: a local process did not start, or ended on its own
    ├── EngineError              1: the program, or a resource, failed
    ├── RegistryError            1: a registry refused, or could not be reached
    ├── SeedError                1: images could not be seeded, for a reason on this side of the registry
    ├── AzureError               1: Azure refused, or could not be reached
    ├── ClusterError             1: the Kubernetes API refused, or could not be reached
    ├── CollectError             1: metrics or logs could not be had
    ├── PlanError                3: what is asked for cannot work; nothing was touched
    ├── ThresholdError           3: the run went to its end and broke a threshold
    ├── PolicyError              3: what a stack declares breaks a policy
    └── DeadlineError            4: the deadline passed before the outcome was known

A message is one or more full sentences: what failed, on what, and what to do. It never holds a secret. The tree lives
in the lowest layer so that every package can raise from it; the command line prints the message and exits with
``exit_code``, without a traceback.
"""

from __future__ import annotations

import reprlib
from typing import ClassVar

LONGEST_NAME = 80
LONGEST_REASON = 300
MOST_PROBLEMS = 10
"""How many bad keys a message names before it counts the rest."""


def quoted(value: object) -> str:
    """A value as a message quotes it: in quotes if it is text, printable, and not longer than a reader likes.

    What is quoted may be a file of megabytes, or hold itself.
    """
    return _QUOTED.repr(value)


def named(key: object) -> str:
    """A name as a message begins with it: as it is, or quoted if it cannot be printed or is longer than any name."""
    text = key if isinstance(key, str) else quoted(key)
    return text if text and text.isprintable() and len(text) <= LONGEST_NAME else quoted(text)


def brief(error: object) -> str:
    """What an error of a library says, as the end of a sentence: one line, printable, bounded, without its full stop.

    Its type, if it says nothing.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    if len(text) > LONGEST_REASON:
        text = f"{text[:LONGEST_REASON]}…"
    return text.rstrip(".")


class _Quoted(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, LONGEST_NAME, LONGEST_NAME, 40

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:  # Python writes no number of more than 4,300 digits
            return f"a number of {x.bit_length()} bits"


_QUOTED = _Quoted()


class ProjectError(Exception):
    """Base of the tree: an expected failure, told in full sentences."""

    exit_code: ClassVar[int] = 1


class UsageError(ProjectError):
    """The caller asked for something that cannot be done as asked; nothing was touched."""

    exit_code = 2


class SettingsError(UsageError):
    """A stack's settings are wrong. ``problems`` has one sentence per bad key."""

    def __init__(self, where: str, problems: list[str]) -> None:
        self.where = where
        self.problems = problems
        told = [f"  - {problem}" for problem in problems[:MOST_PROBLEMS]]
        if more := len(problems) - len(told):
            told.append(f"  - and {more} more.")
        super().__init__("\n".join([f"The settings of {where} are wrong:", *told]))


class InUseError(UsageError):
    """Another operation has the stack. What is in it is that one's, and is left alone."""


class ToolError(ProjectError):
    """A real component (etcd, Ratify, …) could not be found or built."""


class ProcessError(ProjectError):
    """A local process did not become ready, or ended on its own."""


class EngineError(ProjectError):
    """The Pulumi program, or one of its resources, failed."""


class RegistryError(ProjectError):
    """A registry refused a request for good, or could not be reached."""


class SeedError(ProjectError):
    """Images could not be seeded to their end, and not because of the registry; what was pushed stays."""


class AzureError(ProjectError):
    """Azure refused a request or a login for good, or could not be reached."""


class ClusterError(ProjectError):
    """The Kubernetes API refused a request, or could not be reached."""


class CollectError(ProjectError):
    """Metrics or logs of a run could not be had."""


class PlanError(ProjectError):
    """What a stack asks for cannot work, by limits that are known; nothing was touched."""

    exit_code = 3


class ThresholdError(ProjectError):
    """The run went to its end and broke at least one threshold."""

    exit_code = 3


class PolicyError(ProjectError):
    """What a stack declares breaks a policy; nothing was touched."""

    exit_code = 3


class DeadlineError(ProjectError):
    """The deadline passed before every pod's outcome was known."""

    exit_code = 4

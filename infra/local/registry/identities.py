"""Who may log in: the identities file.

    {"push": {"password": "…", "aadToken": "…", "actions": ["pull", "push"], "repositories": "team/*"}}

``actions`` are what the identity may do to the repositories whose names match ``repositories`` (all where there is no
such pattern), and ``catalog`` to list them. ``aadToken`` stands for a token of Microsoft Entra ID, which the exchange
endpoint turns into a refresh token. The file has mode 0600 and is the only place of these secrets on the registry's
side; nothing here puts one into a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from workloads.errors import UsageError

ACTIONS = frozenset({"pull", "push", "delete", "metadata_read", "catalog"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody, and what they may do."""

    name: str
    actions: frozenset[str]
    repositories: str = "*"
    """A pattern (fnmatch) of repository names."""
    password: str = field(default="", repr=False)
    aad_token: str = field(default="", repr=False)

    def may(self, kind: str, name: str, action: str) -> bool:
        """Whether it may do ``action`` to ``repository:<name>`` or ``registry:catalog``."""
        if kind == "registry":
            return name == "catalog" and "catalog" in self.actions
        return action in self.actions and fnmatchcase(name, self.repositories)


ANONYMOUS = Identity("anonymous", frozenset({"pull", "metadata_read"}))
"""Everybody without a login, where anonymous pull is on: to the throttle they are one identity."""


def read(file: Path) -> dict[str, Identity]:
    """The identities of a file by name. Raises UsageError, which quotes nothing of the content."""
    try:
        known = json.loads(file.read_text())
    except OSError as error:
        raise UsageError(f"The identities file {file} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise UsageError(f"The identities file {file} is not JSON.") from None
    if not isinstance(known, dict) or not known:
        raise UsageError(f"The identities file {file} has to be an object of identities by name.")
    return {name: _identity(file, name, entry) for name, entry in known.items()}


def _identity(file: Path, name: str, entry: Any) -> Identity:
    keys = {"password": str, "aadToken": str, "actions": list, "repositories": str}
    good = (
        isinstance(entry, Mapping)
        and all(key in keys and isinstance(value, keys[key]) for key, value in entry.items())
        and entry.get("password")
        and entry.get("actions")
        and all(isinstance(action, str) and action in ACTIONS for action in entry["actions"])
    )
    if not good or not name or ":" in name or name == ANONYMOUS.name:
        raise UsageError(
            f"The identities file {file} has an entry that is none. Each has a name without a colon, a password, "
            f"actions out of {', '.join(sorted(ACTIONS))}, and may have repositories (a pattern) and aadToken."
        )
    return Identity(
        name, frozenset(entry["actions"]), entry.get("repositories", "*"), entry["password"], entry.get("aadToken", "")
    )

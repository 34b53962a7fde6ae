"""The kubeconfig of a cluster that is there: found as kubectl finds it, and cut down to the one context in use.

What else a user's file holds, other clusters and their keys, is none of a stack's business and goes into no state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from workloads.errors import UsageError, named

VARIABLE = "KUBECONFIG"
DEFAULT = Path(".kube/config")
LISTS = ("clusters", "contexts", "users")
FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""What names a file, relative to the kubeconfig that it is in."""

NOWHERE = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "none",
        "clusters": [{"name": "none", "cluster": {"server": "https://cluster.invalid"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "users": [{"name": "none", "user": {}}],
    }
)
"""One of no cluster, for previews."""


def any_there() -> bool:
    """Whether there is a kubeconfig for whoever names none."""
    return bool(os.environ.get(VARIABLE)) or (Path.home() / DEFAULT).exists()


def one_context(chosen: str | None, context: str | None) -> str:
    """The kubeconfig, as JSON text, of the context of this name, or of the current one.

    ``chosen`` is a file; without it those of $KUBECONFIG are read, or ~/.kube/config. Raises UsageError.
    """
    files = _files(chosen)
    where = " and ".join(map(str, files))
    merged = _merged([_read(file, "cluster.kubeconfig" if chosen else f"${VARIABLE}") for file in files])
    contexts = ", ".join(sorted(merged["contexts"])) or "none"
    wanted = context or merged["current-context"]
    if not wanted:
        raise UsageError(f"{where} has no current context. Name one in cluster.context; there are {contexts}.")
    if wanted not in merged["contexts"]:
        raise UsageError(f"{where} has no context {named(wanted)}. Name another in cluster.context: {contexts}.")
    inner = merged["contexts"][wanted]
    parts = {"clusters": "cluster", "users": "user"}
    found: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": wanted}
    found["contexts"] = [{"name": wanted, "context": inner}]
    for several, one in parts.items():
        name = inner.get(one)
        if name not in merged[several]:
            raise UsageError(
                f"{where}: context {named(wanted)} is of {one} {named(str(name))}, which it does not have."
            )
        found[several] = [{"name": name, one: merged[several][name]}]
    return json.dumps(found, indent=2)


def _files(chosen: str | None) -> list[Path]:
    if chosen:
        return [Path(chosen).expanduser().absolute()]
    listed = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    if not listed:
        return [Path.home() / DEFAULT]
    there = [file for part in listed if (file := Path(part).expanduser().absolute()).exists()]
    return there or [Path(listed[0]).expanduser().absolute()]


def _read(file: Path, said: str) -> dict[str, Any]:
    """The content of a file, with the files that it names by their full paths."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"The kubeconfig {file} cannot be read: {error.strerror}. Name another, in cluster.kubeconfig or in "
            f"${VARIABLE}."
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"{file}, which {said} names, is not a kubeconfig: mend its YAML, or name another.") from None
    if not isinstance(content, dict):
        raise UsageError(f"{file}, which {said} names, is not a kubeconfig: it has no clusters. Name another.")
    for entry in (*_entries(content, "clusters"), *_entries(content, "users")):
        for inner in entry.values():
            if isinstance(inner, dict):
                inner.update(
                    {key: str(file.parent / inner[key]) for key in FILE_KEYS if isinstance(inner.get(key), str)}
                )
    return content


def _merged(contents: list[dict[str, Any]]) -> dict[str, Any]:
    """Several files as kubectl takes them together: whoever says something first has said it."""
    merged: dict[str, Any] = {several: {} for several in LISTS}
    merged["current-context"] = next((c["current-context"] for c in contents if c.get("current-context")), None)
    for content in contents:
        for several in LISTS:
            for entry in _entries(content, several):
                inner = entry.get(several.removesuffix("s"))
                if isinstance(inner, dict):
                    merged[several].setdefault(entry.get("name"), inner)
    return merged


def _entries(content: Mapping[str, Any], several: str) -> Iterator[dict[str, Any]]:
    listed = content.get(several)
    return (entry for entry in (listed if isinstance(listed, list) else ()) if isinstance(entry, dict))

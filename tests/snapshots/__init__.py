"""What every stack declares, as files to be reviewed: tests/snapshots/<stack>.json, written by ``scripts/docs``.

A snapshot is a preview by the embedded engine on a bare machine: nothing is up, no tool is built, nothing is on PATH,
no login and no network. So it is the same everywhere, and lacks what only a machine with tools, or an ``up``, knows:
local stacks come without Gatekeeper's definitions and without Prometheus, and values that Azure or the shared stack
give are "[unknown]". Folders of the machine are written as $ROOT, $STATE, $CACHE, $PYTHON and $KUBECONFIG, a text of
several lines as its lines, a text that is JSON as JSON. URNs are without their beginning, which names the stack.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from csscgen import stackfiles

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
STACKS = stackfiles.stack_names(ROOT)
WIDTH = 110
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "there",
    "contexts": [{"name": "there", "context": {"cluster": "there", "user": "somebody"}}],
    "clusters": [{"name": "there", "cluster": {"server": "https://cluster.invalid:6443"}}],
    "users": [{"name": "somebody", "user": {"token": "not-a-token"}}],
}
"""Of a cluster that is not there: a preview must not ask it."""
_FOREIGN = ("ARM_", "AZURE_", "CSSCGEN_", "PULUMI_", "KUBE", "XDG_", "GO")
_HASHED = re.compile(r"(\$CACHE/csscgen/[a-z-]+-[^/]+?)-[0-9a-f]{12}(?=/|$)")


def environment(folder: Path) -> dict[str, str]:
    """The environment of a bare machine whose files are in ``folder``."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(KUBECONFIG))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    return {
        **kept,
        "PATH": str(folder / "nothing"),
        "HOME": str(folder / "home"),
        "KUBECONFIG": str(kubeconfig),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "CSSCGEN_STATE": str(folder / "state"),
    }


def places(folder: Path) -> dict[str, str]:
    """What stands for the folders of this machine, the longest first."""
    known = {
        str(folder / "state"): "$STATE",
        str(folder / "cache"): "$CACHE",
        str(folder / "kubeconfig"): "$KUBECONFIG",
        str(folder / "home"): "$HOME",
        sys.executable: "$PYTHON",
        str(ROOT): "$ROOT",
    }
    return dict(sorted(known.items(), key=lambda item: -len(item[0])))


def snapshot(stack: str, preview: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The snapshot of what ``csscgen preview --json`` prints; ``names`` has what stands for which folder."""
    beginning = f"urn:pulumi:{stack}::ratify-perf::"

    def urn(whole: str) -> str:
        return whole.removeprefix(beginning)

    resources = []
    for step in preview["steps"]:
        kept = {key: True for key in ("protect", "retain_on_delete") if step[key]}
        resources.append(
            {
                "type": step["type"],
                "name": step["name"],
                "urn": urn(step["urn"]),
                "parent": urn(step["parent"]),
                "dependencies": sorted(map(urn, step["dependencies"])),
                **kept,
                "inputs": readable(step["inputs"], names),
            }
        )
    resources.sort(key=lambda each: str(each["urn"]))
    return {"stack": stack, "outputs": readable(preview["outputs"], names), "resources": resources}


def readable(value: Any, names: Mapping[str, str]) -> Any:
    """A value as it is reviewed: keys in order, long texts by line, no folder of this machine."""
    if isinstance(value, Mapping):
        return {key: readable(value[key], names) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [readable(item, names) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith(("{", "[")) and (content := _json(value)) is not None:
        return {"$json": readable(content, names)}
    for place, name in names.items():
        value = value.replace(place, name)
    value = _HASHED.sub(r"\1-*", value)
    return {"$lines": value.split("\n")} if "\n" in value.rstrip("\n") else value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def text(value: Any, indent: int = 0) -> str:
    """JSON whose short parts are on one line each."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or indent and len(line) + indent <= WIDTH:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{inner}{json.dumps(key)}: {text(item, indent + 2)}" for key, item in value.items()]
    else:
        parts = [f"{inner}{text(item, indent + 2)}" for item in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return first + "\n" + ",\n".join(parts) + "\n" + " " * indent + last


def file_of(stack: str) -> Path:
    """The file of a stack's snapshot."""
    return FOLDER / f"{stack}.json"


def differences(kept: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """What differs between a snapshot and what is declared now: which resource, which input, what it was and is."""
    yield from _changes("outputs", kept["outputs"], found["outputs"])
    before = {each["urn"]: each for each in kept["resources"]}
    after = {each["urn"]: each for each in found["resources"]}
    yield from (f"{urn} is no longer declared" for urn in before if urn not in after)
    yield from (f"{urn} is new" for urn in after if urn not in before)
    for urn, old in before.items():
        if urn in after:
            yield from _changes(urn, old, after[urn])


def _changes(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for path in sorted({*before, *after}):
        was, now = before.get(path, "(nothing)"), after.get(path, "(nothing)")
        if was != now:
            yield f"{where}: {path} was {was!r} and is {now!r}"


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every leaf by its path. What is empty is one: a dictionary that has lost its last key differs."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items or value in ({}, []):
        yield ".".join(path), value
        return
    for key, item in items:
        yield from _leaves(item, (*path, str(key)))

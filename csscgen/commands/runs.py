"""csscgen runs"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from csscgen.commands import options
from csscgen.commands.printing import table


@click.group()
def command() -> None:
    """List the runs that there are.

    \b
    Example:
      csscgen runs list
    """


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """List the runs in runs/, oldest first.

    \b
    Example:
      csscgen runs list --json
    """
    from csscgen import runs
    from csscgen.stackfiles import project_root

    rows = [_row(folder) for folder in runs.every(project_root())]
    if not as_json:
        for row in rows:
            seconds = row["p99_startup_seconds"]
            row["p99_startup_seconds"] = None if seconds is None else f"{seconds:.3f}"
    table(rows, ["run", "verdict", "ready", "denied", "p99_startup_seconds", "engine"], as_json=as_json)


def _row(folder: Path) -> dict[str, Any]:
    try:
        summary = json.loads((folder / "summary.json").read_text())
    except (OSError, ValueError):
        summary = {}
    pods, startup = summary.get("pods") or {}, summary.get("pod_startup_seconds") or {}
    return {
        "run": folder.name,
        "verdict": summary.get("verdict", "unfinished"),
        "ready": pods.get("ready"),
        "denied": pods.get("denied"),
        "p99_startup_seconds": startup.get("p99"),
        "engine": (summary.get("engine") or {}).get("name"),
    }

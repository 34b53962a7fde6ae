"""Writes the snapshots with the command that a user has, and says how long each preview took: ``python -m
tests.snapshots [STACK]...``, all stacks where none is named."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import snapshots

ALLOWED = 10.0
"""Seconds that a preview may take."""


def main(names: list[str]) -> int:
    """The exit code is 1 if a preview failed, broke a policy, or took too long."""
    slow = failed = 0
    print(f"{'stack':24}{'resources':>10}{'seconds':>9}")
    for stack in names or snapshots.STACKS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            command = [sys.executable, "-m", "csscgen", "preview", "--stack", stack, "--json", "--quiet"]
            begun = time.monotonic()
            done = subprocess.run(
                command,
                cwd=snapshots.ROOT,
                env=snapshots.environment(folder),
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.monotonic() - begun
            if done.returncode:
                failed += 1
                print(f"{stack:24}failed with {done.returncode}: {done.stderr.strip()}")
                continue
            found = snapshots.snapshot(stack, json.loads(done.stdout), snapshots.places(folder))
        slow += seconds > ALLOWED
        print(f"{stack:24}{len(found['resources']):>10}{seconds:>9.1f}")
        text = f"{snapshots.text(found)}\n"
        file = snapshots.file_of(stack)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"made {file.relative_to(snapshots.ROOT)}")
    if not names:
        for file in snapshots.FOLDER.glob("*.json"):
            if file.stem not in snapshots.STACKS:
                file.unlink()
                print(f"removed {file.relative_to(snapshots.ROOT)}, which is of no stack")
    print(f"{ALLOWED:.0f} s are allowed for each; {slow} took longer, {failed} failed")
    return 1 if slow or failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the main job takes on this machine, beside what it may take: ``scripts/bench run``.

Runs local-S and local-smoke from nothing to a report, each in a place of its own, with the binaries that are there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def timed(place: Path, *words: str) -> tuple[float, str]:
    """A csscgen command's wall-clock seconds and what it printed; ends the benchmark if it failed."""
    environment = {**os.environ, "CSSCGEN_STATE": str(place / "state"), "CSSCGEN_RUNS": str(place / "runs")}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "csscgen", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"csscgen {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return time.monotonic() - started, done.stdout


def phases(place: Path) -> dict[str, float]:
    """Seconds of each phase of the newest run."""
    folder = max((place / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    run: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return {phase["name"]: phase["finished"] - phase["started"] for phase in run["phases"]}


def main() -> None:
    """Prints a row per figure: measured, allowed, and the ratio of the two."""
    rows: list[tuple[str, float, float, str]] = []
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        place = Path(scratch)
        helps = sorted(timed(place, "--help")[0] for _ in range(5))
        rows.append(("csscgen --help, median of 5", helps[2], 0.2, "s"))
        seconds, _ = timed(place, "run", "--stack", "local-smoke", "--quiet", "--json")
        rows.append(("local-smoke, from nothing to a report", seconds, 30, "s"))
        seconds, out = timed(place, "run", "--stack", "local-S", "--quiet", "--json")
        summary = json.loads(out)
        rows.append(("local-S, from nothing to a report", seconds, 60, "s"))
        rows.append(("  of that, up", phases(place)["up"], 15, "s"))
        rows.append(("  of that, load until settled", phases(place)["load"] + phases(place)["settle"], 60, "s"))
        rows.append(("  harness, share of the machine's CPU", summary["harness"]["share_of_machine_cpu"], 0.05, ""))
    print(f"{'figure':<40} {'measured':>10} {'allowed':>10} {'ratio':>7}")
    for name, measured, allowed, unit in rows:
        print(f"{name:<40} {measured:>8.3f} {unit:<1} {allowed:>8.3f} {unit:<1} {measured / allowed:>7.2f}")


if __name__ == "__main__":
    main()

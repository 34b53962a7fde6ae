"""How many inputs there are, of which kinds."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
KINDS = {
    "test_stack_files": "configurations, words and environments",
    "test_kubeconfigs": "kubeconfigs and API servers",
    "test_pages": "metrics pages",
    "test_samples": "samples",
    "test_watches": "watch streams",
    "test_registries": "registry answers and logins",
    "test_states": "state files",
    "test_runs": "records of runs",
    "test_journals": "journals, spools, checkpoints and summaries",
    "test_artifacts": "words, files and places of the artifacts commands",
}


def test_there_are_more_than_a_hundred_inputs_of_every_kind_that_there_is() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", str(HERE)]
    listed = subprocess.run(
        [*command, "-o", "addopts="], cwd=HERE.parents[1], capture_output=True, text=True, timeout=60, check=True
    )
    # With -qq a line is a file and how many tests it has.
    lines = (line.partition(": ") for line in listed.stdout.splitlines())
    counts = Counter({Path(file).stem: int(number) for file, _, number in lines if number.isdecimal()})
    for module, kind in KINDS.items():
        print(f"{counts[module]:4} {kind}")
    print(f"{counts.total() - counts[Path(__file__).stem]:4} in all")
    assert set(counts) - {Path(__file__).stem} == set(KINDS)
    assert min(counts[module] for module in KINDS) >= 20
    assert counts.total() > 100

"""Known answers through the real chain: Gatekeeper and the API server before a stub of Ratify, which keeps a ledger.

Runs of local-smoke's kind. Every figure that the ledger determines is within 1 %, or one bucket, of the ledger's truth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis.samples import Window
from infra.local import tools
from tests.known.ledgers import UNTOLD, truth, within
from tests.known.test_records import figures_of, wrong
from tests.stubs.ledger import read
from tests.stubs.script import ROOT, Script, Step, executable

pytestmark = pytest.mark.real
PODS = 12
FINE = Script(tuple(Step(ms, lists=2, hits=5, misses=1) for ms in (42, 61, 83, 120, 160, 230)), spelling="")
# The Deployment and its ReplicaSet have to get in, and the question before the load is one too.
LETS_IN = (Step(150, lists=40),) * 5
REFUSES = tuple(Step(170, outcome, lists=40) for outcome in ("unsigned", "unresolved", "timeout"))
HARD = Script((*LETS_IN, REFUSES[0], LETS_IN[0], REFUSES[1], LETS_IN[0], REFUSES[2], *LETS_IN, *LETS_IN, *LETS_IN))


def ran(place: Path, script: Script, *changes: str) -> tuple[dict[str, Any], Path, Path]:
    """Summary and folder of a run with the stub, and the stub's ledger."""
    if lacking := tools.missing(tools.select([])):
        pytest.skip(f"{lacking[0].name} is not built; scripts/test builds it")
    places = {"CSSCGEN_STATE": place / "state", "CSSCGEN_RUNS": place / "runs"}
    places["CSSCGEN_RATIFY"] = executable(place / "stub", script)
    settings = (f"scenario.replicas={PODS}", "monitoring.prometheus=off", *changes)
    words = [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", "csscgen", "run", "--stack", "local-smoke", "--quiet", *words],
        cwd=ROOT,
        env={**os.environ, **{name: str(value) for name, value in places.items()}},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    (folder,) = (place / "runs").iterdir()
    return json.loads((folder / "summary.json").read_text()), folder, place / "stub" / "ledger.jsonl"


@pytest.mark.parametrize(("script", "changes"), [(FINE, ()), (HARD, ("registry.size=XS",))], ids=["fine", "hard"])
def test_every_figure_that_the_ledger_determines_is_what_truly_happened(
    tmp_path: Path, script: Script, changes: tuple[str, ...]
) -> None:
    summary, folder, ledger = ran(tmp_path, script, *changes)
    run = json.loads((folder / "run.json").read_text())
    window = Window(run["window"]["start"], run["window"]["end"])
    rows = pq.read_table(folder / "metrics.parquet", columns=["time", "target"]).to_pylist()
    lines = within(ledger, {row["time"] for row in rows if row["target"] == "ratify-0"}, window)
    known = truth(lines, window, PODS)

    assert wrong(summary, known, UNTOLD) == []
    if script is HARD:  # what it is for has come about
        assert summary["ratify"]["timeouts"] and summary["registry"]["throttled"]
        assert set(summary["pods"]["refused_attempts"]) == {"unsigned", "unresolved", "timeout"}
    figures = figures_of(summary)
    assert [path for path in known if path.startswith(tuple(UNTOLD))] == []
    assert [name for name in UNTOLD if not any(path.startswith(name) for path in figures)] == []


def test_the_stub_is_never_early_and_hardly_late(tmp_path: Path) -> None:
    _, _, ledger = ran(tmp_path, Script((Step(40),)))
    late = sorted(line.took - line.planned for line in read(ledger) if line.endpoint == "verify" and line.planned)
    assert late[0] >= 0
    assert median(late) < 10  # idle it is 0.4; what it was late by is in the ledger, and so in the truth

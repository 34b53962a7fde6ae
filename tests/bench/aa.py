"""Does comparing cry wolf, and does it see one? ``scripts/bench aa`` makes real runs and compares them.

Each round makes four runs of local-smoke's kind, in another order each time: two with the real Ratify, one with a stub
of it that takes 60 ms for a verification, and one with a stub that takes 10 % longer. Then it compares, as often as
``--pairs`` says, five rounds drawn at random: the two real runs of each round stand on different sides, by a coin; and
the stub's runs against the slower one's. Pairs share runs, so that they are not independent: what is told is how often
comparisons of this machine's runs err, and not a probability to three digits.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from analysis.comparing import compare
from analysis.records import read_summary
from tests.bench.run import ROOT
from tests.stubs.script import Script, Step, executable

KINDS = ("one", "other", "stub", "slower")
MILLISECONDS = 60.0
SLOWER = 1.1
SIDE = 5
"""Runs on a side of a comparison."""
SEEN = "ratify.verification_seconds.mean"
PODS = 12


def made(place: Path, kind: str, number: int) -> Path:
    """The folder of a run of a kind; ends the benchmark if it did not go to its end."""
    home = place / f"{kind}-{number}"
    environment = {**os.environ, "CSSCGEN_STATE": str(home / "state"), "CSSCGEN_RUNS": str(home / "runs")}
    if kind in ("stub", "slower"):
        milliseconds = MILLISECONDS * (SLOWER if kind == "slower" else 1)
        environment["CSSCGEN_RATIFY"] = str(executable(home / "ratify", Script((Step(milliseconds),))))
    words = ["--set", f"scenario.replicas={PODS}", "--set", "monitoring.prometheus=off"]
    done = subprocess.run(
        [sys.executable, "-m", "csscgen", "run", "--stack", "local-smoke", "--quiet", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 3):
        sys.exit(f"A run ended with {done.returncode}:\n{done.stderr}")
    (folder,) = (home / "runs").iterdir()
    return folder


def rounds(place: Path, count: int) -> Iterator[dict[str, Path]]:
    """The runs of each round, by their kind."""
    for number in range(count):
        turned = KINDS[number % len(KINDS) :] + KINDS[: number % len(KINDS)]
        yield {kind: made(place, kind, number) for kind in turned}
        print(f"round {number + 1} of {count}", file=sys.stderr)


def equal(pool: Sequence[dict[str, Path]], draw: random.Random) -> list[str]:
    """The figures in which runs of one program were called different."""
    base, new = [], []
    for one in draw.sample(pool, SIDE):
        left, right = draw.sample([one["one"], one["other"]], 2)
        base.append(left)
        new.append(right)
    return [row.metric for row in compare(base, new, {}).rows if row.verdict in ("worse", "better")]


def slower(pool: Sequence[dict[str, Path]], draw: random.Random) -> bool:
    """Whether the slower stub was found to be that."""
    drawn = draw.sample(pool, SIDE)
    found = compare([one["stub"] for one in drawn], [one["slower"] for one in drawn], {}, force=True)
    return any(row.metric == SEEN and row.verdict == "worse" for row in found.rows)


def spread(folders: Sequence[Path]) -> dict[str, float]:
    """Mean of the verifications' mean over runs, seconds, and the standard deviation from run to run as a share."""
    found = [float((read_summary(folder) or {})["ratify"]["verification_seconds"]["mean"]) for folder in folders]
    return {"mean": mean(found), "deviation": stdev(found) / mean(found)}


def main() -> None:
    """Prints how many pairs of each kind were called different, and how far the runs differ."""
    parser = argparse.ArgumentParser(prog="scripts/bench aa", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="of four runs each, 5 or more (10)")
    parser.add_argument("--pairs", type=int, default=20, help="comparisons of each kind (20)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (1)")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        pool = list(rounds(Path(scratch), max(SIDE, asked.rounds)))
        wolves = [equal(pool, draw) for _ in range(asked.pairs)]
        seen = sum(slower(pool, draw) for _ in range(asked.pairs))
        spreads = {kind: spread([one[kind] for one in pool]) for kind in KINDS}
    cried = sum(bool(figures) for figures in wolves)
    result: dict[str, Any] = {"pairs": asked.pairs, "called_different": cried, "slower_found": seen, "spreads": spreads}
    if asked.json:
        print(json.dumps({**result, "figures": wolves}))
        return
    print(f"{'figure':<52} {'measured':>9} {'allowed':>9}")
    print(f"{f'equal pairs called different, of {asked.pairs}':<52} {cried:>9} {asked.pairs // 20:>9}")
    print(f"{f'pairs in which 10 % slower was found, of {asked.pairs}':<52} {seen:>9} {asked.pairs * 19 // 20:>9}")
    for kind, found in spreads.items():
        print(f"{kind}: verification {found['mean'] * 1e3:.1f} ms, from run to run {found['deviation']:.1%}")
    for figures in filter(None, wolves):
        print(f"called different: {', '.join(figures)}")


if __name__ == "__main__":
    main()

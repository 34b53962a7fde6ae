"""Seeding through a registry that misbehaves at a fifth of the requests and dies twice: ``scripts/bench chaos``.

The emulator with logins and its contents on disk answers 429, 500 and 503, cuts connections before and after a request
was carried out, does not answer, says that tokens have expired, and cuts bodies short; after a third of the images it
gets a SIGTERM, after two thirds a SIGKILL, and is away for some seconds. Afterwards its file is read without any
client: every byte is hashed, every attachment counted. Ends with 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.peers import sets, signer, waiter_in
from tests.csscgen.artifacts.chaos import DEATHS, Outcome, Trial

AWAY = 5.0
"""Seconds."""


def main() -> None:
    options = _arguments()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        folder = Path(scratch)
        plan = sets(options.images, options.signatures)
        outcome = Trial(folder, plan, signer(), waiter_in(folder), away=AWAY, chance=options.seed).run()
    print(told(outcome))
    print(f"{time.monotonic() - started:.0f} s in all")
    if options.json:
        options.json.write_text(json.dumps(dataclasses.asdict(outcome), indent=2) + "\n")
    if problems := wrong(outcome, options.images, options.signatures):
        sys.exit("\n".join(problems))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench chaos", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=2_000, help="images that are pushed (2,000)")
    parser.add_argument("--signatures", type=int, default=5, help="signatures of each (5)")
    parser.add_argument("--seed", type=int, default=1, help="of what happens when (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every figure is written")
    return parser.parse_args()


def told(outcome: Outcome) -> str:
    """The figures, a line each."""
    report, stored = outcome.report, outcome.stored
    faults = sorted(outcome.faults.items(), key=lambda each: -each[1])
    lines = [
        f"{report.images:,} images with {report.signatures:,} signatures in {report.seconds:.0f} s",
        f"requests {outcome.requests:,}, {outcome.share:.1%} of them went wrong by chance, and more by expired tokens; "
        f"the registry died {outcome.deaths} times",
        f"repetitions {report.retries:,}, answers 429 {report.throttled:,}",
        *(f"  {fault:<14}{count:>8,}" for fault, count in faults),
        f"stored: {stored.images:,} images, {stored.attachments:,} attachments; lost {stored.lost}, doubled "
        f"{stored.doubled}, wrong {len(stored.wrong)} of {stored.contents:,} contents that were hashed",
        "seeded again: "
        + ", ".join(f"{again.pushed} pushed with {again.requests:,} requests" for again in outcome.again),
    ]
    return "\n".join(lines)


def wrong(outcome: Outcome, images: int, signatures: int) -> list[str]:
    """What is not as it should be, a sentence each."""
    stored = outcome.stored
    checks = {
        f"{stored.images} images are stored, not {images}.": stored.images == images,
        f"{stored.attachments} attachments are stored.": stored.attachments == images * signatures,
        f"{stored.lost} manifests are lost.": not stored.lost,
        f"{stored.doubled} manifests are too many.": not stored.doubled,
        f"Contents are wrong: {', '.join(stored.wrong[:3])}.": not stored.wrong,
        "The second seeding pushed something.": not any(again.pushed for again in outcome.again),
        f"The registry died {outcome.deaths} times.": outcome.deaths == len(DEATHS),
    }
    return [problem for problem, good in checks.items() if not good]


if __name__ == "__main__":
    main()

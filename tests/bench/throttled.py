"""Seeding a registry that admits so many requests a minute and no more: ``scripts/bench throttled``.

The emulator in the size S, which is ACR Premium as published, with logins: once with one identity, whose own limit
counts, and once with two, which reach the registry's. Both are seeded at the same time, each with as many images as
take ``--minutes`` beyond the burst. The ceiling is what the token buckets admit from the first write to the last: the
burst, and the rate for that time. Requests are counted by the registry's own page of metrics, which costs nothing;
what is lost or doubled is found in its file afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from csscgen.artifacts.logins import Login
from infra.local.sockets import free_ports
from tests.bench.peers import sets, signer, waiter_in
from tests.csscgen.artifacts.stored import audit
from tests.csscgen.artifacts.verifying import counts, running
from workloads.naming import ImageSet
from workloads.registries import Limit, SizeName, sizes

SIZE: SizeName = "S"
SIGNATURES = 5
WRITES = 1 + 2 * SIGNATURES
"""Requests that write, for an image: the emulator takes a blob in one."""
ACTIONS = ["pull", "push", "delete", "metadata_read"]
INTERVAL = 0.25
"""Seconds between two looks at the metrics."""


@dataclass(frozen=True)
class Sample:
    """Requests that write, answered so far, at one time in seconds."""

    at: float
    admitted: int
    refused: int


@dataclass(frozen=True)
class Figures:
    """What one seeding did."""

    identities: int
    images: int
    seconds: float
    """From the first write to the last, as sampled; at most two intervals too long."""
    writes: int
    ceiling: float
    """The writes that the buckets admit in that time."""
    of_ceiling: float
    refused: int
    """Answers 429 of any category."""
    refused_later: int
    """Those after the first minute."""
    lost: int
    doubled: int
    wrong: int


def main() -> None:
    options = _arguments()
    with ThreadPoolExecutor() as threads:
        running_ = [threads.submit(measured, identities, options.minutes) for identities in (1, 2)]
        figures = [each.result() for each in running_]
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in figures], indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench throttled", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=3.0, help="how long to push beyond the burst (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every figure is written")
    return parser.parse_args()


def measured(identities: int, minutes: float) -> Figures:
    """Seed a registry of its own by so many identities."""
    admits = limit(sizes()[SIZE].limits["write"], identities)
    images = round(admits * (1 + minutes) / WRITES)
    logins = [Login(f"push{number}", f"password {number}") for number in range(identities)]
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        folder = Path(scratch)
        known = {each.user: {"password": each.password, "actions": ACTIONS} for each in logins}
        (folder / "identities.json").write_text(json.dumps(known))
        contents, host = folder / "contents.sqlite", f"127.0.0.1:{port}"
        argv = [sys.executable, "-m", "infra.local.registry", f"--port={port}", f"--size={SIZE}", "--region=x"]
        argv += [f"--identities={folder / 'identities.json'}", f"--storage={contents}"]
        plan = sets(images, SIGNATURES)
        with running(argv, f"http://{host}/metrics", folder / "log"):
            samples = sampled(host, lambda: _seed(host, plan, logins, folder))
        stored = audit(contents, plan)
    seconds, writes, share = of_ceiling(samples, admits)
    return Figures(
        identities=identities,
        images=images,
        seconds=seconds,
        writes=writes,
        ceiling=writes / share,
        of_ceiling=share,
        refused=samples[-1].refused,
        refused_later=refused_after(samples, 60),
        lost=stored.lost,
        doubled=stored.doubled,
        wrong=len(stored.wrong),
    )


def _seed(host: str, plan: list[ImageSet], logins: list[Login], folder: Path) -> None:
    import uvloop

    from csscgen.artifacts.seeder import seed
    from csscgen.artifacts.targets import Target

    target = Target(host, logins=logins, limits=sizes()[SIZE].limits, journal=folder / "journal")
    uvloop.run(seed(plan, target, signer=signer(), waiter=waiter_in(folder)))


def sampled(host: str, work: Callable[[], None]) -> list[Sample]:
    """What the registry had answered, while the work was done, every ``INTERVAL``."""
    samples: list[Sample] = []
    ended = threading.Event()

    def look() -> None:
        over = False
        while not over:
            over = ended.wait(INTERVAL)
            found = counts(host)
            admitted = sum(n for key, n in found.items() if 'category="write"' in key and _answered(key, "20"))
            refused = sum(n for key, n in found.items() if _answered(key, "429"))
            samples.append(Sample(time.monotonic(), round(admitted), round(refused)))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        work()
    finally:
        ended.set()
        watcher.join()
    return samples


def _answered(key: str, status: str) -> bool:
    return key.startswith("registry_requests_total{") and f'status="{status}' in key


def limit(write: Limit, identities: int) -> int:
    """Writes that so many identities may do in a minute."""
    return min(write.registry, identities * (write.identity or write.registry))


def of_ceiling(samples: Sequence[Sample], admits: int) -> tuple[float, int, float]:
    """Seconds of writing, the writes, and their part of what buckets of ``admits`` a minute let through in that time.

    The time begins with the last sample without a write, and ends with the first that has them all.
    """
    writes = samples[-1].admitted
    began = max((each.at for each in samples if not each.admitted), default=samples[0].at - INTERVAL)
    seconds = next(each.at for each in samples if each.admitted == writes) - began
    return seconds, writes, writes / (admits * (1 + seconds / 60))


def refused_after(samples: Sequence[Sample], seconds: float) -> int:
    """Requests refused later than so many seconds after the first sample."""
    early = [each.refused for each in samples if each.at <= samples[0].at + seconds]
    return samples[-1].refused - early[-1]


def table(figures: Sequence[Figures]) -> str:
    """A row for each seeding."""
    names = ("images", "seconds", "writes", "of ceiling", "refused", "after 60 s", "lost", "doubled", "wrong")
    lines = [f"{'identities':<10}" + "".join(f"{name:>12}" for name in names)]
    for each in figures:
        cells = (
            *(f"{each.images:,}", f"{each.seconds:.1f}", f"{each.writes:,}", f"{each.of_ceiling:.4f}"),
            *(str(count) for count in (each.refused, each.refused_later, each.lost, each.doubled, each.wrong)),
        )
        lines.append(f"{each.identities:<10}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()

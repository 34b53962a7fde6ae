"""How fast images and signatures are pushed, beside what else pushes them and beside what the registry takes at most.

    scripts/bench seeding
    scripts/bench seeding --images 2000 --registries emulator --json seeding.json

Four clients push the same to the same registry, which is started empty for each of them: this project's seeder with its
journal; ``pusher``, a Go program that pushes what was made before the clock starts and asks for nothing, at several
numbers of connections, whose best is the ceiling; ``regpusher``, regclient as its documentation has it; and oras-py.
They take turns in another order each round, and the best round of each counts: what disturbs a machine makes a client
slower and never faster. Registry and client have half of the processors each, as if they were two machines (--shared:
all processors for both). A rate is of pushed manifests, those of images and of signatures; the seeder's ends where its
check begins. What limits is the side whose processors were busy for four fifths of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.local import tools
from infra.local.tools import builds
from tests.bench.peers import example, waiter_in
from tests.bench.registries import REGISTRIES, Server, placed, started
from tests.csscgen.artifacts.verifying import ROOT

CONNECTIONS = (8, 32, 128)
"""How many the pusher is tried with."""
REGCLIENT_CONNECTIONS = 32
SHARE = {"regpusher": 5, "oras": 25}
"""The slow ones push this part of the images, as their rates do not change with the number."""
FLAT = (100, 1_000, 10_000)
BUSY = 0.8

Figures = dict[str, Any]


def main() -> None:
    options = _arguments()
    builds.install([tools.TOOLS[name] for name in ("pusher", "regpusher", "distribution")])
    with tempfile.TemporaryDirectory() as scratch:
        sizes = example(waiter_in(Path(scratch)))
    halves = _halves(shared=options.shared)
    result: dict[str, Any] = {"machine": _machine(options.shared), "sizes": sizes, "registries": {}}
    for registry in options.registries.split(","):
        rounds = [
            {name: _measured(registry, name, options, sizes, halves) for name in turns}
            for turns in _turns(_clients(), options.rounds)
        ]
        result["registries"][registry] = compared(rounds, [len(half) for half in halves])
        print(_title(registry), table(result["registries"][registry]), sep="\n", flush=True)
    if options.flat:
        result["flat"] = [
            {"images": images, **_run("emulator", "seeder", images, options.signatures, sizes, halves)}
            for images in FLAT
        ]
        print("\nthe seeder by number of images, emulator", flat_table(result["flat"]), sep="\n")
    print(f"\nload of the machine: {', '.join(f'{each:.1f}' for each in os.getloadavg())}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench seeding", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=500, help="images that are pushed (500)")
    parser.add_argument("--signatures", type=int, default=5, help="signatures of each (5)")
    parser.add_argument("--registries", default=",".join(REGISTRIES), help=f"some of {', '.join(REGISTRIES)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each client has its turn (3)")
    parser.add_argument("--shared", action="store_true", help="all processors for registry and client")
    parser.add_argument("--flat", action="store_true", help=f"measure {', '.join(f'{n:,}' for n in FLAT)} images too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every figure is written")
    return parser.parse_args()


def _clients() -> list[str]:
    return ["seeder", *(f"pusher-{number}" for number in CONNECTIONS), "regpusher", "oras"]


def _turns(clients: Sequence[str], rounds: int) -> Iterable[list[str]]:
    """Each round begins with another client, so that what drifts favours none."""
    for number in range(rounds):
        start = number * len(clients) // rounds
        yield [*clients[start:], *clients[:start]]


def _measured(registry: str, client: str, options: argparse.Namespace, *rest: Any) -> Figures:
    images = max(1, options.images // SHARE.get(client, 1))
    return _run(registry, client, images, options.signatures, *rest)


def _run(
    registry: str, client: str, images: int, signatures: int, sizes: Sequence[int], halves: Sequence[list[int]]
) -> Figures:
    """What one client measured on a registry of its own."""
    with started(registry, halves[0]) as server:
        argv = _command(client, server, images, signatures, sizes)
        before = server.cpu_seconds()
        with placed(halves[1]):
            process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout as output:
            text = output.read()
        _, status, usage = os.wait4(process.pid, 0)  # which says what it used, and nothing else does
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{client} failed on {registry}: {text.decode()}")
        measured = {"registry_cpu_seconds": server.cpu_seconds() - before}
    return {"cpu_seconds": usage.ru_utime + usage.ru_stime, **measured, **json.loads(text)}


def _command(client: str, server: Server, images: int, signatures: int, sizes: Sequence[int]) -> list[str]:
    name, _, connections = client.partition("-")
    if name in ("seeder", "oras"):
        words = {"registry": server.host, "images": images, "signatures": signatures, "pid": server.process.pid}
        return [sys.executable, "-m", "tests.bench.peers", name, json.dumps(words)]
    argv = [str(tools.path(name)), f"-registry={server.host}", f"-images={images}", f"-attachments={signatures}"]
    if name == "regpusher":
        return [*argv, f"-concurrency={REGCLIENT_CONNECTIONS}"]
    flags = zip(("image-size", "blob-size", "manifest-size"), sizes, strict=True)
    return [*argv, f"-concurrency={connections}", *(f"-{flag}={size}" for flag, size in flags)]


def compared(rounds: Sequence[Mapping[str, Figures]], processors: Sequence[int]) -> dict[str, Figures]:
    """The best round of each client, the pusher's best number of connections as ``ceiling``, and what follows.

    ``processors`` are the registry's and the client's numbers of them.
    """
    best: dict[str, Figures] = {}
    for figures in rounds:
        for client, measured in figures.items():
            name = "ceiling" if client.startswith("pusher-") else client
            if name not in best or measured["manifests_per_s"] > best[name]["manifests_per_s"]:
                best[name] = {"client": client, **measured}
    ceiling = best["ceiling"]["manifests_per_s"]
    for each in best.values():
        manifests, seconds = each["manifests"], each["seconds"]
        shares = [
            each[key] / seconds / number
            for key, number in zip(("registry_cpu_seconds", "cpu_seconds"), processors, strict=True)
        ]
        each["of_ceiling"] = each["manifests_per_s"] / ceiling
        each["registry_busy"], each["client_busy"] = shares
        each["limit"] = limit(*shares)
        each["cpu_us_per_manifest"] = each["cpu_seconds"] / manifests * 1e6
        each["registry_cpu_us_per_manifest"] = each["registry_cpu_seconds"] / manifests * 1e6
        same = "pusher-" if each is best["ceiling"] else each["client"]
        each["rounds"] = [
            {client: one["manifests_per_s"] for client, one in figures.items() if client.startswith(same)}
            for figures in rounds
        ]
    if "oras" in best:
        best["seeder"]["times_oras"] = best["seeder"]["manifests_per_s"] / best["oras"]["manifests_per_s"]
    return best


def limit(registry_busy: float, client_busy: float) -> str:
    """Who had no more to give, by the shares of their processors; neither if both were waiting for something else."""
    if max(registry_busy, client_busy) < BUSY:
        return "neither"
    return "registry" if registry_busy >= client_busy else "client"


COLUMNS = ("manifests/s", "of ceiling", "client us", "registry us", "client", "registry", "limit", "peak MB")


def table(best: Mapping[str, Figures]) -> str:
    """A row for each client, and the seeder's ratio to oras-py."""
    lines = [_row("", COLUMNS)]
    for name in ("ceiling", "seeder", "regpusher", "oras"):
        each = best[name]
        cells = (
            f"{each['manifests_per_s']:,.0f}",
            f"{each['of_ceiling']:.2f}",
            f"{each['cpu_us_per_manifest']:,.0f}",
            f"{each['registry_cpu_us_per_manifest']:,.0f}",
            f"{each['client_busy']:.0%}",
            f"{each['registry_busy']:.0%}",
            each["limit"],
            f"{each['peak_bytes'] / 1e6:,.0f}" if "peak_bytes" in each else "",
        )
        lines.append(_row(each["client"] if name == "ceiling" else name, cells))
    return "\n".join([*lines, f"the seeder is {best['seeder']['times_oras']:.0f} times as fast as oras-py"])


def flat_table(rows: Sequence[Figures]) -> str:
    """A row for each number of images."""
    lines = [_row("images", ("manifests/s", "client us", "registry us", "peak MB", "checked/s", "errors"))]
    for each in rows:
        cells = (
            f"{each['manifests_per_s']:,.0f}",
            f"{each['cpu_seconds'] / each['manifests'] * 1e6:,.0f}",
            f"{each['registry_cpu_seconds'] / each['manifests'] * 1e6:,.0f}",
            f"{each['peak_bytes'] / 1e6:,.0f}",
            f"{each['checked_images_per_s']:,.0f}",
            f"{each['errors']}",
        )
        lines.append(_row(f"{each['images']:,}", cells))
    return "\n".join(lines)


def _row(first: str, cells: Sequence[str]) -> str:
    return f"{first:<12}" + "".join(f"{cell:>12}" for cell in cells)


def _title(registry: str) -> str:
    return f"\n{registry} (us: processor time for a manifest; client and registry: how busy their processors were)"


def _halves(*, shared: bool) -> list[list[int]]:
    """The processors of the registry and of the client."""
    own = sorted(os.sched_getaffinity(0))
    if shared or len(own) < 2:
        return [own, own]
    middle = len(own) // 2
    return [own[:middle], own[middle:]]


def _machine(shared: bool) -> Figures:
    return {"processors": os.cpu_count(), "shared": shared, "load": os.getloadavg()}


if __name__ == "__main__":
    main()

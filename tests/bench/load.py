"""The load's sender against its limits, and beside a Go client: ``scripts/bench load``.

One local API server with its etcd, and nothing that acts on what is created there (--controllers: the controller
manager and the scheduler too). Three questions, each answered by small Deployments without replicas, in a new namespace
each time:

- Does the sender keep to its schedule? Constant rates, and Poisson, each for a minute: rate reached of rate asked for,
  lag, and what it takes of the machine.
- How far is it from the raw limit? Closed loops of csscgen and of ``apiload``, a Go program on net/http that sends the
  same bodies, with HTTP/1.1 and HTTP/2, at the same numbers of requests under way. They take turns in another order
  each round, and the best round of each counts: what disturbs a machine makes a client slower and never faster.
- JSON or protobuf? The Go program sends the same objects as either: what each costs the API server.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from infra.local import tools
from infra.local.tools import builds
from tests.bench.planes import Plane, running
from tests.csscgen.artifacts.verifying import ROOT
from tests.csscgen.servers import plan
from workloads.ratify.objects import workload_objects

Figures = dict[str, Any]
SERVERS = ("kube-apiserver", "etcd")
GO = {"go-http1": (), "go-http2": ("-http2",), "go-protobuf": ("-protobuf",)}
MOST_OFF, MOST_LAG = 0.005, 0.020
"""What is allowed: the part by which a rate is missed, and the 99th percentile of the lag in seconds."""
WARM_UP = 500
"""Objects that are created before anything is measured: an API server's first answers are slow."""


class Bench:
    """A control plane, and clients that take turns to load it."""

    def __init__(self, plane: Plane, containers: int) -> None:
        self._plane = plane
        self._containers = containers
        self._numbers = itertools.count()

    def paced(self, phase: Mapping[str, Any], objects: int) -> Figures:
        """The sender on a schedule."""
        return self._run(objects, lambda _: self._sender(phase))

    def closed(self, client: str, workers: int, objects: int) -> Figures:
        """A client in a closed loop: ``csscgen``, or one of ``GO``."""
        if client == "csscgen":
            return self._run(objects, lambda _: self._sender({"pattern": "closed", "workers": workers}))
        apiload, kubeconfig = tools.path("apiload"), f"-kubeconfig={self._plane.kubeconfig}"
        words = [f"-concurrency={workers}", *GO[client]]
        return self._run(objects, lambda path: [str(apiload), kubeconfig, f"-path={path}", *words])

    def _sender(self, phase: Mapping[str, Any]) -> list[str]:
        return [sys.executable, "-m", "tests.bench.senders", str(self._plane.kubeconfig), json.dumps(phase)]

    def _run(self, objects: int, command: Any) -> Figures:
        """What a client measured, and the processor time of the servers meanwhile."""
        name = f"bench-{next(self._numbers)}"
        with self._plane.namespace(name) as path:
            bodies = b"".join(self._bodies(objects, name))
            before = {server: self._plane.cpu_seconds(server) for server in SERVERS}
            done = subprocess.run(command(path), cwd=ROOT, input=bodies, stdout=subprocess.PIPE, check=False)
            spent = {server: self._plane.cpu_seconds(server) - before[server] for server in SERVERS}
        found: Figures = json.loads(done.stdout or "{}")
        if done.returncode or found["errors"]:
            sys.exit(f"A client failed: {found.get('first_error')}")
        each = {f"{server}_us": seconds / objects * 1e6 for server, seconds in spent.items()}
        share = found["cpu_seconds"] / found["seconds"] / (os.cpu_count() or 1)
        return {**found, "client_us": found["cpu_seconds"] / objects * 1e6, "of_machine": share, **each}

    def _bodies(self, objects: int, namespace: str) -> Iterator[bytes]:
        made = plan(shards=objects, replicas=0, containers=self._containers, signatures=0)
        for body in workload_objects(made, "127.0.0.1:5000"):
            body["metadata"]["namespace"] = namespace
            yield orjson.dumps(body) + b"\n"


def main() -> None:
    options = _arguments()
    builds.install([tools.TOOLS["apiload"]])
    with running(controllers=options.controllers) as plane:
        bench = Bench(plane, options.containers)
        bench.closed("go-http1", 8, WARM_UP)
        paced = [{"phase": phase, **bench.paced(phase, count)} for phase, count in _phases(options)]
        print(paced_table(paced), flush=True)
        rounds = [
            {(client, workers): bench.closed(client, workers, options.objects) for client, workers in turns}
            for turns in _turns(options)
        ]
    closed = best(rounds)
    print(f"\n{closed_table(closed)}\n\nload of the machine: {', '.join(f'{each:.1f}' for each in os.getloadavg())}")
    if options.json:
        result = {"processors": os.cpu_count(), "load": os.getloadavg(), "paced": paced, "closed": closed}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench load", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rates", type=_numbers, default=[50, 100, 200], help="objects per second (50,100,200)")
    parser.add_argument("--poisson", type=_numbers, default=[100], help="and with the gaps of Poisson (100)")
    parser.add_argument("--seconds", type=float, default=60, help="of each rate (60)")
    parser.add_argument("--workers", type=_numbers, default=[8, 32], help="requests under way in closed loops (8,32)")
    parser.add_argument("--objects", type=int, default=8_000, help="of each closed loop (8,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each client has its turn (3)")
    parser.add_argument("--containers", type=int, default=1, help="of each Deployment: how large it is (1)")
    parser.add_argument("--controllers", action="store_true", help="with controller manager and scheduler")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every figure is written")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


def _phases(options: argparse.Namespace) -> Iterator[tuple[dict[str, Any], int]]:
    """The schedules, and how many objects each has."""
    for pattern, rates in (("constant", options.rates), ("poisson", options.poisson)):
        for rate in rates:
            yield {"pattern": pattern, "rate": rate}, round(rate * options.seconds)


def _turns(options: argparse.Namespace) -> Iterator[list[tuple[str, int]]]:
    """Each round begins with another client, so that what drifts favours none."""
    clients = [(client, workers) for workers in options.workers for client in ("csscgen", *GO)]
    for number in range(options.rounds):
        start = number * len(clients) // options.rounds
        yield [*clients[start:], *clients[:start]]


def best(rounds: Sequence[Mapping[tuple[str, int], Figures]]) -> list[Figures]:
    """The best round of each client and number of workers, and its part of the best of the Go client with JSON."""
    found = []
    for client, workers in sorted(rounds[0], key=lambda key: key[1]):
        own = [figures[client, workers] for figures in rounds]
        top = max(own, key=lambda each: float(each["objects_per_s"]))
        found.append({"client": client, "workers": workers, **top, "rounds": [each["objects_per_s"] for each in own]})
    limit = max(each["objects_per_s"] for each in found if each["client"] in ("go-http1", "go-http2"))
    return [{**each, "of_limit": each["objects_per_s"] / limit} for each in found]


def paced_table(rows: Sequence[Figures]) -> str:
    """A row for each figure of each schedule: measured, allowed, and the ratio of the two."""
    lines = [f"{'schedule':<16} {'figure':<28} {'measured':>10} {'allowed':>10} {'ratio':>7}"]
    for each in rows:
        name = f"{each['phase']['pattern']} {each['phase']['rate']}/s"
        off = abs(each["achieved_per_s"] / each["requested_per_s"] - 1)
        allowed: list[tuple[str, float, float | None]] = [
            ("rate reached, off by %", off * 100, MOST_OFF * 100),
            ("lag p50, ms", each["lag_p50"] * 1e3, None),
            ("lag p99, ms", each["lag_p99"] * 1e3, MOST_LAG * 1e3),
            ("lag max, ms", each["lag_max"] * 1e3, None),
            ("answer p99, ms", each["answer_p99"] * 1e3, None),
            ("of the machine's CPU, %", each["of_machine"] * 100, None),
        ]
        for figure, measured, limit in allowed:
            held = "" if limit is None else f"{limit:>10.3f} {measured / limit:>7.2f}"
            lines.append(f"{name:<16} {figure:<28} {measured:>10.3f} {held}".rstrip())
            name = ""
    return "\n".join(lines)


def closed_table(rows: Sequence[Figures]) -> str:
    """A row for each client of the closed loops."""
    columns = ("objects/s", "of limit", "client us", "apiserver us", "etcd us", "answer p50", "answer p99", "bytes")
    lines = [f"{'closed loops':<16} {'workers':>8}" + "".join(f"{column:>14}" for column in columns)]
    for each in rows:
        cells = (
            f"{each['objects_per_s']:,.0f}",
            f"{each['of_limit']:.2f}",
            *(f"{each[key]:,.0f}" for key in ("client_us", "kube-apiserver_us", "etcd_us")),
            *(f"{each[key] * 1e3:,.1f} ms" for key in ("answer_p50", "answer_p99")),
            f"{each['bytes'] / each['objects']:,.0f}",
        )
        lines.append(f"{each['client']:<16} {each['workers']:>8}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()

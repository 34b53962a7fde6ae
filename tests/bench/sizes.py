"""A size of the published test, run by the harness beside the raw limit: ``scripts/bench sizes [--stack local-M]``.

The raw limit is the same stack on the same machine, where the same workload is created by one call, as by ``kubectl``,
and its status is asked for every two seconds: nothing is watched, recorded or scraped. Both begin with the call and end
when every pod is Ready. The stack's own Prometheus, if it has one, is there on both sides.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from csscgen.arming import await_enforcement
from csscgen.context import Context, open_context
from csscgen.kubeconfigs import Login
from csscgen.loading import Item
from tests.bench.run import phases, timed
from workloads.ratify.objects import workload_objects

POLL_SECONDS = 2.0


class Api:
    """The API server over one connection."""

    def __init__(self, kubeconfig: str) -> None:
        login = Login(kubeconfig)
        self.prefix = login.path
        self._headers = {**login.headers(), "content-type": "application/json"}
        origin = login.origin
        self._connection = http.client.HTTPSConnection(origin.host, origin.port, context=login.tls, timeout=70)

    def ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """An answer; ends the benchmark if it is an error."""
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text[:300]!r}")
        found: dict[str, Any] = orjson.loads(text)
        return found


def called(context: Context, deadline: float) -> float:
    """Seconds from the call that creates the workload to the moment when all its pods are Ready, or have succeeded."""
    outputs, plan = context.outputs(), context.settings.plan
    kubeconfig, host = outputs["kubeconfig"], outputs["registry"]
    await_enforcement(kubeconfig, plan, host, mutation=context.settings.gatekeeper.mutation)
    api = Api(kubeconfig)
    items = [Item.of(body, api.prefix) for body in workload_objects(plan, host)]
    started = time.monotonic()
    for item in items:
        api.ask("POST", item.collection, item.body)
    while (ready := sum(_ready(api, item) for item in items)) < plan.replicas:
        if time.monotonic() - started > deadline:
            sys.exit(f"After {deadline:g} s {ready} of {plan.replicas} pods are ready.")
        print(f"one call: {ready} of {plan.replicas} pods ready, {time.monotonic() - started:.0f} s", file=sys.stderr)
        time.sleep(POLL_SECONDS)
    return time.monotonic() - started


def _ready(api: Api, item: Item) -> int:
    status = api.ask("GET", f"{item.collection}/{item.name}").get("status") or {}
    return int(status.get("readyReplicas") or status.get("succeeded") or status.get("ready") or 0)


def raw(place: Path, stack: str, changes: list[str], deadline: float) -> float:
    """The raw limit, from nothing: brings the stack up, seeds it, and removes it again."""
    words = ["--stack", stack, *changes, "--quiet"]
    os.environ.update(CSSCGEN_STATE=str(place / "state"), CSSCGEN_RUNS=str(place / "runs"))
    try:
        timed(place, "up", *words)
        timed(place, "artifacts", "seed", *words)
        return called(open_context(stack, changes[1::2], quiet=True, scenario=True), deadline)
    finally:
        timed(place, "destroy", "--stack", stack, "--shared", "--quiet")


def harnessed(place: Path, stack: str, changes: list[str]) -> tuple[float, dict[str, Any]]:
    """Seconds of load and settling of a whole run, and its summary."""
    _, out = timed(place, "run", "--stack", stack, *changes, "--quiet", "--json")
    spent = phases(place)
    summary: dict[str, Any] = json.loads(out)
    return spent["load"] + spent["settle"], summary


def main() -> None:
    """Prints the two times and their ratio, what became of the pods, and what the harness took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="local-M")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--deadline", type=float, default=7200, help="seconds for the raw limit")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    changes = [word for change in asked.changes for word in ("--set", change)]
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        limit = raw(Path(scratch) / "raw", asked.stack, changes, asked.deadline)
        seconds, summary = harnessed(Path(scratch) / "run", asked.stack, changes)
    pods, harness = summary["pods"], summary["harness"]
    rows = [
        (f"{asked.stack}: until all pods are ready, s", seconds, limit * 1.1),
        ("harness, peak memory, MB", harness["peak_rss_bytes"] / 1e6, 1000.0),
        ("harness, share of the machine's CPU", harness["share_of_machine_cpu"], 0.10),
        ("pods missing", pods["missing"], 0.0),
    ]
    if asked.json:
        found = {"one_call_seconds": limit, "run_seconds": seconds, "ratio": seconds / limit}
        print(json.dumps({"stack": asked.stack, "changes": asked.changes, **found, "pods": pods, "harness": harness}))
        return
    print(f"{'figure':<48} {'measured':>10} {'allowed':>10}")
    for name, value, allowed in rows:
        print(f"{name:<48} {value:>10.3f} {allowed:>10.3f}")
    print(f"One call alone took {limit:.1f} s: the run took {seconds / limit:.3f} times that, {pods['ready']:,} ready.")


if __name__ == "__main__":
    main()

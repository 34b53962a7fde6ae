"""What watching the pods of a size takes, beside reading the same bytes alone: ``scripts/bench watch``.

A process of its own answers a LIST without pods, and a WATCH that tells of each pod six times, over TLS, as fast as it
is read: added, scheduled, and on its way to Ready. Pods are shaped as the API server sends them, with 10 containers.
``harness`` follows them as a run does, by Watcher and Tracker; ``raw`` reads and decodes each line with orjson, and
does nothing else. Both are processes of their own, so that CPU and peak memory are theirs alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml
from aiohttp import web

from csscgen.cluster import Cluster, Watcher
from csscgen.scraping import peak_bytes
from csscgen.tracking import Tracker
from infra.local.certificates import authority
from tests.bench.run import ROOT
from tests.csscgen.servers import kubeconfig, plan
from workloads.ratify.objects import RUN_LABEL, WORKLOAD_LABEL, workload_objects

PODS = "/api/v1/pods"
MOMENT = "2026-01-02T10:15:00Z"
EVENTS_EACH = 6
RUN_SECONDS = 600.0
"""How long a run of 20,000 pods takes at least: what its watch takes is a share of this."""


def events(pods: int) -> Iterator[bytes]:
    """The lines of a watch of pods, each of which becomes Ready before the next one is added."""
    made = plan(replicas=pods, containers=10)
    template = workload_objects(made, "127.0.0.1:5000")[0]["spec"]["template"]["spec"]
    for number in range(pods):
        for step in range(EVENTS_EACH):
            kind = "MODIFIED" if step else "ADDED"
            yield orjson.dumps({"type": kind, "object": _pod(number, step, template, made.run_id)}) + b"\n"


def _pod(number: int, step: int, spec: dict[str, Any], run_id: str) -> dict[str, Any]:
    names = [container["name"] for container in spec["containers"]]
    conditions = (
        ["PodScheduled"] * (step >= 1) + ["Initialized"] * (step >= 2) + ["ContainersReady", "Ready"] * (step >= 4)
    )
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "ratify-0-77ff54b566", "controller": True}
    managed: dict[str, Any] = {
        f'k:{{"name":"{name}"}}': {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}} for name in names
    }
    status: dict[str, Any] = {
        "phase": "Running" if step >= 3 else "Pending",
        "conditions": [{"type": each, "status": "True", "lastTransitionTime": MOMENT} for each in conditions],
        **({"startTime": MOMENT} if step >= 3 else {}),
    }
    if step >= 3:
        state = {"running": {"startedAt": MOMENT}}
        status["containerStatuses"] = [
            {"name": name, "ready": step >= 4, "restartCount": 0, "image": f"registry/{name}", "state": state}
            for name in names
        ]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"ratify-0-77ff54b566-{number:05}",
            "generateName": "ratify-0-77ff54b566-",
            "namespace": "ratify-perf-0",
            "uid": f"6c2f3d1a-1111-2222-3333-{number:012}",
            "resourceVersion": str(1000 + number * EVENTS_EACH + step),
            "creationTimestamp": MOMENT,
            "labels": {RUN_LABEL: run_id, WORKLOAD_LABEL: "ratify-0", "pod-template-hash": "77ff54b566"},
            "ownerReferences": [owner],
            "managedFields": [
                {"manager": "kube-controller-manager", "fieldsV1": {"f:spec": {"f:containers": managed}}}
            ],
        },
        "spec": {**spec, **({"nodeName": f"node-{number % 702}"} if step else {})},
        "status": status,
    }


async def _serve(folder: Path, pods: int) -> None:
    """Serves the watch until its input ends; writes kubeconfig.json when it is there."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        chunk = b""
        for line in events(pods):
            chunk += line
            if len(chunk) > 1 << 16:
                await response.write(chunk)
                chunk = b""
        await response.write(chunk)
        await asyncio.Event().wait()
        return response

    issuer = authority("bench")
    for name, text in zip(("key.pem", "crt.pem"), issuer.issue("127.0.0.1"), strict=True):
        (folder / name).write_text(text)
    (folder / "ca.pem").write_text(issuer.cert_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "crt.pem", folder / "key.pem")
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    config = yaml.safe_load(kubeconfig(f"https://127.0.0.1:{port}"))
    config["clusters"][0]["cluster"]["certificate-authority"] = str(folder / "ca.pem")
    (folder / "kubeconfig.tmp").write_text(json.dumps(config))
    (folder / "kubeconfig.tmp").rename(folder / "kubeconfig.json")
    await asyncio.to_thread(sys.stdin.read)


async def _harness(kubeconfig_text: str, pods: int) -> int:
    tracker = Tracker(plan(replicas=pods, containers=10))
    async with Cluster(kubeconfig_text) as cluster:
        watching = asyncio.create_task(Watcher(cluster, PODS, {}).run(tracker.on_pod))
        while tracker.ready < pods and not watching.done():
            await asyncio.sleep(0.01)
        watching.cancel()
    return tracker.ready


async def _raw(kubeconfig_text: str, pods: int) -> int:
    lines = 0
    async with Cluster(kubeconfig_text) as cluster:
        rest = b""
        async for chunk in cluster.read(PODS, {"watch": "true"}, 3600):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                orjson.loads(line)
            lines += len(whole)
            if lines >= pods * EVENTS_EACH:
                break
    return lines // EVENTS_EACH


ROLES = {"harness": _harness, "raw": _raw}


def _measure(role: str, folder: Path, pods: int) -> None:
    text = (folder / "kubeconfig.json").read_text()
    started, before = time.monotonic(), time.process_time()
    seen = asyncio.run(ROLES[role](text, pods))
    spent = time.process_time() - before
    found = {"pods": seen, "seconds": time.monotonic() - started, "cpu_seconds": spent, "peak_bytes": peak_bytes()}
    print(json.dumps(found))


def measured(pods: int) -> dict[str, dict[str, float]]:
    """What each role took of one and the same server."""
    words = [sys.executable, "-m", "tests.bench.watch", "--pods", str(pods)]
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        serving = subprocess.Popen([*words, "--role", "serve", "--folder", scratch], cwd=ROOT, stdin=subprocess.PIPE)
        try:
            deadline = time.monotonic() + 30
            while not (Path(scratch) / "kubeconfig.json").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            found = {}
            for role in ROLES:
                command = [*words, "--role", role, "--folder", scratch]
                done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
                found[role] = json.loads(done.stdout)
        finally:
            serving.communicate(timeout=30)
    return found


def main() -> None:
    """Prints what watching took, what it may take, and its ratio to reading alone."""
    parser = argparse.ArgumentParser(prog="scripts/bench watch", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pods", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--role", choices=("serve", *ROLES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.role == "serve":
        asyncio.run(_serve(asked.folder, asked.pods))
        return
    if asked.role:
        _measure(asked.role, asked.folder, asked.pods)
        return
    found = measured(asked.pods)
    if asked.json:
        print(json.dumps({"pods": asked.pods, "events": asked.pods * EVENTS_EACH, **found}))
        return
    harness, raw = found["harness"], found["raw"]
    share = harness["cpu_seconds"] / RUN_SECONDS / (os.cpu_count() or 1)
    count = asked.pods * EVENTS_EACH
    print(f"{'figure':<48} {'measured':>10} {'allowed':>10} {'ratio':>7}")
    for name, value, allowed in (
        ("peak memory of watching alone, MB", harness["peak_bytes"] / 1e6, 1000.0),
        (f"share of the machine's CPU in {RUN_SECONDS:.0f} s", share, 0.10),
    ):
        print(f"{name:<48} {value:>10.3f} {allowed:>10.3f} {value / allowed:>7.2f}")
    for role, taken in found.items():
        each = taken["cpu_seconds"] / count * 1e6
        print(f"{role}: {count / taken['seconds']:,.0f} events/s, {each:.0f} us of CPU an event")
    print(f"Watching took {harness['cpu_seconds'] / raw['cpu_seconds']:.2f} times the CPU of reading alone.")


if __name__ == "__main__":
    main()

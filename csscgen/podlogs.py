"""The logs of Ratify's and Gatekeeper's pods, by the API server and with the kubeconfig's login.

A log is streamed to its file and cut at a size, so that one that was set to debug does not fill the disk. A log that
cannot be had is told and does not fail the run: what was measured does not depend on it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from analysis.records import REPLICAS, read_lines
from analysis.shapes import REPLICA
from csscgen.cluster import Cluster
from csscgen.interruptions import run
from csscgen.objects import ReplicaPod
from csscgen.replicas import Component, Replica
from workloads.errors import ClusterError, CollectError, brief

MOST_BYTES = 64 << 20
SECONDS = 120.0
AT_ONCE = 4


def collect(kubeconfig: str, components: Iterable[Component], folder: Path) -> list[str]:
    """Writes the pods' logs to logs/ of a run's folder; returns a sentence for each that could not be had whole.

    Raises ClusterError if the kubeconfig cannot be used, CollectError if a file cannot be written.
    """
    try:
        return run(_collect(kubeconfig, list(components), folder))
    except OSError as error:
        raise CollectError(f"The pods' logs could not be written: {error}") from error


async def _collect(kubeconfig: str, components: list[Component], folder: Path) -> list[str]:
    (folder / "logs").mkdir(exist_ok=True)
    said: list[str] = []
    there: set[str] = set()
    slots = asyncio.Semaphore(AT_ONCE)
    async with Cluster(kubeconfig) as cluster:

        async def one(component: Component, replica: Replica, previous: bool) -> None:
            async with slots:
                if told := await _stream(cluster, component, replica.pod, folder / "logs", previous=previous):
                    said.append(told)

        work = []
        for component in components:
            try:
                pods, _ = await cluster.list(component.path, component.query, ReplicaPod)
            except ClusterError as error:
                said.append(f"The logs of {component.name} could not be had: {brief(error)}.")
                continue
            for pod in pods:
                replica = Replica.first(component, pod)
                there.add(replica.pod)
                work.append(one(component, replica, False))
                if replica.restarts_before:
                    work.append(one(component, replica, True))
        await asyncio.gather(*work)
    lost = sorted({line["pod"] for line in read_lines(folder / REPLICAS, "replica", REPLICA)} - there)
    return said + [f"The log of {pod} went with the pod." for pod in lost]


async def _stream(cluster: Cluster, component: Component, pod: str, folder: Path, *, previous: bool) -> str | None:
    """Writes one log; says what is wrong with it, if anything is."""
    file = folder / (f"{pod}-previous.log" if previous else f"{pod}.log")
    scratch = file.with_name(f".{file.name}.part")
    what = f"The log of {pod}" + (" before its restart" if previous else "")
    query = {"container": component.container, "limitBytes": str(MOST_BYTES), "timestamps": "true"}
    size, told = 0, None
    try:
        with scratch.open("wb") as out:
            async for chunk in cluster.read(
                f"{component.path}/{pod}/log", query | ({"previous": "true"} if previous else {}), SECONDS
            ):
                out.write(chunk)
                size += len(chunk)
        if size >= MOST_BYTES:
            told = f"{what} is cut: it has its first {MOST_BYTES >> 20} MiB."
        elif not size:
            told = f"{what} is empty."
    except ClusterError as error:
        told = f"{what} could not be had{' whole' if size else ''}: {brief(error)}."
    if size:
        os.replace(scratch, file)
    with suppress(FileNotFoundError):
        scratch.unlink()
    return told

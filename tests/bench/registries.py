"""The registries that benchmarks load, each in a process of its own and started empty."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from infra.local import tools
from infra.local.sockets import free_ports
from tests.csscgen.artifacts.verifying import running

STORAGES: dict[str, dict[str, Any]] = {
    "distribution-memory": {"inmemory": {}},
    "distribution-disk": {"filesystem": {}},
}
REGISTRIES = ("emulator", *STORAGES)
"""Ours without limits; CNCF distribution with its contents in memory, and in files of a temporary folder."""


@dataclass(frozen=True)
class Server:
    """A registry that runs."""

    host: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        used = self.process.cpu_times()
        return float(used.user + used.system)


@contextlib.contextmanager
def started(name: str, processors: list[int] | None = None) -> Iterator[Server]:
    """One of ``REGISTRIES``, empty, on these processors; it is gone at the end, with what it held."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        folder = Path(scratch)
        argv = [sys.executable, "-m", "tests.bench.unthrottled", str(port)]
        if name != "emulator":
            argv = [str(tools.path("registry")), "serve", str(_configuration(name, port, folder))]
        page = "/metrics" if name == "emulator" else "/v2/"
        with placed(processors), running(argv, f"http://127.0.0.1:{port}{page}", folder / "log") as process:
            yield Server(f"127.0.0.1:{port}", psutil.Process(process.pid))


@contextlib.contextmanager
def placed(processors: list[int] | None) -> Iterator[None]:
    """Processes that are started meanwhile run on these processors, all of them for None."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors or own)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def _configuration(name: str, port: int, folder: Path) -> Path:
    """A configuration of CNCF distribution, as quiet as ours."""
    storage = {driver: dict(options) for driver, options in STORAGES[name].items()}
    if "filesystem" in storage:
        storage["filesystem"]["rootdirectory"] = str(folder / "contents")
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {**storage, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    file = folder / "config.yml"
    file.write_text(json.dumps(config))
    return file

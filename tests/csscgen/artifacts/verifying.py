"""The real Ratify as a judge of what is seeded, and the registries that it asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from infra.local import ratify
from infra.local.credentials import _CredentialsProvider
from infra.local.sockets import free_ports
from infra.settings import Settings
from tests.csscgen.artifacts.binaries import binary
from workloads.trust import trust_policy

ROOT = Path(__file__).parents[3]


@contextmanager
def running(argv: list[str], url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A registry that answers; it is stopped at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdout=output, stderr=output, cwd=ROOT, env=os.environ | {"OTEL_TRACES_EXPORTER": "none"}
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urlopen(url, timeout=5).close()
                break
            except (URLError, ConnectionError):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(10)


@dataclass(frozen=True)
class Served:
    """A registry that runs, and the docker config.json files of those who log in to it."""

    host: str
    push: Path | None = None
    pull: Path | None = None


def credentials(folder: Path, hosts: list[str]) -> dict[str, str]:
    """The files that a stack makes of its logins."""
    made = _CredentialsProvider().create({"folder": str(folder / "credentials"), "hosts": hosts, "pushers": 1}).outs
    assert made is not None
    return made


@contextmanager
def serving(kind: str, folder: Path):
    """A registry with contents in memory: the emulator as plain as can be; as ACR, with logins, a data endpoint and
    pages that hold fewer referrers than an image has; without the referrers API; and CNCF's."""
    port, data = free_ports(2)
    served = Served(f"127.0.0.1:{port}")
    emulator = [sys.executable, "-m", "infra.local.registry", f"--port={port}", "--size=L", "--region=x"]
    if kind == "emulator":
        argv = emulator
    elif kind == "no referrers API":
        argv = [*emulator, "--referrers-page=0"]
    elif kind == "acr":
        made = credentials(folder, [served.host])
        served = Served(served.host, Path(made["push"]), Path(made["pull"]))
        argv = [*emulator, f"--identities={made['identities']}", f"--data-port={data}", "--referrers-page=2"]
    else:
        config = {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"inmemory": {}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        (folder / "config.yml").write_text(json.dumps(config))
        argv = [binary("registry"), "serve", str(folder / "config.yml")]
    page = "/v2/" if kind == "distribution" else "/metrics"
    with running(argv, f"http://{served.host}{page}", folder / "log"):
        yield served


def verification(folder: Path, trust_store: str, identity: str, login: Path | None) -> Callable[[str], Any]:
    """What runs ``ratify verify`` with the configuration of the stacks, and returns its report."""
    (folder / "trust.crt").write_text(trust_store)
    config = ratify.configured(
        Settings(),
        cache=str(folder / "blobs"),
        certificate=str(folder / "trust.crt"),
        trust_policy=trust_policy(identity),
        login=str(login) if login else None,
    )
    (folder / "config.json").write_text(json.dumps(config))

    return lambda reference: ratify_verify(folder / "config.json", reference)


def ratify_verify(config: Path, reference: str) -> Any:
    """The report of ``ratify verify``."""
    answer = subprocess.run(
        [binary("ratify"), "verify", "-c", str(config), "-s", reference],
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(config.parent), "RATIFY_LOG_LEVEL": "error"},
    )
    start = answer.stdout.find("{")
    assert start >= 0, f"Ratify printed no report: {answer.stdout}{answer.stderr}"
    return json.JSONDecoder().raw_decode(answer.stdout[start:])[0]


def notation_verify(folder: Path, reference: str) -> Any:
    """The report of notation's library (tools/notation), which looks at every signature."""
    answer = subprocess.run(
        [binary("notation"), str(folder), reference], capture_output=True, text=True, timeout=60, env={}
    )
    assert answer.returncode in (0, 1), answer.stderr
    report = json.loads(answer.stdout)
    signatures = report["signatures"]
    assert (answer.returncode == 0) == (bool(signatures) and all(each["error"] is None for each in signatures))
    return report


def counts(host: str) -> dict[str, float]:
    with urlopen(f"http://{host}/metrics", timeout=5) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

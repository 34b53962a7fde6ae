"""The real Ratify as a judge of what is seeded, and the registries that it asks."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from infra.local import ratify
from infra.local.credentials import _CredentialsProvider
from infra.settings import Settings
from tests.csscgen.artifacts.binaries import binary
from workloads.trust import trust_policy

ROOT = Path(__file__).parents[3]


@contextmanager
def running(argv: list[str], url: str, log: Path):
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
        yield
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
    made = _CredentialsProvider().create({"folder": str(folder / "credentials"), "hosts": hosts}).outs
    assert made is not None
    return made


def verification(folder: Path, trust_store: str, identity: str, login: Path | None) -> Callable[[str], Any]:
    """What runs ``ratify verify`` with the configuration of the stacks, and returns its report."""
    program = binary("ratify")
    (folder / "trust.crt").write_text(trust_store)
    config = ratify.configuration(
        Settings(),
        cache=str(folder / "blobs"),
        certificate=str(folder / "trust.crt"),
        trust_policy=trust_policy(identity),
        login=str(login) if login else None,
    )
    (folder / "config.json").write_text(json.dumps(config))

    def run(reference: str) -> Any:
        answer = subprocess.run(
            [program, "verify", "-c", str(folder / "config.json"), "-s", reference],
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(folder), "RATIFY_LOG_LEVEL": "error"},
        )
        start = answer.stdout.find("{")
        assert start >= 0, f"Ratify printed no report: {answer.stdout}{answer.stderr}"
        return json.JSONDecoder().raw_decode(answer.stdout[start:])[0]

    return run


def counts(host: str) -> dict[str, float]:
    with urlopen(f"http://{host}/metrics", timeout=5) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

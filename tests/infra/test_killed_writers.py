"""A process that is killed at a random moment while it writes: what is on disk can be read, and is as it was told."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.engine.state import StackState
from infra.local.running import records
from infra.local.sockets import release_lost, reservations, reserve

STATE = """
import itertools, sys
from pathlib import Path
from infra.engine.resources import Resource
from infra.engine.state import StackState
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
state = StackState.load(folder, folder.parent)
for number in itertools.count(len(state.resources())):
    resource = Resource(urn=f"u-{number}", type="t", name=str(number), custom=True, inputs={"x": "y" * 20_000})
    state.begin("create", resource)
    state.put(resource)
    print(number, flush=True)
"""
RECORD = """
import itertools, sys
from infra.local.running import Record
for number in itertools.count():
    Record("etcd", sys.argv[1], number, number, "x" * 50_000, {}).write()
    print(number, flush=True)
"""
PORTS = """
import itertools, sys
from pathlib import Path
from infra.local.sockets import release, reserve
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for number in itertools.count():
    reserve(folder, [str(name) for name in range(8)], {})
    print(number, flush=True)
    release(folder)
"""


def killed(script: str, folder: Path, check: Callable[[], object], times: int = 6) -> None:
    """Kills the script at random moments once it writes, and checks what is there after each."""
    draw = random.Random(4)
    for _ in range(times):
        writer = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline()
        time.sleep(draw.uniform(0, 0.15))
        writer.kill()
        writer.communicate()
        check()


def test_a_state(tmp_path: Path):
    folder = tmp_path / "state" / "stack"
    known = 0

    def check() -> None:
        nonlocal known
        state = StackState.load(folder, folder.parent)
        found = len(state.resources())
        assert found > known
        assert [resource.name for resource in state.resources()] == [str(number) for number in range(found)]
        assert all(resource.inputs == {"x": "y" * 20_000} for resource in state.resources())
        assert [resource.name for resource in state.unfinished()] in ([], [str(found)])
        known = found

    killed(STATE, folder, check)


def test_a_record(tmp_path: Path):
    def check() -> None:
        (record,) = records(tmp_path)
        assert record.pid == record.started
        assert record.log == "x" * 50_000

    killed(RECORD, tmp_path, check)


def test_reservations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "stack"

    def check() -> None:
        assert set(reservations().values()) <= {folder}
        assert len(reserve(folder, ["a"], {})) == 1  # no lock is left

    killed(PORTS, folder, check)
    folder.rmdir()
    release_lost()
    assert list((tmp_path / "cache" / "csscgen" / "ports").iterdir()) == []

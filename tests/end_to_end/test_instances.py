"""Several runs at once: each in an instance of its own, none in another's way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Place

pytestmark = pytest.mark.real

NAMES = ("a", "b", "c")


def test_three_runs_at_the_same_moment_end_with_the_counts_that_each_has_alone(place: Place) -> None:
    runs = [place.start("run", "--stack", "local-smoke", "--instance", name, "--json") for name in NAMES]
    outputs = [run.communicate(timeout=240)[0] for run in runs]

    failed = [output for run, output in zip(runs, outputs, strict=True) if run.returncode]
    assert not failed, "\n".join(failed)
    folders = sorted((place.folder / "runs").iterdir())
    assert sorted(json.loads((folder / "run.json").read_text())["instance"] for folder in folders) == list(NAMES)
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["verdict"] == "pass", summary["verdict_reasons"]
        pods = summary["pods"]
        assert (pods["expected"], pods["ready"], pods["denied"], pods["failed"], pods["missing"]) == (5, 5, 0, 0, 0)
        assert summary["artifacts"]["signatures"] == 4
    assert left(place) == []


def test_a_stack_that_is_in_use_says_so_and_proposes_an_instance(place: Place) -> None:
    run = place.start("run", "--stack", "local-smoke")
    place.await_process("etcd")

    second = place.csscgen("run", "--stack", "local-smoke")

    assert second.returncode == 2
    assert f"Stack local-smoke is in use by process {run.pid}." in second.stderr
    assert "--instance NAME" in second.stderr
    run.communicate(timeout=120)
    assert run.returncode == 0
    assert left(place) == []


def left(place: Place) -> list[str]:
    """Processes and files of the stacks; the folders of the instances may stay, with nothing but a key in them."""
    files = [file for file in (place.folder / "state").rglob("*") if file.is_file() and file.name != "key"]
    return [*place.processes(), *map(str, map(Path, files))]

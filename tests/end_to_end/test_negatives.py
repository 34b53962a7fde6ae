"""Negative images before the real chain: all of them denied, no genuine one, and all admitted once restored."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from csscgen.stackfiles import read
from tests.end_to_end.conftest import ROOT, Place
from workloads.negatives import KINDS

pytestmark = pytest.mark.real


def ends(place: Place) -> dict[str, set[str]]:
    """How the pods of each workload ended in the last run."""
    folder = max((place.folder / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime)
    found = defaultdict(set)
    for line in (folder / "pods.jsonl").read_text().splitlines():
        pod = json.loads(line)
        found[pod["workload"].rpartition("/")[2]].add(pod["end"])
    return dict(found)


@pytest.mark.parametrize("match", ["pods", "workloads"])
def test_every_negative_image_is_denied_and_no_other_until_they_are_restored(place: Place, match: str) -> None:
    plan = read(ROOT, "local-negatives").settings.plan
    kinds = {plan.name(shard): plan.variant(shard) for shard in range(plan.shards)}
    assert set(kinds.values()) == {None, *KINDS}
    words = ("run", "--stack", "local-negatives", "--set", f"policy.match={match}")
    assert place.csscgen("up", "--stack", "local-shared").returncode == 0

    done = place.csscgen(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ends(place) == {name: {"ready" if kind is None else "denied"} for name, kind in kinds.items()}

    again = place.csscgen(*words, "--set", "scenario.restored=on")
    assert again.returncode == 0, again.stdout + again.stderr
    assert ends(place) == {name: {"ready"} for name in kinds}

    back = place.csscgen(*words)
    assert back.returncode == 1, back.stdout + back.stderr
    assert "scenario.restored=on" in back.stderr

    assert place.csscgen("destroy", "--stack", "local-shared").returncode == 0
    assert place.leftovers() == []

from __future__ import annotations

from pathlib import Path

import pytest

from tests.csscgen.commands import csscgen
from tests.csscgen.sharding.test_plans import shard_plan

JOB = ("shards", "job", "--stack", "local-S", "--image", "i", "--engine", "embedded")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSSCGEN_STATE", str(tmp_path / "state"))
    for name in ("KUBECONFIG", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((), "Only a load that csscgen creates can be divided"),
        (("load.mode=created", "gatekeeper.excludedNamespaces=[kube-*]"), "Gatekeeper would refuse the drivers in"),
        (("load.mode=created",), "Stack local-S is not up"),
    ],
)
def test_a_job_that_cannot_be_is_refused(capsys, changes, told):
    words = [word for change in changes for word in ("--set", change)]
    code, out, said = csscgen(capsys, *JOB, *words)
    assert code == 2 and out == "" and told in said


def test_a_shard_that_the_plan_does_not_have_is_refused(capsys, tmp_path: Path):
    (tmp_path / "plan.json").write_bytes(shard_plan().dump())
    send = ("shards", "send", "--plan", str(tmp_path / "plan.json"))
    code, _, said = csscgen(capsys, *send, "--shard", "2")
    assert code == 2 and "There is no shard 2: the plan has 2" in said
    code, _, said = csscgen(capsys, *send, "--shard", "1", "--kubeconfig", str(tmp_path / "none"))
    assert code == 2 and "cannot be read: No such file" in said
    code, _, said = csscgen(capsys, *send[:-1], str(tmp_path / "none"), "--shard", "1")
    assert code == 2 and "The plan" in said


def test_logs_without_a_sum_are_refused(capsys, tmp_path: Path):
    (tmp_path / "log").write_text("words\n")
    code, out, said = csscgen(capsys, "shards", "merge", str(tmp_path / "log"))
    assert code == 1 and out == "" and "no sum of a shard" in said

"""Shards as processes, against a small API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from analysis.records import read_lines
from analysis.shapes import REQUEST
from analysis.shards import SHARD, merged
from csscgen.loading import Request
from csscgen.sharding import logs
from csscgen.sharding.logins import kubeconfig as pod_kubeconfig
from csscgen.sharding.plans import ShardPlan
from csscgen.sharding.processes import PLAN, begin, send_in_shards
from tests.csscgen.servers import ApiServer, in_background, plan, status
from workloads.errors import ClusterError, CollectError, UsageError
from workloads.schedules import Phase

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


def load(objects: int, *phases: Phase, shards: int = 2, at: float | None = None) -> ShardPlan:
    scenario = plan(shards=objects, replicas=objects, namespaces=2)
    return ShardPlan(scenario, "127.0.0.1:5000", phases, shards, begin(objects) if at is None else at)


def start(plan: Path, **environment: str) -> subprocess.Popen[bytes]:
    """A shard as the container of the Job starts it."""
    argv = [sys.executable, "-m", "csscgen", "shards", "send", "--plan", str(plan)]
    known = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "JOB_COMPLETION_INDEX")}
    return subprocess.Popen(
        argv, cwd=ROOT, env={**known, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_two_processes_send_the_schedule_from_one_begin(api: ApiServer, tmp_path: Path):
    told: list[Request] = []
    began: list[float] = []
    asked = load(20, Phase("constant", rate=20))
    sums = send_in_shards(asked, api.kubeconfig, tmp_path, lambda: began.append(time.time()), told.append)
    assert sorted(each.workload for each in told) == sorted(f"ratify-{n}" for n in range(20))
    assert len(api.created) == 20
    due = sorted(each.intended for each in told if each.intended is not None)
    assert due == pytest.approx([asked.begin + n / 20 for n in range(20)], abs=1e-5)
    assert began == [pytest.approx(asked.begin, abs=0.5)]
    assert [(one["shard"], one["objects"], one["requests"]) for one in sums] == [(0, 10, 10), (1, 10, 10)]
    assert sums[1]["first_due"] == pytest.approx(asked.begin + 0.05)
    assert read_lines(tmp_path / "shards.jsonl", "sum", SHARD) == sums
    figures = merged(sums)
    lags = [each.sent - each.intended for each in told if each.intended is not None]
    assert figures["lag_seconds"]["max"] == pytest.approx(max(lags), abs=1e-6)
    assert "token" not in (tmp_path / PLAN).read_text()


def test_a_shard_that_begins_too_late_says_so_and_lags(api: ApiServer, tmp_path: Path):
    asked = load(4, Phase("constant", rate=100), at=time.time() - 30)
    sums = send_in_shards(asked, api.kubeconfig, tmp_path, lambda: None, lambda _: None)
    figures = merged(sums)
    assert len(api.created) == 4
    assert all(row["begin_skew_seconds"] > 29 for row in figures["shards"])
    assert figures["lag_seconds"]["p50"] > 29


def test_a_shard_that_fails_is_named_with_what_it_said(tmp_path: Path):
    with pytest.raises(ClusterError, match=r"Shard [01] of the load failed: The stack's kubeconfig cannot be used"):
        send_in_shards(load(4, Phase("constant", rate=1)), "{}", tmp_path, lambda: None, lambda _: None)


def test_it_ends_with_whoever_reads_it(api: ApiServer, tmp_path: Path):
    (tmp_path / "plan.json").write_bytes(load(2, Phase("constant", rate=1), at=time.time() + 60).dump())
    (tmp_path / "kubeconfig").write_text(api.kubeconfig)
    shard = start(tmp_path / "plan.json", KUBECONFIG=str(tmp_path / "kubeconfig"), JOB_COMPLETION_INDEX="0")
    assert shard.stdout and shard.stderr
    shard.stdout.close()
    said = shard.stderr.read().decode()
    assert shard.wait(20) == 1
    assert said.strip() == "Error: Nobody reads what this shard of the load tells any more, so it ends here."
    shard.stderr.close()


def test_a_pod_that_is_ended_tells_what_it_had_sent(api: ApiServer, tmp_path: Path):
    (tmp_path / "plan.json").write_bytes(load(200, Phase("constant", rate=2), at=time.time()).dump())
    (tmp_path / "kubeconfig").write_text(api.kubeconfig)
    shard = start(tmp_path / "plan.json", KUBECONFIG=str(tmp_path / "kubeconfig"), JOB_COMPLETION_INDEX="1")
    assert shard.stdout
    first = json.loads(shard.stdout.readline())
    assert REQUEST(first) is None
    shard.terminate()
    rest, said = shard.communicate(timeout=20)
    assert shard.returncode == 130 and said.strip() == b"Interrupted."
    sums, requests = logs.read(rest.splitlines())
    assert sums == [] and len(requests) < 100


def test_refusals_are_heard_at_once(api: ApiServer, tmp_path: Path):
    async def refuse(_: web.Request) -> web.Response:
        return status(403, "no")

    api.on_create = refuse
    told: list[Request] = []
    (sum0, sum1) = send_in_shards(
        load(6, Phase("closed", workers=2)), api.kubeconfig, tmp_path, lambda: None, told.append
    )
    assert [one.status for one in told] == ["failed"] * 6
    assert sum0["failed"] + sum1["failed"] == 6
    assert merged([sum0, sum1])["lag_seconds"]["p99"] is None


def test_logs_are_read_whatever_kubectl_adds_and_what_is_lost_is_told():
    request = {"object": "job/a/b", "intended": 1.0, "sent": 1.0, "answered": 2.0, "status": "created", "message": None}
    empty: dict[str, Any] = {"least": None, "greatest": None, "counts": []}
    total = {
        **{"shard": 0, "shards": 1, "begin": 0.0, "first_due": 0, "first_sent": 1, "objects": 2, "requests": 2},
        **{"failed": 0, "lag": empty, "answer": empty},
    }
    lines = [f"[pod/csscgen-load-0-x/shard] {json.dumps(each)}\n".encode() for each in (request, total)]
    sums, requests = logs.read([b'ut off": 5}\n', b"\n", b"words\n", *lines])
    assert (sums, requests) == ([total], [request])
    with pytest.raises(CollectError, match="sent 2 requests and their logs have 1"):
        logs.complete(sums, requests)


def test_a_pod_logs_in_with_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError, match="no pod with a service account"):
        pod_kubeconfig(None, tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("t")
    text = pod_kubeconfig(None, tmp_path)
    assert "https://[fd00::1]:443" in text and str(tmp_path / "ca.crt") in text

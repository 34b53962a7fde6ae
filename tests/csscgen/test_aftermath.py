"""A run's record after the fact: what a cluster and its Prometheus still know of a load that nobody watched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.results import analyse
from csscgen import aftermath, backfilling
from csscgen.context import Context
from csscgen.stackfiles import Stack
from csscgen.surroundings import LEASES
from infra.settings import Settings
from tests.csscgen.pods import CREATED, denial, failed_create, pod, ready_pod, replica
from tests.csscgen.prometheuses import FakePrometheus
from tests.csscgen.servers import PODS, ApiServer, in_background, text
from tests.csscgen.worlds import RUN, FakeEngine, Told
from workloads.errors import UsageError

DEPLOYMENTS = "/apis/apps/v1/deployments"
EVENTS = "/api/v1/events"
NAMESPACE = "/api/v1/namespaces/gatekeeper-system"
SELECTOR = "app.kubernetes.io/name=ratify"
START = 1767348900.0
"""``CREATED``, by the clock."""


@contextmanager
def cluster(tmp_path: Path) -> Iterator[tuple[ApiServer, FakePrometheus, Context]]:
    """A cluster whose stack `pulumi up` has loaded with three pods, and a Prometheus beside it."""
    with in_background(ApiServer()) as api:
        fake = FakePrometheus()
        api.pages = {"/api/v1/query": fake.answer, "/version": text('{"gitVersion": "v1.33.2"}')}
        api.pages[f"{NAMESPACE}/pods/ratify-a/log"] = text("level=info\n")
        api.items[DEPLOYMENTS] = [
            {"metadata": {"name": "ratify-0", "uid": "d", "namespace": "ratify-perf-0", "creationTimestamp": CREATED}}
        ]
        api.items[f"{NAMESPACE}/pods"] = [replica("ratify-a")]
        about = {"namespace": "gatekeeper-system", "selector": SELECTOR, "container": "ratify", "port": 8888}
        outputs = {"kubeconfig": api.kubeconfig, "registry": "r", "components": {"ratify": about}}
        config: dict[str, Any] = {
            "platform": "kubeconfig",
            "sharedStack": "local-shared",
            "scenario": {"replicas": 3, "containers": 1},
        }
        engine = FakeEngine({}, there={RUN: {**outputs, "prometheus": api.url}})
        stack = Stack(RUN, config, Settings.read(config, "a test"))
        yield api, fake, Context(tmp_path, tmp_path / ".state", stack, engine, Told())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfilling, "PATIENCE", 0)
    monkeypatch.delenv("CSSCGEN_RUNS", raising=False)


def scraped(fake: FakePrometheus) -> None:
    labels = {"job": "pods", "instance": "10.0.0.1:8888", "namespace": "gatekeeper-system", "pod": "ratify-a"}
    times = [START - 20 + 10 * number for number in range(8)]
    fake.knows("up", [(time, 1) for time in times], **labels)
    fake.knows("process_start_time_seconds", [(time, 1.0) for time in times], **labels)
    fake.knows("process_resident_memory_bytes", [(time, 5e7) for time in times], **labels)
    fake.knows("process_cpu_seconds_total", [(time, time - START + 20) for time in times], **labels)
    counts = list(zip(times, (4, 4, 4, 7, 7, 7, 7, 7), strict=True))
    fake.knows("ratify_verification_request_millisecond_count", counts, **labels)
    fake.knows("ratify_verification_request_millisecond_bucket", counts, le="100", **labels)
    fake.knows("ratify_verification_request_millisecond_bucket", counts, le="+Inf", **labels)


def gathered(context: Context) -> tuple[dict[str, Any], Path]:
    folder = aftermath.gather(context).folder
    return analyse(folder), folder


def test_a_load_that_nobody_watched_is_a_run_with_what_is_still_known(tmp_path: Path):
    with cluster(tmp_path) as (api, fake, context):
        api.items[PODS] = [ready_pod(number) for number in range(3)]
        scraped(fake)
        assert aftermath.is_due(context)
        summary, folder = gathered(context)
    pods, ratify, missing = summary["pods"], summary["ratify"], summary["missing"]
    assert (pods["expected"], pods["ready"], pods["missing"]) == (3, 3, 0)
    assert ratify["verification_requests"] == 3
    assert ratify["memory_bytes"]["peak"] == 5e7
    assert (ratify["restarts"], ratify["oom"]) == (0, 0)
    assert list(ratify["by_replica"]) == ["ratify-a"]
    assert summary["verdict"] == "pass"
    assert summary["collected_afterwards"] is True
    assert summary["cluster"] == {"version": "v1.33.2", "nodes": 0}
    run = json.loads((folder / "run.json").read_text())
    assert run["window"] == {"start": START, "end": START + 4}  # Ready in the third second, which is whole one later
    assert run["versions"]["ratify"] == "1.4.6"
    assert run["prometheus"]["url"].startswith("http://127.0.0.1:")
    assert run["phases"][0]["ok"] is True
    assert (folder / "logs" / "ratify-a.log").read_text() == "level=info\n"
    for lacking in ("load.objects", "load.lag_seconds.p99", "pod_startup_seconds.p99", "pods.all_ready_seconds"):
        assert missing[lacking].startswith("The run was collected afterwards"), lacking
    assert summary["load"]["objects"] is None and summary["pod_startup_seconds"]["p50"] is None
    assert "collected afterwards" in (folder / "report.html").read_text()


def test_milestones_are_the_api_servers_and_no_local_clocks(tmp_path: Path):
    with cluster(tmp_path) as (api, fake, context):
        api.items[PODS] = [ready_pod(0)]
        _, folder = gathered(context)
    first = json.loads((folder / "pods.jsonl").read_text().splitlines()[0])
    assert first["milestones"]["ready"] == {"local": None, "server": START + 3}
    assert first["milestones"]["created"] == {"local": None, "server": START}
    assert not (folder / "requests.jsonl").exists()


def test_pods_that_were_refused_are_denied_and_pods_that_are_not_ready_missing(tmp_path: Path):
    refused = failed_create("ReplicaSet", "ratify-0-a", denial(), count=6)
    earlier = failed_create("ReplicaSet", "ratify-0-b", "quota", uid="e-2")
    with cluster(tmp_path) as (api, _, context):
        api.items[PODS] = [pod(0, node="node-0")]
        api.items[EVENTS] = [
            {**refused, "lastTimestamp": "2026-01-02T10:15:40Z"},
            {**earlier, "lastTimestamp": "2026-01-02T09:15:00Z"},
        ]
        summary, folder = gathered(context)
    assert (summary["pods"]["denied"], summary["pods"]["missing"]) == (2, 1)
    assert summary["pods"]["refused_attempts"] == {"unsigned": 6}
    (event,) = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert event["time"] == START + 40
    assert json.loads((folder / "run.json").read_text())["window"]["end"] == START + 41


def test_without_a_prometheus_the_pods_are_told_and_the_metrics_are_null_with_the_reason(tmp_path: Path):
    with cluster(tmp_path) as (api, _, context):
        api.items[PODS] = [ready_pod(number) for number in range(3)]
        del context.engine.there[RUN]["prometheus"]  # type: ignore[attr-defined]  # it is a FakeEngine
        summary, _ = gathered(context)
    assert summary["pods"]["ready"] == 3
    assert summary["ratify"]["verification_requests"] is None
    assert "has no Prometheus" in summary["missing"]["ratify.verification_requests"]
    assert summary["ratify"]["restarts"] is None


def test_an_api_server_that_is_one_of_several_is_not_taken_for_all(tmp_path: Path):
    with cluster(tmp_path) as (api, fake, context):
        api.items[PODS] = [ready_pod(number) for number in range(3)]
        api.items[LEASES] = [{"metadata": {"name": name, "uid": name}} for name in ("a", "b")]
        scraped(fake)
        fake.knows("up", [(START - 20 + 10 * number, 1) for number in range(8)], job="apiserver", instance="h:443")
        summary, _ = gathered(context)
    assert summary["control_plane"]["webhook_fail_open"] is None
    assert "2 API servers behind one address" in summary["missing"]["control_plane.webhook_fail_open"]


@pytest.mark.parametrize(("restarts", "end", "oom"), [(0, None, 0), (1, "OOMKilled", 1), (2, "OOMKilled", None)])
def test_ends_for_lack_of_memory_are_known_so_far_as_the_last_end_tells(tmp_path: Path, restarts, end, oom):
    with cluster(tmp_path) as (api, _, context):
        api.items[PODS] = [ready_pod(number) for number in range(3)]
        there = replica("ratify-a", restarts=restarts, end=end)
        there["metadata"]["creationTimestamp"] = "2026-01-02T08:00:00Z"
        api.items[f"{NAMESPACE}/pods"] = [there]
        summary, _ = gathered(context)
    assert summary["ratify"]["oom"] == oom


def test_a_cluster_without_a_load_is_told_and_nothing_is_made(tmp_path: Path):
    with cluster(tmp_path) as (api, _, context):
        api.items[DEPLOYMENTS] = []
        assert not aftermath.is_due(context)
        with pytest.raises(UsageError, match="no workload has the label ratify-perf/run-id=manual"):
            aftermath.gather(context)
    assert not (tmp_path / "runs").exists()


def test_a_local_stack_is_never_due(tmp_path: Path):
    with cluster(tmp_path) as (api, _, context):
        local = Settings.read({"sharedStack": "local-shared"}, "a test")
        context = replace(context, stack=replace(context.stack, settings=local))
        assert not aftermath.is_due(context)
        assert api.lists == []
    assert os.listdir(tmp_path) == []

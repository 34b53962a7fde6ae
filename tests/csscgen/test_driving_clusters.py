"""A load on a cluster that is not made of local processes: from arming to the report, with an API server of straw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csscgen import pipeline
from csscgen.collecting import collect
from csscgen.driving import drive
from csscgen.surroundings import LEASES
from tests.csscgen.pods import replica
from tests.csscgen.servers import event, text
from tests.csscgen.worlds import RUN, SHARED, World, world

PODS = "/api/v1/namespaces/gatekeeper-system/pods"
COMPONENTS = {
    "ratify": {
        "namespace": "gatekeeper-system",
        "selector": "app.kubernetes.io/name=ratify",
        "container": "ratify",
        "port": 8888,
    }
}


def page(name: str, verified: int) -> str:
    return (
        f"ratify_verification_request_millisecond_count {verified}\n"
        f'ratify_verification_request_millisecond_bucket{{le="+Inf"}} {verified}\n'
        f"process_start_time_seconds 1\nprocess_resident_memory_bytes 5e+07\nprocess_cpu_seconds_total 1\n"
    )


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A cluster with two pods of Ratify, on which the stack is up."""
    with world(tmp_path, monkeypatch) as made:
        outputs = {**made.engine.made[RUN], "components": COMPONENTS, "targets": {}}
        made.engine.made = {**made.engine.made, RUN: outputs}
        made.engine.there = {RUN: outputs, SHARED: dict(made.engine.made[SHARED])}
        api = made.api
        api.items[PODS] = [replica("ratify-a"), replica("ratify-b")]
        api.items[LEASES] = [{"metadata": {"name": "one", "uid": "1"}}]
        api.items["/api/v1/nodes"] = [{"metadata": {"name": "n", "uid": "n"}}]
        api.pages["/version"] = text('{"gitVersion": "v1.33.2"}')
        api.pages["/metrics"] = text('apiserver_admission_webhook_request_total{name="x"} 4\n')
        for name in ("ratify-a", "ratify-b"):
            api.pages[f"{PODS}/{name}:8888/proxy/metrics"] = text(page(name, 0))
            api.pages[f"{PODS}/{name}/log"] = text(f"{name} says hello\n")
        yield made


def measured(there: World) -> tuple[dict[str, Any], dict[str, Any]]:
    record, context = pipeline.begin(there.context("platform=kubeconfig"))
    drive(context, record)
    collect(context, record)
    summary = pipeline.report(context, record)
    return summary, json.loads((there.folder / "run.json").read_text())


def test_pods_are_found_read_by_themselves_and_their_logs_kept(there: World):
    def load() -> None:
        there.api.pages[f"{PODS}/ratify-a:8888/proxy/metrics"] = text(page("ratify-a", 3))
        there.api.pages[f"{PODS}/ratify-b:8888/proxy/metrics"] = text(page("ratify-b", 2))
        there.pods_become_ready()

    there.engine.hooks["load", RUN] = load
    summary, run = measured(there)
    assert summary["pods"]["ready"] == 5
    assert summary["ratify"]["verification_requests"] == 5
    assert list(summary["ratify"]["by_replica"]) == ["ratify-a", "ratify-b"]
    assert summary["ratify"]["memory_bytes"]["peak"] == 1e8
    assert (summary["ratify"]["restarts"], summary["ratify"]["oom"]) == (0, 0)
    assert summary["control_plane"]["webhook_fail_open"] == 0
    assert summary["verdict"] == "pass", summary["verdict_reasons"]
    assert run["cluster"] == {"version": "v1.33.2", "nodes": 1}
    assert (run["versions"]["ratify"], run["unscraped"]) == ("1.4.6", {})
    logs = {file.name: file.read_text() for file in (there.folder / "logs").iterdir()}
    assert logs == {"ratify-a.log": "ratify-a says hello\n", "ratify-b.log": "ratify-b says hello\n"}


def test_what_only_an_audit_log_tells_is_null_with_the_reason(there: World):
    summary, _ = measured(there)
    assert summary["pods"]["unverified"] is None
    assert "no audit log of the API server" in summary["missing"]["pods.unverified"]
    assert "no audit log of the API server" in summary["missing"]["pods.unaccounted"]


def test_a_pod_that_is_killed_for_memory_in_the_load_is_told(there: World):
    def load() -> None:
        there.api.later[PODS].append(event("MODIFIED", replica("ratify-a", restarts=1, end="OOMKilled")))
        there.pods_become_ready()

    there.engine.hooks["load", RUN] = load
    there.api.pages[f"{PODS}/ratify-a/log"] = text("again\n")
    summary, _ = measured(there)
    assert (summary["ratify"]["restarts"], summary["ratify"]["oom"]) == (1, 1)


def test_an_api_server_whose_metrics_are_forbidden_costs_its_figures_only(there: World):
    there.api.pages["/metrics"] = text("no", 403)
    summary, run = measured(there)
    assert run["unscraped"] == {"kube-apiserver": "The API server answers /metrics with 403: no."}
    assert summary["control_plane"]["webhook_fail_open"] is None
    assert summary["missing"]["control_plane.webhook_fail_open"] == run["unscraped"]["kube-apiserver"]
    assert summary["verdict"] == "fail"  # local-smoke has a threshold on it, which cannot be judged


def test_pages_that_are_named_stand_for_pods(there: World):
    there.api.items[PODS] = []
    there.api.pages["/page"] = text(page("ratify-0", 0))
    there.engine.there[RUN] = {
        **there.engine.there[RUN],
        "targets": {"ratify-0": {"metrics": f"{there.api.url}/page"}},
    }
    there.engine.made = {**there.engine.made, RUN: there.engine.there[RUN]}
    summary, run = measured(there)
    assert run["unscraped"] == {}
    assert list(summary["ratify"]["by_replica"]) == ["ratify-0"]

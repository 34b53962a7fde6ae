"""Pods of Ratify and Gatekeeper on a cluster: found, followed, and each read by itself through the API server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from csscgen import cluster
from csscgen.kubeconfigs import Login
from csscgen.observing import Observer
from csscgen.replicas import Component, Replicas, version
from csscgen.scraping import Scraper
from tests.csscgen.pods import ready_pod, replica
from tests.csscgen.servers import PODS, ApiServer, event, in_background, kubeconfig, plan, status, text
from workloads.ratify.metrics import CAME, LEFT, UP

RATIFY = Component("ratify", "gatekeeper-system", "app.kubernetes.io/name=ratify", "ratify", 8888)
GATEKEEPER = Component("gatekeeper", "gatekeeper-system", "gatekeeper.sh/system=yes", "manager", 8888)
THERE = RATIFY.path
PAGE = "ratify_verification_request_count 3\n"


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


def path(pod: str) -> str:
    return f"{THERE}/{pod}:8888/proxy/metrics"


def observer(api: ApiServer, folder: Path, *components: Component, token: str | None = None) -> Observer:
    config = kubeconfig(api.url, token)
    login = Login(config)
    followed = Replicas(components or [RATIFY], login.server, login, folder)
    return Observer(config, plan(), Scraper([], 0.1, answer_seconds=2), replicas=followed)


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def samples(seen: Observer, target: str, metric: str) -> list[float]:
    return [
        value
        for scrape in list(seen.scraper.scrapes)
        if scrape.target == target
        for name, _, value in scrape.samples()
        if name == metric
    ]


def lines(folder: Path) -> dict[str, Any]:
    found = [json.loads(line) for line in (folder / "replicas.jsonl").read_text().splitlines()]
    return {line["pod"]: line for line in found}


def test_each_pod_is_read_by_itself_and_with_the_kubeconfigs_login(api: ApiServer, tmp_path: Path):
    api.items[THERE] = [replica("ratify-a"), replica("ratify-b", image="ghcr.io/ratify@sha256:0a")]
    api.pages = {path("ratify-a"): text("x 1\n"), path("ratify-b"): text("x 2\n")}
    with observer(api, tmp_path, token="secret-token") as seen:
        assert (samples(seen, "ratify-a", "x")[0], samples(seen, "ratify-b", "x")[0]) == (1, 2)
        assert samples(seen, "ratify-a", CAME) == []
    assert {"path": THERE, "labelSelector": RATIFY.selector, "limit": "500"} in api.lists
    assert {header.get("Authorization") for header in api.headers} == {"Bearer secret-token"}
    assert seen.replicas and seen.replicas.versions() == {"ratify": "1.4.6, sha256:0a"}
    assert lines(tmp_path)["ratify-a"]["node"] == "node-1"
    assert "secret" not in (tmp_path / "replicas.jsonl").read_text()


def test_a_pod_that_comes_later_is_read_once_it_is_ready(api: ApiServer, tmp_path: Path):
    api.items[THERE] = [replica("ratify-a")]
    api.pages = {path("ratify-a"): text(PAGE), path("ratify-b"): text(PAGE)}
    with observer(api, tmp_path) as seen:
        api.later[THERE].append(event("ADDED", replica("ratify-b", ready=False)))
        until(lambda: "ratify-b" in lines(tmp_path))
        assert path("ratify-b") not in api.asked
        api.later[THERE].append(event("MODIFIED", replica("ratify-b")))
        until(lambda: samples(seen, "ratify-b", UP))
    assert samples(seen, "ratify-b", CAME) == [1]
    assert set(samples(seen, "ratify-b", UP)) == {1}


def test_a_pod_that_dies_does_not_answer_and_then_is_no_target_any_more(api: ApiServer, tmp_path: Path):
    api.items[THERE] = [replica("ratify-a"), replica("ratify-b")]
    api.pages = {path("ratify-a"): text(PAGE), path("ratify-b"): text(PAGE)}
    with observer(api, tmp_path) as seen:
        api.pages[path("ratify-b")] = text("error trying to reach service", 503)
        until(lambda: 0 in samples(seen, "ratify-b", UP))
        api.later[THERE].append(event("DELETED", replica("ratify-b")))
        until(lambda: samples(seen, "ratify-b", LEFT))
        asked, scraped = api.asked.count(path("ratify-b")), len(samples(seen, "ratify-a", UP))
        until(lambda: len(samples(seen, "ratify-a", UP)) > scraped + 2)
        assert api.asked.count(path("ratify-b")) <= asked + 1
    assert lines(tmp_path)["ratify-b"]["gone"] is not None
    assert lines(tmp_path)["ratify-a"]["gone"] is None


def test_an_evicted_pod_is_gone_although_it_is_still_listed(api: ApiServer, tmp_path: Path):
    api.items[THERE] = [replica("ratify-a"), replica("ratify-old", phase="Failed", uid="old")]
    api.pages = {path("ratify-a"): text(PAGE)}
    with observer(api, tmp_path) as seen:
        assert list(lines(tmp_path)) == ["ratify-a"]
        api.later[THERE].append(event("MODIFIED", replica("ratify-a", phase="Failed")))
        until(lambda: samples(seen, "ratify-a", LEFT))
    assert lines(tmp_path)["ratify-a"]["gone"] is not None


def test_restarts_and_why_are_counted_from_when_the_load_began(api: ApiServer, tmp_path: Path):
    api.items[THERE] = [replica("ratify-a", restarts=4, end="Error")]
    api.pages = {path("ratify-a"): text(PAGE)}
    with observer(api, tmp_path):
        assert (lines(tmp_path)["ratify-a"]["restarts"], lines(tmp_path)["ratify-a"]["ends"]) == (0, [])
        api.later[THERE].append(event("MODIFIED", replica("ratify-a", restarts=5, end="OOMKilled", ready=False)))
        until(lambda: lines(tmp_path)["ratify-a"]["restarts"] == 1)
        api.later[THERE].append(event("MODIFIED", replica("ratify-a", restarts=5, end="OOMKilled")))
        until(lambda: lines(tmp_path)["ratify-a"]["ready"])
    assert [end["reason"] for end in lines(tmp_path)["ratify-a"]["ends"]] == ["OOMKilled"]
    assert lines(tmp_path)["ratify-a"]["last_end"]["reason"] == "Error"


@pytest.mark.parametrize(("code", "why"), [(403, "pods/proxy is forbidden"), (503, "no endpoints")])
def test_a_proxy_that_refuses_is_a_target_that_is_down(api: ApiServer, tmp_path: Path, code: int, why: str):
    api.items[THERE] = [replica("ratify-a")]
    api.pages = {path("ratify-a"): text(why, code)}
    with observer(api, tmp_path) as seen:
        pass
    assert set(samples(seen, "ratify-a", UP)) == {0}


def test_pods_that_may_not_be_listed_cost_their_figures_and_not_the_run(api: ApiServer, tmp_path: Path):
    api.faults[THERE] = [status(403, "pods is forbidden")]
    api.watches[PODS] = [[event("ADDED", ready_pod(number)) for number in range(3)]]
    with observer(api, tmp_path) as seen:
        seen.wait(10, 15, 15, lambda: None)
        assert seen.replicas
        assert "with 403: pods is forbidden" in seen.replicas.unscraped([])["ratify"]


def test_a_component_without_pods_is_told_unless_a_page_stands_for_it(api: ApiServer, tmp_path: Path):
    with observer(api, tmp_path, RATIFY, GATEKEEPER) as seen:
        pass
    assert seen.replicas
    told = seen.replicas.unscraped(["ratify-0", "gatekeepers"])
    assert list(told) == ["gatekeeper"]
    assert "No pod with gatekeeper.sh/system=yes runs in namespace gatekeeper-system" in told["gatekeeper"]


def test_a_run_that_is_gone_on_with_keeps_what_it_knew(api: ApiServer, tmp_path: Path):
    api.items[THERE] = [replica("ratify-a", restarts=1), replica("ratify-b")]
    api.pages = {path("ratify-a"): text(PAGE)}
    with observer(api, tmp_path):
        pass
    api.items[THERE] = [replica("ratify-a", restarts=3, end="OOMKilled")]
    with observer(api, tmp_path) as seen:
        assert samples(seen, "ratify-a", UP)
    assert lines(tmp_path)["ratify-a"]["restarts"] == 2
    assert [line["gone"] is not None for line in lines(tmp_path).values()] == [False, True]


def test_a_status_that_is_none_is_told(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "MAX_FAILURES", 1)  # it would take half a minute
    api.items[THERE] = [replica("ratify-a", containerStatuses=[{"name": "ratify", "restartCount": "many"}])]
    with observer(api, tmp_path) as seen:
        assert seen.replicas
        problem = seen.replicas.unscraped([])["ratify"]
    assert "Expected `int | null`, got `str` - at `$.items[0].status.containerStatuses[0].restartCount`" in problem


@pytest.mark.parametrize(
    ("pod", "target"),
    [("ratify-7d9-x2", "ratify-7d9-x2"), ("notation-ratify-1", "ratify-notation-ratify-1"), ("ratify", "ratify")],
)
def test_a_targets_name_begins_with_its_components(pod: str, target: str):
    assert RATIFY.target(pod) == target


@pytest.mark.parametrize(
    ("image", "said"),
    [("ghcr.io/a/ratify:v1.4.6", "1.4.6"), ("127.0.0.1:5000/ratify:1.2", "1.2"), ("h:5/r@sha256:0a", "sha256:0a")],
)
def test_a_version_is_read_from_an_image(image: str, said: str):
    assert version(image) == said


def test_components_are_read_from_outputs():
    about = {"namespace": "n", "selector": "a=b", "container": "c", "port": 8888.0}
    assert Component.of({"components": {"ratify": about}}) == [Component("ratify", "n", "a=b", "c", 8888)]
    assert Component.of({}) == []

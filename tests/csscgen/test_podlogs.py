from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from csscgen import podlogs
from csscgen.replicas import Component, Replicas
from tests.csscgen.pods import replica
from tests.csscgen.servers import ApiServer, in_background, status, text

RATIFY = Component("ratify", "gatekeeper-system", "app.kubernetes.io/name=ratify", "ratify", 8888)
PODS = RATIFY.path


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


def test_each_pods_log_and_that_before_its_restart(api: ApiServer, tmp_path: Path):
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(dict(request.query))
        return web.Response(text="before\n" if request.query.get("previous") else "now\n")

    api.items[PODS] = [replica("ratify-a"), replica("ratify-b", restarts=1)]
    api.pages = {f"{PODS}/ratify-a/log": answer, f"{PODS}/ratify-b/log": answer}
    assert podlogs.collect(api.kubeconfig, [RATIFY], tmp_path) == []
    found = {file.name: file.read_text() for file in (tmp_path / "logs").iterdir()}
    assert found == {"ratify-a.log": "now\n", "ratify-b.log": "now\n", "ratify-b-previous.log": "before\n"}
    assert {query["container"] for query in asked} == {"ratify"}
    assert {query["limitBytes"] for query in asked} == {str(podlogs.MOST_BYTES)}


def test_what_cannot_be_had_is_told_and_the_rest_is_there(api: ApiServer, tmp_path: Path):
    followed = Replicas([RATIFY], "", None, tmp_path)
    for pod in (replica("ratify-a"), replica("ratify-gone")):
        followed.follow(RATIFY, "LISTED", pod)
    api.items[PODS] = [replica("ratify-a"), replica("ratify-b")]
    api.pages = {f"{PODS}/ratify-a/log": text("now\n"), f"{PODS}/ratify-b/log": text("no", 500)}
    told = podlogs.collect(api.kubeconfig, [RATIFY], tmp_path)
    assert told == ["The log of ratify-b could not be had: no.", "The log of ratify-gone went with the pod."]
    assert [file.name for file in (tmp_path / "logs").iterdir()] == ["ratify-a.log"]


def test_a_log_that_breaks_off_is_kept_as_far_as_it_came(api: ApiServer, tmp_path: Path):
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half\n")
        assert request.transport is not None
        request.transport.close()
        return response

    api.items[PODS] = [replica("ratify-a")]
    api.pages = {f"{PODS}/ratify-a/log": cut}
    (told,) = podlogs.collect(api.kubeconfig, [RATIFY], tmp_path)
    assert told.startswith("The log of ratify-a could not be had whole: ")
    assert (tmp_path / "logs" / "ratify-a.log").read_text() == "half\n"


def test_an_empty_log_is_told(api: ApiServer, tmp_path: Path):
    api.items[PODS] = [replica("ratify-a")]
    api.pages = {f"{PODS}/ratify-a/log": text("")}
    assert podlogs.collect(api.kubeconfig, [RATIFY], tmp_path) == ["The log of ratify-a is empty."]
    assert list((tmp_path / "logs").iterdir()) == []


def test_a_log_is_cut_at_a_size(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(podlogs, "MOST_BYTES", 1 << 20)
    api.items[PODS] = [replica("ratify-a")]
    api.pages = {f"{PODS}/ratify-a/log": text("x" * (1 << 20))}
    assert podlogs.collect(api.kubeconfig, [RATIFY], tmp_path) == [
        "The log of ratify-a is cut: it has its first 1 MiB."
    ]


def test_pods_that_may_not_be_listed_have_no_logs(api: ApiServer, tmp_path: Path):
    api.faults[PODS] = [status(403, "pods is forbidden")]
    assert podlogs.collect(api.kubeconfig, [RATIFY], tmp_path) == [
        "The logs of ratify could not be had: pods is forbidden."
    ]

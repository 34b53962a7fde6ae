from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from aiohttp import web

from csscgen.arming import await_enforcement
from tests.csscgen.servers import ApiServer, in_background, kubeconfig, plan, status
from workloads.errors import ClusterError, DeadlineError

DENIED = 'admission webhook "validation.gatekeeper.sh" denied the request: [ratify] no such image'


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


def answers(api: ApiServer, *given: web.Response) -> None:
    """The given answers, then denials."""
    left = list(given)

    async def answer(_: web.Request) -> web.Response:
        return left.pop(0) if left else status(403, DENIED)

    api.on_create = answer


def test_it_returns_when_the_pod_is_denied(api: ApiServer):
    answers(api)
    assert 0 < await_enforcement(api.kubeconfig, plan(), "127.0.0.1:5000", 5) < 5


def test_it_asks_in_a_dry_run_with_an_image_by_digest_in_a_namespace_of_the_plan(api: ApiServer):
    answers(api)
    await_enforcement(api.kubeconfig, plan(), "127.0.0.1:5000", 5)
    (asked,) = api.created
    assert (asked["path"], asked["dryRun"]) == ("/api/v1/namespaces/ratify-perf-0/pods", "All")
    assert "@sha256:" in asked["body"]["spec"]["containers"][0]["image"]


def test_it_asks_until_admission_is_armed(api: ApiServer):
    answers(
        api,
        web.json_response({}, status=201),
        status(403, "error looking up service account ratify-perf-0/default"),
        status(404, 'namespaces "ratify-perf-0" not found'),
        status(500, 'failed calling webhook "validation.gatekeeper.sh": connection refused'),
    )
    await_enforcement(api.kubeconfig, plan(), "127.0.0.1:5000", 10)
    assert len(api.created) == 5


def test_the_mutating_webhook_alone_is_not_enforcement(api: ApiServer):
    async def mutating(_: web.Request) -> web.Response:
        return status(403, 'admission webhook "mutation.gatekeeper.sh" denied the request: no')

    api.on_create = mutating
    with pytest.raises(DeadlineError, match="mutation.gatekeeper.sh"):
        await_enforcement(api.kubeconfig, plan(), "127.0.0.1:5000", 0.3)


def test_a_pod_that_is_let_in_until_the_deadline(api: ApiServer):
    with pytest.raises(DeadlineError, match=r"After 0\.3 s admission is still not as .*it said: it admitted"):
        await_enforcement(api.kubeconfig, plan(), "127.0.0.1:5000", 0.3)


def test_a_server_that_does_not_answer_does_not_outlast_the_deadline(api: ApiServer):
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.json_response({})

    api.on_create = hang
    began = time.monotonic()
    with pytest.raises(DeadlineError, match="there was no answer"):
        await_enforcement(api.kubeconfig, plan(), "127.0.0.1:5000", 0.3)
    assert time.monotonic() - began < 2


def test_a_server_that_is_not_there():
    with pytest.raises(ClusterError, match="did not answer POST"):
        await_enforcement(kubeconfig("http://127.0.0.1:1"), plan(), "127.0.0.1:5000", 5)


def test_a_denial_because_ratify_could_not_be_asked_is_not_enforcement(api: ApiServer):
    not_asked = (
        'admission webhook "validation.gatekeeper.sh" denied the request: [ratify] Ratify could not be asked: no'
    )
    answers(api, status(403, not_asked))
    await_enforcement(api.kubeconfig, plan(), "127.0.0.1:5000", 5)
    assert len(api.created) == 2


def test_where_tags_become_digests_a_seeded_tag_is_asked_about_until_it_does(api: ApiServer):
    admitted = {"spec": {"containers": [{"image": "127.0.0.1:5000/a@sha256:0"}]}}
    unresolved = status(403, 'admission webhook "mutation.gatekeeper.sh" denied the request: provider not found')
    answers(api, status(403, DENIED), unresolved, web.json_response(admitted, status=201))
    await_enforcement(api.kubeconfig, plan(), "127.0.0.1:5000", 5, mutation=True)
    assert [asked["body"]["spec"]["containers"][0]["image"].count("@") for asked in api.created] == [1, 0, 0]

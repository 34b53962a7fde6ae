from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from aiohttp import web

from csscgen.loading import Request, create
from tests.csscgen.servers import ApiServer, in_background, kubeconfig, plan, status
from workloads.errors import ClusterError
from workloads.ratify.objects import workload_objects

DENIED = 'admission webhook "validation.gatekeeper.sh" denied the request: no'


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


def bodies(count: int, kind: str = "deployment") -> list[dict]:
    return workload_objects(plan(kind=kind, shards=count, replicas=count, namespaces=2), "127.0.0.1:5000")


def ignore(request: Request) -> None:
    pass


@pytest.mark.parametrize(
    ("kind", "path"),
    [("deployment", "/apis/apps/v1/namespaces/{}/deployments"), ("job", "/apis/batch/v1/namespaces/{}/jobs")],
)
def test_every_object_is_created_in_its_namespace(api: ApiServer, kind: str, path: str):
    requests = create(api.kubeconfig, bodies(4, kind), 1000, ignore)
    assert [request.object for request in requests] == [f"{kind}/ratify-perf-{n % 2}/ratify-{n}" for n in range(4)]
    assert {request.status for request in requests} == {"created"}
    assert sorted(made["path"] for made in api.created) == sorted(path.format(f"ratify-perf-{n % 2}") for n in range(4))
    assert requests[3].workload == "ratify-3"


def test_a_slow_server_does_not_lower_the_rate(api: ApiServer):
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.json_response({}, status=201)

    api.on_create = slow
    requests = create(api.kubeconfig, bodies(10), 20, ignore)
    assert requests[-1].intended - requests[0].intended == pytest.approx(9 / 20)
    assert max(request.sent - request.intended for request in requests) < 0.4
    assert requests[-1].sent < requests[0].answered + 0.4
    assert min(request.answered - request.sent for request in requests) >= 0.5


def test_times_are_of_the_clock_on_the_wall(api: ApiServer):
    before = time.time()
    (request,) = create(api.kubeconfig, bodies(1), 1, ignore)
    assert before - 0.01 <= request.intended <= request.sent <= request.answered <= time.time() + 0.01


def test_one_that_is_refused_is_recorded_and_the_others_are_created(api: ApiServer):
    async def refuse_second(request: web.Request) -> web.Response:
        if (await request.json())["metadata"]["name"] == "ratify-1":
            return status(403, DENIED)
        return web.json_response({}, status=201)

    api.on_create = refuse_second
    requests = create(api.kubeconfig, bodies(3), 1000, ignore)
    assert [(request.status, request.message) for request in requests] == [
        ("created", None),
        ("failed", DENIED),
        ("created", None),
    ]
    assert requests[1].record()["object"] == "deployment/ratify-perf-1/ratify-1"


def test_each_is_told_when_it_is_answered(api: ApiServer):
    told: list[tuple[str, float]] = []
    requests = create(api.kubeconfig, bodies(3), 10, lambda request: told.append((request.workload, time.time())))
    assert [name for name, _ in told] == ["ratify-0", "ratify-1", "ratify-2"]
    assert told[0][1] < requests[1].sent


def test_a_server_that_is_not_there_fails_every_one():
    requests = create(kubeconfig("http://127.0.0.1:1"), bodies(2), 1000, ignore)
    assert {request.status for request in requests} == {"failed"}
    assert "did not answer POST" in str(requests[0].message)


def test_a_kubeconfig_that_cannot_be_used():
    with pytest.raises(ClusterError, match="kubeconfig"):
        create("{}", bodies(1), 1, ignore)

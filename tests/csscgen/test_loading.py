from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from csscgen.loading import Request, send
from infra.local.certificates import authority
from tests.csscgen.servers import ApiServer, in_background, kubeconfig, plan, status
from tests.csscgen.test_connections import OK, Server, saying
from workloads.errors import ClusterError
from workloads.ratify.objects import workload_objects
from workloads.schedules import Phase, work_out

DENIED = 'admission webhook "validation.gatekeeper.sh" denied the request: no'


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


def bodies(count: int, kind: str = "deployment") -> list[dict]:
    return workload_objects(plan(kind=kind, shards=count, replicas=count, namespaces=2), "127.0.0.1:5000")


def create(kubeconfig: str, objects: list[dict], *phases: Phase, again: bool = False) -> list[Request]:
    """What became of each request, by when it was due."""
    told: list[Request] = []
    answered = send(kubeconfig, objects, work_out(phases, len(objects)), told.append, again=again)
    assert answered == told
    return sorted(answered, key=lambda request: request.intended or request.sent)


def due(request: Request) -> float:
    assert request.intended is not None
    return request.intended


def at(rate: float) -> Phase:
    return Phase("constant", rate=rate)


@pytest.mark.parametrize(
    ("kind", "path"),
    [("deployment", "/apis/apps/v1/namespaces/{}/deployments"), ("job", "/apis/batch/v1/namespaces/{}/jobs")],
)
def test_every_object_is_created_in_its_namespace(api: ApiServer, kind: str, path: str):
    requests = create(api.kubeconfig, bodies(4, kind), at(1000))
    assert [request.object for request in requests] == [f"{kind}/ratify-perf-{n % 2}/ratify-{n}" for n in range(4)]
    assert {request.status for request in requests} == {"created"}
    assert sorted(made["path"] for made in api.created) == sorted(path.format(f"ratify-perf-{n % 2}") for n in range(4))
    assert requests[3].workload == "ratify-3"


def test_a_slow_server_does_not_lower_the_rate(api: ApiServer):
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.json_response({}, status=201)

    api.on_create = slow
    requests = create(api.kubeconfig, bodies(10), at(20))
    assert due(requests[-1]) - due(requests[0]) == pytest.approx(9 / 20, abs=1e-5)
    assert max(request.sent - due(request) for request in requests) < 0.4
    assert requests[-1].sent < requests[0].answered + 0.4
    assert min(request.answered - request.sent for request in requests) >= 0.5


def test_times_are_of_the_clock_on_the_wall(api: ApiServer):
    before = time.time()
    (request,) = create(api.kubeconfig, bodies(1), at(1))
    assert before - 0.01 <= due(request) <= request.sent <= request.answered <= time.time() + 0.01


def test_one_that_is_refused_is_recorded_and_the_others_are_created(api: ApiServer):
    async def refuse_second(request: web.Request) -> web.Response:
        if (await request.json())["metadata"]["name"] == "ratify-1":
            return status(403, DENIED)
        return web.json_response({}, status=201)

    api.on_create = refuse_second
    requests = create(api.kubeconfig, bodies(3), at(1000))
    assert [(request.status, request.message) for request in requests] == [
        ("created", None),
        ("failed", DENIED),
        ("created", None),
    ]
    assert requests[1].record()["object"] == "deployment/ratify-perf-1/ratify-1"


def test_each_is_told_when_it_is_answered(api: ApiServer):
    told: list[tuple[str, float]] = []
    parts = work_out([at(10)], 3)
    requests = send(api.kubeconfig, bodies(3), parts, lambda request: told.append((request.workload, time.time())))
    assert [name for name, _ in told] == ["ratify-0", "ratify-1", "ratify-2"]
    assert told[0][1] < requests[1].sent


def test_a_server_that_is_not_there_fails_every_one():
    requests = create(kubeconfig("http://127.0.0.1:1"), bodies(2), at(1000))
    assert {request.status for request in requests} == {"failed"}
    assert "did not answer POST" in str(requests[0].message)


def test_a_kubeconfig_that_cannot_be_used():
    with pytest.raises(ClusterError, match="kubeconfig"):
        create("{}", bodies(1), at(1))


def test_an_answer_is_recorded_with_its_status_and_the_request_with_its_size(api: ApiServer):
    (request,) = create(api.kubeconfig, bodies(1), at(1))
    assert (request.phase, request.verb, request.code) == (0, "create", 201)
    assert request.bytes == len(orjson.dumps(bodies(1)[0]))


def test_a_closed_loop_has_so_many_under_way_and_no_more(api: ApiServer):
    busy, most = 0, 0

    async def slow(_: web.Request) -> web.Response:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        await asyncio.sleep(0.1)
        busy -= 1
        return web.json_response({}, status=201)

    api.on_create = slow
    requests = create(api.kubeconfig, bodies(12), Phase("closed", workers=3))
    assert most == 3 and len(api.created) == 12
    assert {request.intended for request in requests} == {None}


def test_a_phase_after_a_closed_loop_begins_when_that_has_ended(api: ApiServer):
    phases = (Phase("closed", workers=1, objects=2), Phase("constant", rate=10, pause=0.2))
    requests = create(api.kubeconfig, bodies(4), *phases)
    loop = [request for request in requests if request.phase == 0]
    later = [request for request in requests if request.phase == 1]
    assert due(later[0]) - max(request.answered for request in loop) >= 0.2
    assert due(later[1]) - due(later[0]) == pytest.approx(0.1, abs=1e-5)  # of epoch seconds a float has no more


def test_churn_deletes_objects_and_creates_them_again_when_they_are_gone(api: ApiServer):
    refusals = 2

    async def gone_later(_: web.Request) -> web.Response:
        nonlocal refusals
        if api.deleted and refusals:
            refusals -= 1
            return status(409, "object is being deleted")
        return web.json_response({}, status=201)

    api.on_create = gone_later
    requests = create(api.kubeconfig, bodies(4), Phase("burst", size=4, every=0.1), Phase("churn", share=0.5, rate=50))
    churn = [(request.verb, request.status, request.intended is None) for request in requests if request.phase == 1]
    assert sorted(churn) == [("delete", "deleted", False)] * 2 + [("recreate", "created", True)] * 2
    assert len(api.deleted) == 2 and len(api.created) == 4 + 2 + 2
    names = {request.object for request in requests if request.phase == 1}
    assert {path.rpartition("/")[2] for path in api.deleted} == {name.rpartition("/")[2] for name in names}


def test_what_cannot_be_deleted_is_not_created_again(api: ApiServer):
    async def refuse(_: web.Request) -> web.Response:
        return status(403, DENIED)

    api.on_delete = refuse
    requests = create(api.kubeconfig, bodies(1), Phase("burst", size=1, every=0.1), Phase("churn", share=1, rate=50))
    assert [(request.verb, request.status, request.code) for request in requests] == [
        ("create", "created", 201),
        ("delete", "failed", 403),
    ]


def test_one_that_may_have_been_sent_before_is_created_if_it_is_there(api: ApiServer):
    async def there(_: web.Request) -> web.Response:
        return status(409, "already exists")

    api.on_create = there
    (request,) = create(api.kubeconfig, bodies(1), at(1), again=True)
    assert (request.status, request.message, request.code) == ("created", None, 409)
    (request,) = create(api.kubeconfig, bodies(1), at(1))
    assert (request.status, request.message) == ("failed", "already exists")


def test_the_token_goes_along_and_the_path_of_a_proxy(api: ApiServer):
    tokens: list[str | None] = []

    async def look(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("authorization"))
        return web.json_response({}, status=201)

    api.on_create = look
    create(kubeconfig(f"{api.url}/k8s/clusters/c-1", "s3cret"), bodies(1), at(1))
    assert api.created[0]["path"] == "/k8s/clusters/c-1/apis/apps/v1/namespaces/ratify-perf-0/deployments"
    assert tokens == ["Bearer s3cret"]


def test_the_client_certificate_of_a_kubeconfig_is_shown_and_its_authority_trusted(tmp_path: Path):
    root = authority("a test")
    served, shown = tmp_path / "server.pem", tmp_path / "client.pem"
    served.write_text("".join(root.issue("localhost")))
    shown.write_text("".join(root.issue("admin")))
    (tmp_path / "ca.pem").write_text(root.cert_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(served)
    context.verify_mode = ssl.CERT_REQUIRED
    with in_background(Server(saying(OK, OK), context)) as server:
        document = json.loads(kubeconfig(f"https://localhost:{server.port}"))
        document["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "ca.pem")
        document["users"][0]["user"] = {"client-certificate": str(shown), "client-key": str(shown)}
        requests = create(json.dumps(document), bodies(2), Phase("closed", workers=1))
    assert [(request.status, request.code) for request in requests] == [("created", 200)] * 2

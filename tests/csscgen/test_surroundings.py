from __future__ import annotations

from collections.abc import Iterator

import pytest

from csscgen.surroundings import LEASES, look
from tests.csscgen.servers import ApiServer, in_background, kubeconfig, status, text
from workloads.errors import ClusterError

NODES = "/api/v1/nodes"


def thing(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "uid": name}}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        server.pages = {"/version": text('{"gitVersion": "v1.33.2"}'), "/metrics": text("x 1\n" * 100_000)}
        server.items[NODES] = [thing(f"node-{number}") for number in range(3)]
        server.items[LEASES] = [thing("apiserver-a")]
        yield server


def test_a_cluster_says_what_it_is(api: ApiServer):
    around = look(api.kubeconfig)
    assert around.record() == {"version": "v1.33.2", "nodes": 3}
    assert (around.servers, around.unread) == (1, None)


def test_a_page_of_one_of_several_api_servers_is_not_taken_for_all(api: ApiServer):
    api.items[LEASES] = [thing("apiserver-a"), thing("apiserver-b")]
    assert "2 API servers behind one address" in (look(api.kubeconfig).unread or "")
    assert "/metrics" not in api.asked


def test_metrics_that_are_forbidden_are_told(api: ApiServer):
    api.pages["/metrics"] = text('{"message": "forbidden: User cannot get path /metrics"}', 403)
    assert look(api.kubeconfig).unread == (
        "The API server answers /metrics with 403: forbidden: User cannot get path /metrics."
    )


def test_what_a_cluster_does_not_tell_is_not_known(api: ApiServer):
    api.pages["/version"] = text("{}", 403)
    api.faults[NODES] = [status(403, "nodes is forbidden")]
    assert look(api.kubeconfig).record() == {"version": None, "nodes": None}


def test_whether_a_page_is_all_there_is_has_to_be_known(api: ApiServer):
    api.faults[LEASES] = [status(403, "leases is forbidden")]
    around = look(api.kubeconfig)
    assert around.servers is None
    assert around.unread is not None and around.unread.endswith("are not told (leases is forbidden).")
    api.items[LEASES] = []  # servers that take none, as those before Kubernetes 1.26
    assert (look(api.kubeconfig).servers, look(api.kubeconfig).unread) == (0, None)


def test_a_cluster_that_does_not_answer_is_an_error():
    with pytest.raises(ClusterError, match="did not answer GET /version"):
        look(kubeconfig("http://127.0.0.1:1"))

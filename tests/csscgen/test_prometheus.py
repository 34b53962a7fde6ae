from __future__ import annotations

from collections.abc import Iterator

import pytest

from csscgen.collecting import counted
from csscgen.prometheus import Prometheus
from tests.csscgen.prometheuses import FakePrometheus
from tests.csscgen.servers import ApiServer, in_background, kubeconfig, text
from workloads.errors import CollectError

SERVICE = {"namespace": "monitoring", "name": "prometheus", "port": 9090.0}
PROXY = "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy"


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


def test_a_prometheus_in_the_cluster_is_asked_through_the_service_proxy_with_the_kubeconfigs_login(api: ApiServer):
    fake = FakePrometheus()
    fake.knows("x_total", [(100, 1), (110, 4)], pod="a")
    fake.knows("x_total", [(100, 2), (110, 3)], pod="b")
    api.pages[f"{PROXY}/api/v1/query"] = fake.answer
    there = Prometheus.of({"kubeconfig": kubeconfig(api.url, "secret-token"), "prometheusService": SERVICE})
    assert there is not None
    assert there.total("x_total", 110) == 7
    assert there.total("y_total", 110) is None
    assert api.headers[-1]["Authorization"] == "Bearer secret-token"
    assert there.url == f"{api.url}{PROXY}"


def test_one_with_a_url_is_asked_there_and_one_that_is_nowhere_is_none(api: ApiServer):
    there = Prometheus.of({"prometheus": f"{api.url}/prom/"})
    assert there is not None and there.url == f"{api.url}/prom"
    assert Prometheus.of({}) is None


def test_raw_samples_are_had_once_each_at_the_instants_of_their_scrapes(api: ApiServer, monkeypatch):
    monkeypatch.setattr("csscgen.prometheus.LONGEST_STRETCH", 10.0)
    fake = FakePrometheus()
    points = [(100.0 + 2 * number, float(number)) for number in range(20)]
    fake.knows("x", points, pod="a")
    api.pages["/api/v1/query"] = fake.answer
    found = list(Prometheus(api.url).raw('{pod="a",__name__=~"x|y"}', 99, 131))
    assert [point for one in found for point in one.points] == points[:16]
    assert {(one.metric, str(one.labels)) for one in found} == {("x", "{'pod': 'a'}")}
    assert len(fake.queries) == 4


def test_a_prometheus_that_refuses_is_told(api: ApiServer):
    api.pages["/api/v1/query"] = text("services is forbidden", 403)
    with pytest.raises(CollectError, match=f"Prometheus at {api.url} did not answer: HTTP Status Code 403"):
        Prometheus(api.url).total("x", 1)


def test_how_far_counters_went_is_the_difference_at_the_windows_ends(api: ApiServer):
    fake = FakePrometheus()
    fake.knows("ratify_verification_request_millisecond_count", [(90, 2), (121, 9)])
    fake.knows("gatekeeper_validation_request_count_total", [(121, 4)])
    api.pages["/api/v1/query"] = fake.answer
    assert counted(Prometheus(api.url), {"start": 100, "end": 120}, 2) == {
        "url": api.url,
        "verification_requests": 7,
        "gatekeeper_validations": 4,
        "apiserver_requests": None,
    }

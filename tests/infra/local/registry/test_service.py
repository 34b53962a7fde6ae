from __future__ import annotations

import pytest

from infra.local.registry.service import Registry
from tests.infra.local.registry.helpers import Client, code, digest, header
from workloads.registries import CATEGORIES, SIZE_NAMES, Limit, RegistrySize, sizes

SUBJECT = digest(b"subject")
REFERRERS = f"/v2/app/referrers/{SUBJECT}"


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def registry(clock: Clock, **limits: int) -> Client:
    """A client of a registry with these limits; every other category has one that nobody reaches."""
    of = {category: Limit(limits.get(category, 1000)) for category in CATEGORIES}
    return Client(Registry(RegistrySize("XS", of), "eastus2", clock))


def metrics(client: Client) -> dict[str, float]:
    answer = client.ask("GET", "/metrics")
    assert answer.status == 200
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.parametrize(
    ("method", "path", "categories"),
    [
        ("GET", "/v2/", {"read"}),
        ("HEAD", "/v2/app/manifests/v1", {"read"}),
        ("GET", "/v2/referrers/app/manifests/v1", {"read"}),
        ("GET", "/nowhere", {"read"}),
        ("GET", "/v2/_catalog", {"read"}),
        ("PUT", "/v2/app/manifests/v1", {"write"}),
        ("PATCH", "/v2/app/blobs/uploads/1", {"write"}),
        ("POST", "/v2/app/blobs/uploads/", {"write"}),
        ("DELETE", "/v2/app/manifests/v1", {"delete"}),
        ("GET", REFERRERS, {"list_referrers", "read"}),
        ("POST", "/oauth2/token", {"oauth"}),
    ],
)
def test_a_request_is_charged_to_its_categories_and_to_no_other(clock, method, path, categories):
    for category in CATEGORIES:
        client = registry(clock, **{category: 2})
        refused = [client.ask(method, path).status == 429 for _ in range(3)]
        assert refused == [False, False, category in categories], category


def test_429_says_when_to_come_back_and_means_it(clock):
    client = registry(clock, read=20)
    for _ in range(20):
        assert client.ask("GET", "/v2/").status == 200
    answer = client.ask("GET", "/v2/")
    assert (answer.status, code(answer)) == (429, "TOOMANYREQUESTS")
    assert header(answer, "retry-after") == "60"
    clock.now += 1_500_000_000
    assert header(client.ask("GET", "/v2/"), "retry-after") == "59"  # it counts down
    clock.now += 2_000_000_000
    assert client.ask("GET", "/v2/").status == 200  # and a token is a token


def test_refused_referrers_leave_the_reads_alone(clock):
    client = registry(clock, read=3, list_referrers=1)
    assert [client.ask("GET", REFERRERS).status for _ in range(5)] == [200, 429, 429, 429, 429]
    assert [client.ask("GET", "/v2/").status for _ in range(3)] == [200, 200, 429]


def test_a_refused_push_stores_nothing(clock):
    client = registry(clock, write=1)
    client.ask("POST", "/v2/app/blobs/uploads/")
    path = f"/v2/app/blobs/uploads/?digest={SUBJECT}"
    assert client.ask("POST", path, b"subject").status == 429
    assert client.ask("HEAD", f"/v2/app/blobs/{SUBJECT}").status == 404


def test_metrics_count_answers_by_category_and_status(clock):
    client = registry(clock, read=2)
    for method, path in (
        ("GET", "/v2/"),
        ("POST", "/v2/app/blobs/uploads/"),
        ("GET", REFERRERS),
        ("GET", "/v2/"),
    ):
        client.ask(method, path)
    figures = metrics(client)
    assert {k: v for k, v in figures.items() if k.startswith("registry_requests_total")} == {
        'registry_requests_total{category="read",status="200"}': 1,
        'registry_requests_total{category="read",status="429"}': 1,
        'registry_requests_total{category="write",status="202"}': 1,
        'registry_requests_total{category="list_referrers",status="200"}': 1,
    }
    assert figures['registry_info{region="eastus2",size="XS"}'] == 1
    assert figures["process_cpu_seconds_total"] > 0
    assert figures["process_resident_memory_bytes"] > 10e6


def test_metrics_show_the_level_of_each_bucket(clock):
    client = registry(clock, read=60, write=30, list_referrers=10, delete=5, oauth=5)
    client.ask("GET", REFERRERS)
    client.ask("POST", "/v2/app/blobs/uploads/")
    clock.now += 500_000_000
    levels = {k: v for k, v in metrics(client).items() if k.startswith("registry_bucket")}
    assert levels == {
        'registry_bucket_tokens{category="read"}': 59.5,
        'registry_bucket_tokens{category="write"}': 29.25,
        'registry_bucket_tokens{category="delete"}': 5,
        'registry_bucket_tokens{category="oauth"}': 5,
        'registry_bucket_tokens{category="list_referrers"}': pytest.approx(9 + 1 / 12),
    }


def test_metrics_are_neither_charged_nor_counted(clock):
    client = registry(clock)
    first = metrics(client)
    for _ in range(5):
        last = metrics(client)
    assert not any(name.startswith("registry_requests_total") for name in last)
    assert last['registry_bucket_tokens{category="read"}'] == first['registry_bucket_tokens{category="read"}']


@pytest.mark.parametrize("name", SIZE_NAMES)
def test_every_size_admits_what_it_says(clock, name):
    size = sizes()[name]
    client = Client(Registry(size, "eastus2", clock))
    for _ in range(size.limits["list_referrers"].registry):
        assert client.ask("GET", REFERRERS).status == 200
    assert client.ask("GET", REFERRERS).status == 429
    assert client.ask("GET", "/v2/").status == 200


def test_an_outage_refuses_everything_but_the_metrics_and_ends(clock):
    client = registry(clock)
    client.registry.outage(True)
    for path in ("/v2/", REFERRERS, "/oauth2/token", "/nowhere"):
        answer = client.ask("GET", path)
        assert (answer.status, code(answer)) == (503, "UNAVAILABLE")
    assert metrics(client)['registry_requests_total{category="read",status="503"}'] == 2
    client.registry.outage(False)
    assert client.ask("GET", "/v2/").status == 200
    assert metrics(client)['registry_bucket_tokens{category="read"}'] == 999  # what it refused cost nothing

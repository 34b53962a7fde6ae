from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.buckets import retry_after
from infra.local.registry.throttle import Throttle
from tests.infra.local.registry.helpers import Client, code, digest, unhurried
from tests.infra.local.registry.logins import PULL, PUSH, TEAM, registry, token
from workloads.registries import CATEGORIES, Category, Limit, RegistrySize

SECOND = 10**9
REFERRERS = f"/v2/app/referrers/{digest(b'subject')}"


def size(charge_challenges: bool = False, **limits: tuple[int, int | None]) -> RegistrySize:
    """Limits by category, for the registry and for an identity; nobody reaches those that are not given."""
    of = {category: Limit(*limits.get(category, (1000, None))) for category in CATEGORIES}
    return RegistrySize("XS", of, charge_challenges)


def metrics(client: Client) -> dict[str, float]:
    lines = [line for line in client.ask("GET", "/metrics").body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def client_of(limits: RegistrySize) -> Client:
    return Client(registry(size=limits, clock=lambda: 0, anonymous=True))


def test_an_identity_has_a_bucket_of_its_own_within_the_registrys():
    client = client_of(size(read=(5, 2)))
    asked = {who.name: token(client, who, "repository:app:pull") for who in (PUSH, PULL, TEAM)}
    statuses = [client.ask("GET", "/v2/", authorization=asked["pull"]).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    statuses = [client.ask("GET", "/v2/", authorization=asked["push"]).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    statuses = [client.ask("GET", "/v2/", authorization=asked["team"]).status for _ in range(3)]
    assert statuses == [200, 429, 429]  # the registry's are used up before its own
    figures = metrics(client)
    assert figures['registry_refusals_total{bucket="pull",category="read"}'] == 1
    assert figures['registry_refusals_total{bucket="registry",category="read"}'] == 2
    assert figures['registry_identity_bucket_tokens{identity="team",category="read"}'] == 1
    assert figures['registry_bucket_tokens{category="read"}'] == 0


def test_listing_referrers_is_charged_to_four_buckets():
    client = client_of(size(read=(9, 9), list_referrers=(9, 9)))
    client.ask("GET", REFERRERS, authorization=token(client, PULL, "repository:app:pull"))
    figures = metrics(client)
    for category in ("read", "list_referrers"):
        assert figures[f'registry_bucket_tokens{{category="{category}"}}'] == 8
        assert figures[f'registry_identity_bucket_tokens{{identity="pull",category="{category}"}}'] == 8


def test_all_without_a_login_are_one_identity():
    client = client_of(size(read=(9, 2)))
    statuses = [
        client.ask("GET", "/v2/", authorization=token(client, None, f"repository:app{n}:pull")).status for n in range(3)
    ]
    assert statuses == [200, 200, 429]


def test_tokens_are_charged_to_the_registry_only():
    client = client_of(size(oauth=(3, None)))
    for _ in range(3):
        token(client, PULL)
    answer = client.ask("GET", "/oauth2/token")
    assert (answer.status, code(answer)) == (429, "TOOMANYREQUESTS")


@pytest.mark.parametrize(("charged", "level"), [(False, 9), (True, 8)])
def test_whether_a_challenge_is_charged_is_the_profiles_business(charged, level):
    client = client_of(size(charged, read=(9, 9)))
    assert client.ask("GET", "/v2/").status == 401
    client.ask("GET", "/v2/", authorization=token(client, PULL))
    figures = metrics(client)
    assert figures['registry_bucket_tokens{category="read"}'] == level - 1
    assert figures['registry_identity_bucket_tokens{identity="pull",category="read"}'] == 8


requests = st.lists(
    st.tuples(st.integers(0, 20 * SECOND), st.sampled_from(CATEGORIES), st.sampled_from(["a", "b", None])), max_size=60
)


@unhurried
@given(st.integers(1, 20), st.integers(1, 20), requests)
def test_whoever_waits_as_told_is_admitted_if_nobody_else_asks(of_registry, of_identity, asked):
    limits: dict[Category, Limit] = {category: Limit(of_registry, of_identity) for category in CATEGORIES}
    throttle = Throttle(RegistrySize("XS", limits), ["a", "b"], 0)
    now = 0
    for gap, category, identity in asked:
        now += gap
        if wait := throttle.debit(category, identity, now):
            now += retry_after(wait) * SECOND
            assert throttle.debit(category, identity, now) == 0


@unhurried
@given(st.integers(1, 20), st.integers(1, 20), requests)
def test_a_request_debits_all_of_its_buckets_or_none(of_registry, of_identity, asked):
    limits: dict[Category, Limit] = {category: Limit(of_registry, of_identity) for category in CATEGORIES}
    throttle = Throttle(RegistrySize("XS", limits), ["a", "b"], 0)
    every = [(None, throttle.registry), *throttle.identities.items()]

    def levels(now: int) -> dict[tuple[str | None, Category], float]:
        return {(who, c): bucket.refill(now) for who, buckets in every for c, bucket in buckets.items()}

    for now, (_, category, identity) in zip(accumulate(gap for gap, _, _ in asked), asked, strict=True):
        before = levels(now)
        admitted = throttle.debit(category, identity, now) == 0
        changed = {key for key, level in levels(now).items() if level != before[key]}
        categories = {category} | ({"read"} if category == "list_referrers" else set())
        charged = {(who, c) for who in {None, identity} for c in categories}
        assert changed == (charged if admitted else set())

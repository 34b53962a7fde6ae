from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.oauth import REFRESH_USER
from infra.local.registry.tokens import REFRESH_SECONDS, REMEMBERED
from tests.infra.local.registry.helpers import Client, code, digest, header, unhurried
from tests.infra.local.registry.logins import (
    HOST,
    PULL,
    PUSH,
    TEAM,
    Wall,
    ask_token,
    basic,
    challenge,
    post,
    registry,
    token,
)

ABSENT = digest(b"absent")


@pytest.fixture
def client() -> Client:
    return Client(registry())


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v2/", None),
        ("GET", "/v2/team/app/manifests/v1", "repository:team/app:pull"),
        ("HEAD", f"/v2/app/blobs/{ABSENT}", "repository:app:pull"),
        ("GET", f"/v2/app/referrers/{ABSENT}", "repository:app:pull"),
        ("GET", "/v2/app/tags/list", "repository:app:metadata_read"),
        ("PUT", "/v2/app/manifests/v1", "repository:app:pull,push"),
        ("POST", "/v2/app/blobs/uploads/", "repository:app:pull,push"),
        ("PATCH", "/v2/app/blobs/uploads/1", "repository:app:pull,push"),
        ("DELETE", "/v2/app/blobs/uploads/1", "repository:app:pull,push"),
        ("GET", "/v2/app/blobs/uploads/1", "repository:app:pull,push"),
        ("DELETE", "/v2/app/manifests/v1", "repository:app:delete"),
        ("DELETE", f"/v2/app/blobs/{ABSENT}", "repository:app:delete"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
        (
            "POST",
            f"/v2/app/blobs/uploads/?mount={ABSENT}&from=base",
            "repository:app:pull,push repository:base:pull",
        ),
        ("GET", "/v2/no/such/path", None),
        ("GET", "/v2/BAD/manifests/v1", None),
    ],
)
def test_a_request_without_a_token_is_told_where_to_get_which(client, method, path, scope):
    answer = client.ask(method, path)
    assert code(answer) == "UNAUTHORIZED"
    expected = {"realm": f"http://{HOST}/oauth2/token", "service": HOST}
    assert challenge(answer) == (expected | ({"scope": scope} if scope else {}))


@pytest.mark.parametrize(
    "authorization",
    ["Bearer nonsense", "Bearer a.b.c", "Bearer ", "Bearer é.ü.ß", basic("push", "push-secret"), "Digest x", "x"],
)
def test_what_is_no_token_is_told_so(client, authorization):
    answer = client.ask("GET", "/v2/", authorization=authorization)
    assert challenge(answer)["error"] == "invalid_token"


def test_what_a_challenge_asks_for_is_enough(client):
    answer = client.ask("POST", "/v2/app/blobs/uploads/")
    authorization = token(client, PUSH, challenge(answer)["scope"])
    assert client.ask("POST", "/v2/app/blobs/uploads/", authorization=authorization).status == 202
    assert client.ask("GET", "/v2/", authorization=authorization).status == 200


def test_a_token_is_good_for_what_it_says_and_for_nothing_else(client):
    authorization = token(client, PUSH, "repository:app:pull", "repository:other:push")
    assert client.ask("GET", "/v2/app/manifests/v1", authorization=authorization).status == 404
    for method, path, wanted in (
        ("PUT", "/v2/app/manifests/v1", "repository:app:pull,push"),
        ("GET", "/v2/other/manifests/v1", "repository:other:pull"),
        ("DELETE", "/v2/app/manifests/v1", "repository:app:delete"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
    ):
        told = challenge(client.ask(method, path, authorization=authorization))
        assert (told["error"], told["scope"]) == ("insufficient_scope", wanted)


@pytest.mark.parametrize(
    ("identity", "method", "path"),
    [
        (PULL, "PUT", "/v2/app/manifests/v1"),
        (PULL, "DELETE", "/v2/app/manifests/v1"),
        (PULL, "GET", "/v2/_catalog"),
        (TEAM, "GET", "/v2/app/manifests/v1"),
        (TEAM, "DELETE", "/v2/team/app/manifests/v1"),
    ],
)
def test_what_an_identity_may_never_do_is_denied(client, identity, method, path):
    scopes = [f"repository:{name}:*" for name in ("app", "team/app")]
    answer = client.ask(method, path, authorization=token(client, identity, *scopes, "registry:catalog:*"))
    assert (answer.status, code(answer)) == (403, "DENIED")


def test_an_identity_may_what_its_pattern_says(client):
    authorization = token(client, TEAM, "repository:team/app:pull,push")
    assert client.ask("POST", "/v2/team/app/blobs/uploads/", authorization=authorization).status == 202


def test_a_mount_needs_to_pull_from_the_source(client):
    full = token(client, PUSH, "repository:base:*", "repository:team/app:*")
    post_blob = f"/v2/base/blobs/uploads/?digest={digest(b'abc')}"
    assert client.ask("POST", post_blob, b"abc", authorization=full).status == 201
    mount = f"/v2/team/app/blobs/uploads/?mount={digest(b'abc')}&from=base"
    only_target = token(client, PUSH, "repository:team/app:pull,push")
    assert challenge(client.ask("POST", mount, authorization=only_target))["scope"].endswith(" repository:base:pull")
    of_team = token(client, TEAM, "repository:team/app:pull,push")
    assert client.ask("POST", mount, authorization=of_team).status == 202  # an upload, as if the blob were not there
    assert client.ask("POST", mount, authorization=full).status == 201


def test_a_token_expires():
    wall = Wall()
    client = Client(registry(seconds=60, wall=wall))
    answer = ask_token(client, basic("pull", "pull-secret"), "repository:app:pull")
    assert json.loads(answer.body)["expires_in"] == 60
    authorization = "Bearer " + json.loads(answer.body)["access_token"]
    wall.now += 59
    assert client.ask("GET", "/v2/", authorization=authorization).status == 200
    wall.now += 1
    assert challenge(client.ask("GET", "/v2/", authorization=authorization))["error"] == "invalid_token"


def test_a_token_of_another_registry_or_of_an_earlier_process_is_none(client):
    authorization = token(Client(registry()), PUSH, "repository:app:pull")
    assert client.ask("GET", "/v2/", authorization=authorization).status == 401


def test_a_forgotten_token_is_read_from_its_signature(client):
    authorization = token(client, PUSH, "repository:app:pull")
    for _ in range(REMEMBERED):
        client.registry.access._tokens.access_token("pull", {})
    assert client.ask("GET", "/v2/app/manifests/v1", authorization=authorization).status == 404
    assert challenge(client.ask("PUT", "/v2/app/manifests/v1", authorization=authorization))


@unhurried
@given(st.data())
def test_a_token_that_was_changed_is_none(data):
    client = Client(registry())
    head, body, signature = token(client, PULL, "repository:app:pull").removeprefix("Bearer ").split(".")
    claims = json.loads(urlsafe_b64decode(body + "=="))
    claims["access"] = [{"type": "repository", "name": "app", "actions": ["pull", "push"]}]
    forged = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    place = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.sampled_from("abcXYZ019-_").filter(lambda letter: letter != body[place]))
    for changed in (forged, body[:place] + other + body[place + 1 :]):
        answer = client.ask("GET", "/v2/", authorization=f"Bearer {head}.{changed}.{signature}")
        assert answer.status == 401


def test_refresh_tokens_log_in_by_both_ways(client):
    exchanged = post(client, "/oauth2/exchange", grant_type="access_token", service=HOST, access_token="entra-1")
    refresh = json.loads(exchanged.body)["refresh_token"]
    by_get = ask_token(client, basic(REFRESH_USER, refresh), "repository:app:push")
    by_post = post(
        client,
        "/oauth2/token",
        grant_type="refresh_token",
        service=HOST,
        scope="repository:app:push",
        refresh_token=refresh,
    )
    for answer in (by_get, by_post):
        authorization = "Bearer " + json.loads(answer.body)["access_token"]
        assert client.ask("POST", "/v2/app/blobs/uploads/", authorization=authorization).status == 202
    assert client.ask("GET", "/v2/", authorization=f"Bearer {refresh}").status == 401  # it is no access token


def test_a_refresh_token_expires():
    wall = Wall()
    client = Client(registry(wall=wall))
    answer = post(client, "/oauth2/exchange", grant_type="access_token", service=HOST, access_token="entra-1")
    refresh = json.loads(answer.body)["refresh_token"]
    wall.now += REFRESH_SECONDS
    assert ask_token(client, basic(REFRESH_USER, refresh)).status == 401


def test_a_password_may_be_posted_and_be_turned_into_a_refresh_token(client):
    form = {"grant_type": "password", "service": HOST, "username": "pull", "password": "pull-secret"}
    answer = json.loads(post(client, "/oauth2/token", **form, access_type="offline").body)
    assert ask_token(client, basic(REFRESH_USER, answer["refresh_token"])).status == 200
    assert "refresh_token" not in json.loads(post(client, "/oauth2/token", **form).body)


@pytest.mark.parametrize(
    ("authorization", "scope"),
    [
        (None, "repository:app:pull"),
        (basic("pull", "push-secret"), "repository:app:pull"),
        (basic("nobody", "x"), "repository:app:pull"),
        (basic("pull", ""), "repository:app:pull"),
        (basic(REFRESH_USER, "nonsense"), "repository:app:pull"),
        ("Basic ÿ", "repository:app:pull"),
        ("Basic", "repository:app:pull"),
        ("Bearer x", "repository:app:pull"),
    ],
)
def test_a_login_that_is_none_gets_no_token(client, authorization, scope):
    answer = ask_token(client, authorization, scope)
    assert (answer.status, code(answer)) == (401, "UNAUTHORIZED")


def test_an_identity_without_an_entra_token_is_not_found_by_an_empty_one(client):
    answer = post(client, "/oauth2/exchange", grant_type="access_token", service=HOST)
    assert (answer.status, code(answer)) == (401, "UNAUTHORIZED")


def test_anonymous_pull_is_a_token_without_a_login():
    client = Client(registry(anonymous=True))
    assert client.ask("GET", "/v2/").status == 401
    authorization = token(client, None, "repository:app:pull,push")
    assert client.ask("GET", "/v2/app/manifests/v1", authorization=authorization).status == 404
    assert client.ask("POST", "/v2/app/blobs/uploads/", authorization=authorization).status == 403


def test_tokens_are_counted(client):
    token(client, PULL)
    post(client, "/oauth2/exchange", grant_type="access_token", service=HOST, access_token="entra-1")
    page = client.ask("GET", "/metrics").body.decode()
    assert 'registry_tokens_issued_total{kind="access_token"} 1\n' in page
    assert 'registry_tokens_issued_total{kind="refresh_token"} 1\n' in page
    assert 'registry_requests_total{category="oauth",status="200"} 2\n' in page


def test_what_is_outside_of_the_api_is_not_there_for_anybody(client):
    answer = client.ask("GET", "/nowhere")
    assert (answer.status, code(answer)) == (404, "UNSUPPORTED")


def test_no_secret_is_in_what_an_identity_or_a_page_shows(client):
    token(client, PUSH, "repository:app:push")
    shown = repr(PUSH) + client.ask("GET", "/metrics").body.decode()
    assert "push-secret" not in shown and "entra-1" not in shown


def test_token_answers_must_not_be_stored(client):
    answer = ask_token(client, basic("pull", "pull-secret"))
    assert header(answer, "cache-control") == "no-store"

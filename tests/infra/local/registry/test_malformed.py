"""Requests that are wrong: each gets the specification's error, and none of them an error of ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.blobs import DataEndpoint
from infra.local.registry.protocol import CODES, Answer, Request
from infra.local.registry.storage import MANIFEST_LIMIT, Storage
from tests.infra.local.registry.helpers import EMPTY, IMAGE, INDEX, Client, code, descriptor, digest, image, unhurried
from tests.infra.local.registry.logins import HOST, PUSH, ask_token, basic, post, registry, token

HERE, ABSENT = digest(b"layer"), digest(b"absent")
MANIFEST = "/v2/app/manifests/v1"
UPLOADS = "/v2/app/blobs/uploads/"
CONFIG = descriptor(b"{}", EMPTY)
DEEP = b'{"a":' * 2000 + b"1" + b"}" * 2000


class Authorized(Client):
    """A client that may do everything, and sends its token with each request that has no other."""

    authorization = ""

    def ask(self, method: str, url: str, body: bytes = b"", **headers: str) -> Answer:
        return super().ask(method, url, body, **({"authorization": self.authorization} | headers))


@pytest.fixture(scope="module")
def client() -> Authorized:
    """A client of a registry with the blobs of an image."""
    client = Authorized(registry())
    scopes = ["repository:app:*", "repository:none:*", "registry:catalog:*"]
    client.authorization = token(client, PUSH, *scopes)
    for blob in (b"{}", b"layer"):
        assert client.ask("POST", f"{UPLOADS}?digest={digest(blob)}", blob).status == 201
    return client


def document(**fields: object) -> bytes:
    return image(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "MANIFEST_INVALID"),
        (b"not JSON", "MANIFEST_INVALID"),
        (b'{"schemaVersion": 2', "MANIFEST_INVALID"),
        (b"\xff\xfe{}", "MANIFEST_INVALID"),
        (b'{"a": "\\ud800"}', "MANIFEST_INVALID"),
        (b"[]", "MANIFEST_INVALID"),
        (b"null", "MANIFEST_INVALID"),
        (b"NaN", "MANIFEST_INVALID"),
        (DEEP, "MANIFEST_INVALID"),
        (document(mediaType=INDEX), "MANIFEST_INVALID"),
        (document(layers={}), "MANIFEST_INVALID"),
        (document(layers=["x"]), "MANIFEST_INVALID"),
        (document(config=[]), "MANIFEST_INVALID"),
        (document(config={"digest": 5}), "DIGEST_INVALID"),
        (document(layers=[{"digest": "sha256:short"}]), "DIGEST_INVALID"),
        (document(layers=[{"digest": "md5:" + "0" * 32}]), "DIGEST_INVALID"),
        (document(layers=[{"digest": ABSENT}]), "MANIFEST_BLOB_UNKNOWN"),
        (document(manifests=[{"digest": ABSENT}]), "MANIFEST_BLOB_UNKNOWN"),
        (document(manifests="all"), "MANIFEST_INVALID"),
        (document(subject="sha256"), "MANIFEST_INVALID"),
        (document(subject={}), "DIGEST_INVALID"),
        (document(subject={"digest": HERE}, artifactType=7), "MANIFEST_INVALID"),
        (document(subject={"digest": HERE}, annotations=[1]), "MANIFEST_INVALID"),
        (document(subject={"digest": HERE}, annotations={"a": {"b": 1}}), "MANIFEST_INVALID"),
        (b" " * (MANIFEST_LIMIT + 1), "SIZE_INVALID"),
    ],
)
def test_bad_manifests(client, body, expected):
    answer = client.ask("PUT", MANIFEST, body, content_type=IMAGE)
    assert (code(answer), answer.status) == (expected, CODES[expected][0])
    assert client.ask("HEAD", MANIFEST).status == 404


@pytest.mark.parametrize("media_type", ["", "text", "a/b/c", "application/", "é/é"])
def test_bad_media_types(client, media_type):
    body = json.dumps({"config": CONFIG, "layers": []}).encode()
    assert code(client.ask("PUT", MANIFEST, body, content_type=media_type)) == "MANIFEST_INVALID"


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("PUT", f"/v2/app/manifests/{ABSENT}", image(), "DIGEST_INVALID"),
        ("PUT", "/v2/app/manifests/sha256:short", image(), "DIGEST_INVALID"),
        ("PUT", "/v2/app/manifests/md5:1", image(), "DIGEST_INVALID"),
        ("PUT", "/v2/app/manifests/.dot", image(), "MANIFEST_INVALID"),
        ("PUT", f"/v2/app/manifests/{'t' * 129}", image(), "MANIFEST_INVALID"),
        ("GET", "/v2/app/manifests/sha256:short", b"", "MANIFEST_UNKNOWN"),
        ("GET", "/v2/app/blobs/nonsense", b"", "DIGEST_INVALID"),
        ("GET", "/v2/app/referrers/nonsense", b"", "DIGEST_INVALID"),
        ("GET", "/v2/app/tags/list?n=x", b"", "PAGINATION_NUMBER_INVALID"),
        ("GET", "/v2/app/tags/list?n=-1", b"", "PAGINATION_NUMBER_INVALID"),
        ("GET", "/v2/_catalog?n=1e3", b"", "PAGINATION_NUMBER_INVALID"),
        ("GET", f"/v2/app/referrers/{HERE}?n=99999999999", b"", "PAGINATION_NUMBER_INVALID"),
        ("POST", f"{UPLOADS}?digest={ABSENT}", b"other", "DIGEST_INVALID"),
        ("POST", f"{UPLOADS}?digest=sha256", b"other", "DIGEST_INVALID"),
        ("POST", f"{UPLOADS}1", b"", "UNSUPPORTED"),
        ("PATCH", f"{UPLOADS}none", b"", "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", f"{UPLOADS}none?digest={HERE}", b"", "BLOB_UPLOAD_UNKNOWN"),
        ("DELETE", f"{UPLOADS}none", b"", "BLOB_UPLOAD_UNKNOWN"),
        ("GET", "/v2/none/manifests/v1", b"", "NAME_UNKNOWN"),
        ("TRACE", "/v2/", b"", "UNSUPPORTED"),
        ("GET", "/v2/../etc", b"", "UNSUPPORTED"),
    ],
)
def test_bad_references_and_parameters(client, method, path, body, expected):
    answer = client.ask(method, path, body, content_type=IMAGE)
    assert code(answer) == expected
    assert answer.status < 500


@pytest.mark.parametrize("content_range", ["5-4", "1-3", "0-9", "bytes 0-2", "0-", "-2", "x", "0-99999999999999999999"])
def test_bad_ranges_of_an_upload(client, content_range):
    location = dict(client.ask("POST", UPLOADS).headers)[b"location"].decode()
    answer = client.ask("PATCH", location, b"abc", content_range=content_range)
    assert (answer.status, code(answer)) == (416, "BLOB_UPLOAD_INVALID")


@pytest.mark.parametrize("name", ["BAD", "a//b", "-a", "a-", "a/", "é", "a\r\nb: c", "a" * 256, '"a"'])
def test_bad_names(client, name):
    """They are no part of a challenge, for whoever has no token, and 400 for whoever has."""
    path = f"/v2/{name}/blobs/uploads/"
    told = client.ask("POST", path, authorization="")
    assert (told.status, b"scope" in dict(told.headers)[b"www-authenticate"]) == (401, False)
    answer = client.ask("POST", path)
    assert (answer.status, code(answer)) == (400, "NAME_INVALID")


@pytest.mark.parametrize(
    "scope",
    ["", "x", "repository", "repository:app", "repository::pull", "repository:BAD:pull", "registry:other:*", "a:b:c"],
)
def test_bad_scopes(client, scope):
    answer = ask_token(client, basic("push", "push-secret"), scope)
    if not scope:
        assert answer.status == 200  # none was asked for
    else:
        assert (answer.status, code(answer)) == (400, "UNSUPPORTED")


def test_unknown_actions_are_not_granted(client):
    answer = ask_token(client, basic("push", "push-secret"), "repository:app:fly,pull")
    assert answer.status == 200
    assert b'"fly"' not in answer.body


@pytest.mark.parametrize(
    ("path", "form", "status", "expected"),
    [
        ("/oauth2/token", {}, 400, "UNSUPPORTED"),
        ("/oauth2/token", {"grant_type": "magic", "service": HOST}, 400, "UNSUPPORTED"),
        ("/oauth2/token", {"grant_type": "refresh_token", "service": HOST}, 401, "UNAUTHORIZED"),
        ("/oauth2/token", {"grant_type": "refresh_token", "refresh_token": "a.b.c"}, 401, "UNAUTHORIZED"),
        ("/oauth2/token", {"grant_type": "password", "username": "push"}, 401, "UNAUTHORIZED"),
        ("/oauth2/exchange", {"grant_type": "access_token", "service": "elsewhere"}, 400, "UNSUPPORTED"),
        ("/oauth2/exchange", {"grant_type": "access_token", "service": HOST, "access_token": "x"}, 401, "UNAUTHORIZED"),
        ("/oauth2/exchange", {"grant_type": "refresh_token", "service": HOST}, 400, "UNSUPPORTED"),
        ("/oauth2/other", {}, 404, "UNSUPPORTED"),
    ],
)
def test_bad_logins(client, path, form, status, expected):
    answer = post(client, path, **form)
    assert (answer.status, code(answer)) == (status, expected)


def test_a_service_that_is_another(client):
    answer = ask_token(client, basic("push", "push-secret"), service="elsewhere")
    assert (answer.status, code(answer)) == (400, "UNSUPPORTED")


texts = st.one_of(st.text(max_size=20), st.sampled_from(["app", "uploads", "sha256:x", ABSENT, HERE, "v1", "list"]))
paths = st.builds(
    lambda root, parts: root + "/".join(parts),
    st.sampled_from(
        ["/v2/", "/v2/app/", "/oauth2/", "/", "/v2/app/blobs/", "/v2/app/referrers/", "/v2/app/manifests/"]
    ),
    st.lists(texts, max_size=4),
)
json_bodies = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([HERE, ABSENT, IMAGE, INDEX])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "config",
                    "layers",
                    "manifests",
                    "subject",
                    "digest",
                    "mediaType",
                    "annotations",
                    "artifactType",
                    "urls",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
).map(lambda value: json.dumps(value).encode())


@unhurried
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]),
    paths,
    st.text(max_size=30)
    | st.sampled_from([f"digest={HERE}", "n=1&last=%ff", f"mount={HERE}&from=app", "scope=a&scope"]),
    st.binary(max_size=20) | json_bodies,
    st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"range", b"content-range", b"content-type"]),
            st.binary(max_size=20) | st.just(IMAGE.encode()) | st.just(b"bytes=0-1"),
        ),
        max_size=2,
    ),
)
def test_nothing_that_can_be_sent_is_an_error_of_ours(client, method, path, query, body, fields):
    for login in ([], [(b"authorization", client.authorization.encode())]):
        answer = client.registry.answer(Request(method, path, query, [*login, *fields], body))
        assert answer.status < 500
        if answer.status >= 400:
            assert json.loads(answer.body)["errors"][0]["code"] in CODES
        assert not any(b"\n" in name + value for name, value in answer.headers)


@unhurried
@given(paths, st.text(max_size=30), st.binary(max_size=20))
def test_nothing_that_the_data_endpoint_can_be_sent_is_either(path, query, wanted):
    endpoint = DataEndpoint(HOST, Storage())
    answer = endpoint.answer(Request("GET", path, query, [(b"range", wanted)]))
    assert (answer.status, code(answer)) == (403, "DENIED")

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.service import Registry
from tests.infra.local.registry.helpers import (
    AMPLE,
    Client,
    code,
    digest,
    header,
    unhurried,
)

ABSENT = digest(b"absent")


def test_base_says_which_api_it_is(client):
    answer = client.ask("GET", "/v2/")
    assert (answer.status, answer.body) == (200, b"{}")
    assert header(answer, "docker-distribution-api-version") == "registry/2.0"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/none/manifests/v1", "NAME_UNKNOWN"),
        (f"/v2/none/blobs/{ABSENT}", "NAME_UNKNOWN"),
        ("/v2/none/tags/list", "NAME_UNKNOWN"),
        ("/v2/none/blobs/uploads/1", "NAME_UNKNOWN"),
        ("/v2/app/manifests/none", "MANIFEST_UNKNOWN"),
        (f"/v2/app/manifests/{ABSENT}", "MANIFEST_UNKNOWN"),
        (f"/v2/app/blobs/{ABSENT}", "BLOB_UNKNOWN"),
        ("/", "UNSUPPORTED"),
        ("/v1/app/manifests/v1", "UNSUPPORTED"),
        ("/v2/app", "UNSUPPORTED"),
        ("/v2/_catalog/more", "UNSUPPORTED"),
        ("/v2/app/tags/other", "UNSUPPORTED"),
        ("/v2/app/uploads/1", "UNSUPPORTED"),
        ("/x/app/manifests/v1", "UNSUPPORTED"),
    ],
)
def test_what_is_not_there_is_404(client, path, expected):
    client.push_image("app", "v1")
    answer = client.ask("GET", path)
    assert (answer.status, code(answer)) == (404, expected)


@pytest.mark.parametrize("name", ["App", "a//b", "-a", "a-", "a/../b", "a b", "ä", "a" * 256, "", "a\r\nb"])
def test_a_bad_name_is_refused(client, name):
    assert code(client.ask("GET", f"/v2/{name}/manifests/v1")) == "NAME_INVALID"
    answer = client.ask("POST", f"/v2/{name}/blobs/uploads/")
    assert (answer.status, code(answer)) == (400, "NAME_INVALID")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/v2/", "GET, HEAD"),
        ("PATCH", "/v2/app/manifests/v1", "GET, HEAD, PUT, DELETE"),
        ("PUT", f"/v2/app/blobs/{ABSENT}", "GET, HEAD, DELETE"),
        ("HEAD", "/v2/app/blobs/uploads/1", "GET, POST, PATCH, PUT, DELETE"),
        ("DELETE", "/v2/_catalog", "GET, HEAD"),
        ("PUT", f"/v2/app/referrers/{ABSENT}", "GET, HEAD"),
        ("DELETE", "/v2/app/tags/list", "GET, HEAD"),
        ("OPTIONS", "/v2/", "GET, HEAD"),
    ],
)
def test_another_method_is_405(client, method, path, allow):
    answer = client.ask(method, path)
    assert (answer.status, code(answer), header(answer, "allow")) == (405, "UNSUPPORTED", allow)


SEGMENTS = ["v2", "app", "manifests", "blobs", "uploads", "tags", "list", "referrers", ABSENT, ""]


@unhurried
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "TRACE"]),
    st.lists(st.sampled_from(SEGMENTS) | st.text(max_size=5)),
    st.text(max_size=20),
    st.binary(max_size=30),
)
def test_any_request_gets_an_answer(method, parts, query, body):
    client = Client(Registry(AMPLE, "eastus2"))
    answer = client.ask(method, "/" + "/".join(parts) + "?" + query, body)
    assert 200 <= answer.status < 500
    assert all(b"\n" not in value for _, value in answer.headers)

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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("content", [b"", b"x", b"x" * 1_000_000])
def test_a_blob_comes_back(client, method, content):
    reference = client.push_blob("team/app", content)
    answer = client.ask(method, f"/v2/team/app/blobs/{reference}")
    assert (answer.status, answer.body) == (200, content)
    assert header(answer, "content-type") == "application/octet-stream"
    assert header(answer, "docker-content-digest") == reference


def test_a_deleted_blob_is_unknown(client):
    reference = client.push_blob("app", b"x")
    assert client.ask("DELETE", f"/v2/app/blobs/{reference}").status == 202
    assert code(client.ask("GET", f"/v2/app/blobs/{reference}")) == "BLOB_UNKNOWN"
    assert code(client.ask("DELETE", f"/v2/app/blobs/{reference}")) == "BLOB_UNKNOWN"


def start(client: Client, name: str = "app") -> str:
    answer = client.ask("POST", f"/v2/{name}/blobs/uploads/")
    assert (answer.status, header(answer, "range")) == (202, "0-0")
    location = header(answer, "location")
    assert location == f"/v2/{name}/blobs/uploads/{header(answer, 'docker-upload-uuid')}"
    return location


def test_upload_by_post_and_put(client):
    location = start(client)
    answer = client.ask("PUT", f"{location}?digest={digest(b'abc')}", b"abc")
    assert (answer.status, header(answer, "location")) == (201, f"/v2/app/blobs/{digest(b'abc')}")
    assert client.ask("GET", location).status == 404


@pytest.mark.parametrize("last", [b"", b"ghi"])
def test_upload_in_pieces(client, last):
    location = start(client)
    for begin, piece in ((0, b"abc"), (3, b"def")):
        answer = client.ask("PATCH", location, piece, content_range=f"{begin}-{begin + 2}")
        assert (answer.status, header(answer, "range")) == (202, f"0-{begin + 2}")
        assert header(answer, "location") == location
    state = client.ask("GET", location)
    assert (state.status, header(state, "range"), header(state, "location")) == (204, "0-5", location)
    whole = b"abcdef" + last
    assert client.ask("PUT", f"{location}?digest={digest(whole)}", last).status == 201
    assert client.ask("GET", f"/v2/app/blobs/{digest(whole)}").body == whole


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("content_range", ["0-2", "4-6", "3-9", "3-4", "bytes 3-5", "x", "9" * 5000 + "-3", "5-3"])
def test_a_piece_out_of_order_is_refused_and_the_upload_goes_on(client, method, content_range):
    location = start(client)
    client.ask("PATCH", location, b"abc")
    url = f"{location}?digest={digest(b'abcdef')}"
    answer = client.ask(method, url, b"def", content_range=content_range)
    assert (answer.status, code(answer)) == (416, "BLOB_UPLOAD_INVALID")
    assert client.ask("PUT", url, b"def", content_range="3-5").status == 201


@pytest.mark.parametrize("query", ["", "?digest=", "?digest=sha256:zz", f"?digest={ABSENT}"])
def test_a_wrong_digest_stores_nothing(client, query):
    location = start(client)
    client.ask("PATCH", location, b"abc")
    assert code(client.ask("PUT", location + query)) == "DIGEST_INVALID"
    assert client.ask("HEAD", f"/v2/app/blobs/{digest(b'abc')}").status == 404
    assert client.ask("HEAD", f"/v2/app/blobs/{ABSENT}").status == 404


def test_a_single_post_with_a_wrong_digest_is_refused(client):
    answer = client.ask("POST", f"/v2/app/blobs/uploads/?digest={ABSENT}", b"abc")
    assert (answer.status, code(answer)) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT"])
def test_an_unknown_upload(client, method):
    client.push_blob("app", b"x")
    answer = client.ask(method, "/v2/app/blobs/uploads/nothing?digest=" + digest(b"x"), b"x")
    assert (answer.status, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


@unhurried
@given(st.lists(st.lists(st.binary(max_size=20), max_size=5), min_size=2, max_size=4), st.randoms())
def test_uploads_at_once_do_not_mix(contents, random):
    client = Client(Registry(AMPLE, "eastus2"))
    locations = [start(client) for _ in contents]
    turns = [i for i, pieces in enumerate(contents) for _ in pieces]
    random.shuffle(turns)
    pending = [iter(pieces) for pieces in contents]
    for i in turns:
        assert client.ask("PATCH", locations[i], next(pending[i])).status == 202
    for location, pieces in zip(locations, contents, strict=True):
        whole = b"".join(pieces)
        assert client.ask("PUT", f"{location}?digest={digest(whole)}").status == 201
        assert client.ask("GET", f"/v2/app/blobs/{digest(whole)}").body == whole


def test_a_mount_makes_the_blob_readable_in_the_other_repository(client):
    reference = client.push_blob("base/image", b"shared")
    answer = client.ask("POST", f"/v2/app/blobs/uploads/?mount={reference}&from=base/image")
    assert (answer.status, header(answer, "location")) == (201, f"/v2/app/blobs/{reference}")
    client.ask("DELETE", f"/v2/base/image/blobs/{reference}")
    assert client.ask("GET", f"/v2/app/blobs/{reference}").body == b"shared"


@pytest.mark.parametrize("query", [f"mount={ABSENT}&from=base", f"mount={ABSENT}&from=none", f"mount={ABSENT}"])
def test_a_mount_of_what_is_not_there_starts_an_upload(client, query):
    client.push_blob("base", b"shared")
    answer = client.ask("POST", f"/v2/app/blobs/uploads/?{query}")
    assert answer.status == 202
    assert client.ask("PUT", f"{header(answer, 'location')}?digest={digest(b'x')}", b"x").status == 201


def test_post_to_an_upload_is_405(client):
    assert client.ask("POST", start(client)).status == 405


def test_an_upload_that_is_cancelled_is_gone(client):
    location = header(client.ask("POST", "/v2/app/blobs/uploads/"), "location")
    assert location is not None
    client.ask("PATCH", location, b"abc")
    assert client.ask("DELETE", location).status == 204
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = client.ask(method, f"{location}?digest={digest(b'abc')}")
        assert (answer.status, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")

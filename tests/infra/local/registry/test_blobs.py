"""How a blob is sent: byte ranges, and the data endpoint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.blobs import LIFE_SECONDS, DataEndpoint, blob
from infra.local.registry.protocol import Answer, Refusal, Request
from infra.local.registry.service import Registry
from infra.local.registry.storage import Storage
from tests.infra.local.registry.helpers import AMPLE, Client, code, digest, header, unhurried
from tests.infra.local.registry.logins import PULL, PUSH, Wall, registry, token

CONTENT = b"0123456789"
DATA = "127.0.0.1:5001"


def ask(content: bytes, wanted: str | None, method: str = "GET") -> Answer:
    """The answer to a range of a blob."""
    fields = [(b"range", wanted.encode())] if wanted is not None else []
    try:
        return blob(Request(method, "/", "", fields), content, digest(content))
    except Refusal as refusal:
        return refusal.answer()


@unhurried
@given(st.binary(min_size=1, max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_a_slice(content, first, last):
    answer = ask(content, f"bytes={first}-{last}")
    if first > last or first >= len(content):
        assert (answer.status, code(answer)) == (416, "RANGE_INVALID")
        assert header(answer, "content-range") == f"bytes */{len(content)}"
    else:
        assert (answer.status, answer.body) == (206, content[first : last + 1])
        end = first + len(answer.body) - 1
        assert header(answer, "content-range") == f"bytes {first}-{end}/{len(content)}"


@unhurried
@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_blob_in_parts_is_the_blob(content, data):
    size = data.draw(st.integers(1, len(content)))
    parts = [ask(content, f"bytes={start}-{start + size - 1}").body for start in range(0, len(content), size)]
    assert b"".join(parts) == content


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=3-", b"3456789"),
        ("bytes=-3", b"789"),
        ("bytes=-99", CONTENT),
        ("bytes=9-9", b"9"),
        ("bytes=0-99", CONTENT),
    ],
)
def test_open_ranges(wanted, expected):
    answer = ask(CONTENT, wanted)
    assert (answer.status, answer.body) == (206, expected)


@pytest.mark.parametrize("wanted", [None, "bytes=0-1,3-4", "lines=1-2", "bytes 0-1"])
def test_what_is_no_single_range_of_bytes_gets_the_whole_blob(wanted):
    answer = ask(CONTENT, wanted)
    assert (answer.status, answer.body, header(answer, "accept-ranges")) == (200, CONTENT, "bytes")


@pytest.mark.parametrize(
    "wanted", ["bytes=", "bytes=-", "bytes=-0", "bytes=a-b", "bytes=10-", "bytes=5-4", "bytes=--1"]
)
def test_a_range_that_is_not_there_is_416(wanted):
    answer = ask(CONTENT, wanted)
    assert (answer.status, code(answer)) == (416, "RANGE_INVALID")


def test_an_empty_blob_has_no_range():
    assert ask(b"", "bytes=0-0").status == ask(b"", "bytes=-1").status == 416
    assert ask(b"", None).status == 200


def test_head_ignores_ranges():
    assert ask(CONTENT, "bytes=1-2", "HEAD").status == 200


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def there(wall) -> tuple[Client, DataEndpoint]:
    """A registry with a data endpoint and one blob in it."""
    storage = Storage()
    data = DataEndpoint(DATA, storage, wall)
    client = Client(Registry(AMPLE, "eastus2", storage=storage, data=data))
    client.push_blob("team/app", CONTENT)
    return client, data


def follow(data: DataEndpoint, location: str | None, method: str = "GET", **fields: str) -> Answer:
    assert location is not None
    assert location.startswith(f"http://{DATA}/")
    path, _, query = location.removeprefix(f"http://{DATA}").partition("?")
    return data.answer(Request(method, path, query, [(k.encode(), v.encode()) for k, v in fields.items()]))


def redirect(client: Client) -> str | None:
    answer = client.ask("GET", f"/v2/team/app/blobs/{digest(CONTENT)}")
    assert (answer.status, answer.body) == (307, b"")
    return header(answer, "location")


def test_a_get_of_a_blob_is_sent_on_and_needs_no_login_there(there):
    client, data = there
    answer = follow(data, redirect(client))
    assert (answer.status, answer.body) == (200, CONTENT)
    assert follow(data, redirect(client), range="bytes=2-3").body == b"23"
    assert client.ask("HEAD", f"/v2/team/app/blobs/{digest(CONTENT)}").status == 200
    assert client.ask("GET", f"/v2/team/app/blobs/{digest(b'absent')}").status == 404


def test_the_address_is_good_for_a_while(there, wall):
    client, data = there
    location = redirect(client)
    wall.now += LIFE_SECONDS
    assert follow(data, location).status == 200
    wall.now += 1
    answer = follow(data, location)
    assert (answer.status, code(answer)) == (403, "DENIED")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("se=1", "se=2"),
        ("sig=", "sig=0"),
        ("sig=", "gis="),
        ("team/app", "team/other"),
        ("?se", "?SE"),
        ("&sig", "&x&sig=é"),
    ],
)
def test_an_address_that_was_changed_is_refused(there, old, new):
    client, data = there
    location = redirect(client)
    assert location is not None and old in location
    assert follow(data, location.replace(old, new)).status == 403


def test_a_blob_that_was_deleted_meanwhile_is_gone(there):
    client, data = there
    location = redirect(client)
    client.ask("DELETE", f"/v2/team/app/blobs/{digest(CONTENT)}")
    assert code(follow(data, location)) == "BLOB_UNKNOWN"


def test_other_methods_are_refused_and_an_outage_is_one_of_both(there):
    client, data = there
    location = redirect(client)
    assert follow(data, location, "PUT").status == 405
    client.registry.outage(True)
    assert follow(data, location).status == 503
    client.registry.outage(False)
    assert follow(data, location).status == 200


def test_what_the_data_endpoint_sends_is_counted_apart(there):
    client, data = there
    follow(data, redirect(client))
    follow(data, redirect(client), "HEAD")
    page = client.ask("GET", "/metrics").body.decode()
    assert 'registry_data_requests_total{status="200"} 2\n' in page
    assert f'registry_sent_bytes_total{{address="data"}} {len(CONTENT)}\n' in page
    assert 'registry_sent_bytes_total{address="registry"} 0\n' in page


def test_a_redirect_takes_a_token_and_what_it_leads_to_does_not():
    storage = Storage()
    data = DataEndpoint(DATA, storage)
    client = Client(registry(storage=storage, data=data))
    full = token(client, PUSH, "repository:app:*")
    client.ask("POST", f"/v2/app/blobs/uploads/?digest={digest(CONTENT)}", CONTENT, authorization=full)
    path = f"/v2/app/blobs/{digest(CONTENT)}"
    assert client.ask("GET", path).status == 401
    answer = client.ask("GET", path, authorization=token(client, PULL, "repository:app:pull"))
    assert follow(data, header(answer, "location")).body == CONTENT

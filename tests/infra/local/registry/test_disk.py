"""What outlasts the process."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.disk import Disk
from infra.local.registry.service import Registry
from infra.local.registry.storage import Storage
from tests.infra.local.registry.helpers import (
    AMPLE,
    IMAGE,
    NOTATION,
    Client,
    code,
    descriptor,
    digest,
    image,
    unhurried,
)
from workloads.errors import UsageError

REPOSITORIES = ("app", "team/other")
BLOBS = (b"{}", b"one", b"two", b"")
steps = st.lists(
    st.tuples(
        st.sampled_from(["blob", "mount", "image", "referrer", "delete blob", "delete manifest", "delete tag"]),
        st.sampled_from(REPOSITORIES),
        st.integers(0, 3),
    ),
    max_size=25,
)


class OnDisk(Client):
    """A client of a registry with a file."""

    def __init__(self, file: Path) -> None:
        self.disk = Disk(file)
        super().__init__(Registry(AMPLE, "eastus2", storage=Storage(self.disk)))

    def close(self) -> None:
        """What the kernel does to a process that is killed: its files are closed, and nothing else happens."""
        self.disk._database.close()


def act(client: Client, what: str, name: str, n: int) -> None:
    """One request, which may well be refused."""
    content, other = BLOBS[n], next(each for each in REPOSITORIES if each != name)
    manifest = image(content, annotations={"n": str(n)})
    match what:
        case "blob":
            client.push_blob(name, content)
        case "mount":
            client.ask("POST", f"/v2/{name}/blobs/uploads/?mount={digest(content)}&from={other}")
        case "image":
            client.ask("PUT", f"/v2/{name}/manifests/v{n}", manifest, content_type=IMAGE)
        case "referrer":
            body = image(content, subject=descriptor(manifest, IMAGE), artifactType=NOTATION, annotations={"k": name})
            client.ask("PUT", f"/v2/{name}/manifests/{digest(body)}", body, content_type=IMAGE)
        case "delete blob":
            client.ask("DELETE", f"/v2/{name}/blobs/{digest(content)}")
        case "delete manifest":
            client.ask("DELETE", f"/v2/{name}/manifests/{digest(manifest)}")
        case "delete tag":
            client.ask("DELETE", f"/v2/{name}/manifests/v{n}")


def everything(client: Client) -> list[Any]:
    """All that a client can read."""
    seen: list[Any] = [client.ask("GET", "/v2/_catalog")]
    for name in REPOSITORIES:
        seen.append(client.ask("GET", f"/v2/{name}/tags/list"))
        for n, content in enumerate(BLOBS):
            manifest = image(content, annotations={"n": str(n)})
            referrers = client.ask("GET", f"/v2/{name}/referrers/{digest(manifest)}")
            listed = [each["digest"] for each in json.loads(referrers.body)["manifests"]]
            seen += [
                client.ask("GET", f"/v2/{name}/blobs/{digest(content)}"),
                client.ask("GET", f"/v2/{name}/manifests/v{n}"),
                client.ask("GET", f"/v2/{name}/manifests/{digest(manifest)}"),
                referrers,
                *(client.ask("GET", f"/v2/{name}/manifests/{each}") for each in listed),
            ]
    return [answer for answer in seen if answer.status != 404]


@unhurried
@given(steps, st.data())
def test_a_registry_that_is_started_again_has_everything_byte_for_byte(actions, data):
    with TemporaryDirectory() as folder:
        client = OnDisk(Path(folder) / "contents")
        for name in REPOSITORIES:
            for content in BLOBS[:2]:
                client.push_blob(name, content)
        for action in actions:
            act(client, *action)
        before = everything(client)
        client.close()
        again = OnDisk(Path(folder) / "contents")
        assert everything(again) == before
        for action in actions:  # and goes on as it would have
            act(again, *action)
        again.close()


def test_the_content_of_a_blob_goes_with_the_last_repository_that_has_it(tmp_path):
    client = OnDisk(tmp_path / "contents")
    for name in REPOSITORIES:
        client.push_blob(name, b"one")
    counts = []
    for name in REPOSITORIES:
        client.ask("DELETE", f"/v2/{name}/blobs/{digest(b'one')}")
        counts.append(client.disk._database.execute("SELECT count(*) FROM contents").fetchone()[0])
    client.close()
    assert counts == [1, 0]


def test_an_upload_that_is_not_finished_does_not_outlast_it(tmp_path):
    client = OnDisk(tmp_path / "contents")
    client.push_blob("app", b"one")
    location = dict(client.ask("POST", "/v2/app/blobs/uploads/").headers)[b"location"].decode()
    client.close()
    again = OnDisk(tmp_path / "contents")
    assert code(again.ask("PATCH", location, b"more")) == "BLOB_UPLOAD_UNKNOWN"
    again.close()


def test_a_disk_that_fails_is_503_and_changes_nothing(tmp_path):
    client = OnDisk(tmp_path / "contents")
    client.push_blob("app", b"one")
    client.close()
    post = f"/v2/app/blobs/uploads/?digest={digest(b'two')}"
    for method, path, body in (
        ("POST", post, b"two"),
        ("DELETE", f"/v2/app/blobs/{digest(b'one')}", b""),
    ):
        answer = client.ask(method, path, body)
        assert (answer.status, code(answer)) == (503, "UNAVAILABLE")
    assert client.ask("HEAD", f"/v2/app/blobs/{digest(b'two')}").status == 404
    assert client.ask("HEAD", f"/v2/app/blobs/{digest(b'one')}").status == 200


def test_a_file_that_is_no_registrys_is_told_in_a_sentence(tmp_path):
    (tmp_path / "text").write_text("not a database, and longer than a header" * 10)
    foreign = sqlite3.connect(tmp_path / "foreign")
    foreign.execute("CREATE TABLE things (name)")
    foreign.commit()
    foreign.close()
    client = OnDisk(tmp_path / "open")
    client.push_blob("app", b"one")  # and so it is locked
    try:
        for name in ("text", "foreign", "no/folder", "open"):
            with pytest.raises(UsageError, match=r"Name another file\.$"):
                Disk(tmp_path / name)
    finally:
        client.close()

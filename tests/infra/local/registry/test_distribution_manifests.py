from __future__ import annotations

import json

import pytest

from tests.infra.local.registry.helpers import (
    IMAGE,
    INDEX,
    code,
    digest,
    header,
    image,
)

ABSENT = digest(b"absent")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ["app", "team/app", "a/b/c/d-e.f__g"])
def test_a_manifest_comes_back_byte_for_byte_by_tag_and_digest(client, method, name):
    manifest = client.push_image(name, "v1")
    for reference in ("v1", digest(manifest)):
        answer = client.ask(method, f"/v2/{name}/manifests/{reference}")
        assert (answer.status, answer.body) == (200, manifest)
        assert header(answer, "content-type") == IMAGE
        assert header(answer, "docker-content-digest") == digest(manifest)


def test_a_push_tells_location_and_digest(client):
    client.push_image("app")
    manifest = image(annotations={"n": "1"})
    answer = client.push("app", "v1", manifest)
    assert answer.status == 201
    assert header(answer, "location") == f"/v2/app/manifests/{digest(manifest)}"
    assert header(answer, "docker-content-digest") == digest(manifest)
    assert header(answer, "oci-subject") is None


def test_a_tag_moves_to_what_was_pushed_last(client):
    old = client.push_image("app", "v1")
    new = client.push_image("app", "v1", annotations={"n": "2"})
    assert client.ask("GET", "/v2/app/manifests/v1").body == new
    assert client.ask("GET", f"/v2/app/manifests/{digest(old)}").body == old


def test_a_manifest_can_be_pushed_under_a_sha512_digest(client):
    client.push_image("app")
    manifest = image()
    reference = digest(manifest, "sha512")
    assert client.push("app", reference, manifest).status == 201
    assert client.ask("GET", f"/v2/app/manifests/{reference}").body == manifest


def test_the_media_type_is_the_manifests_own_where_no_header_says_it(client):
    client.push_image("app")
    assert client.ask("PUT", "/v2/app/manifests/v1", image()).status == 201
    assert header(client.ask("GET", "/v2/app/manifests/v1"), "content-type") == IMAGE


def test_deleting_a_tag_keeps_the_manifest(client):
    manifest = client.push_image("app", "v1")
    assert client.ask("DELETE", "/v2/app/manifests/v1").status == 202
    assert code(client.ask("GET", "/v2/app/manifests/v1")) == "MANIFEST_UNKNOWN"
    assert client.ask("GET", f"/v2/app/manifests/{digest(manifest)}").status == 200


def test_deleting_a_manifest_takes_its_tags_along(client):
    manifest = client.push_image("app", "v1")
    client.push_image("app", "v2", annotations={"other": "manifest"})
    assert client.ask("DELETE", f"/v2/app/manifests/{digest(manifest)}").status == 202
    assert json.loads(client.ask("GET", "/v2/app/tags/list").body)["tags"] == ["v2"]
    assert client.ask("DELETE", f"/v2/app/manifests/{digest(manifest)}").status == 404


@pytest.mark.parametrize(
    ("reference", "media_type", "manifest", "expected"),
    [
        ("v1", IMAGE, b"", "MANIFEST_INVALID"),
        ("v1", IMAGE, b"{", "MANIFEST_INVALID"),
        ("v1", IMAGE, b"[]", "MANIFEST_INVALID"),
        ("v1", IMAGE, b"\xff\xfe", "MANIFEST_INVALID"),
        ("v1", IMAGE, b"[" * 100_000, "MANIFEST_INVALID"),
        ("v1", IMAGE, b'{"layers": {}}', "MANIFEST_INVALID"),
        ("v1", IMAGE, b'{"layers": ["x"]}', "MANIFEST_INVALID"),
        ("v1", IMAGE, b'{"config": 3}', "MANIFEST_INVALID"),
        ("v1", IMAGE, b'{"subject": "x"}', "MANIFEST_INVALID"),
        ("v1", IMAGE, b'{"mediaType": 3}', "MANIFEST_INVALID"),
        ("v1", INDEX, image(), "MANIFEST_INVALID"),
        ("v1", "nonsense", b"{}", "MANIFEST_INVALID"),
        ("v1", "", b'{"mediaType": "a/b\\r\\nx: y"}', "MANIFEST_INVALID"),
        ("v1", "", b"{}", "MANIFEST_INVALID"),
        ("-v1", IMAGE, b"{}", "MANIFEST_INVALID"),
        ("v" * 129, IMAGE, b"{}", "MANIFEST_INVALID"),
        ("v1", IMAGE, b'{"config": {"digest": "sha256:short"}}', "DIGEST_INVALID"),
        ("v1", IMAGE, b'{"subject": {"digest": "md5:0"}}', "DIGEST_INVALID"),
        (ABSENT, IMAGE, b"{}", "DIGEST_INVALID"),
        ("md5:0", IMAGE, b"{}", "DIGEST_INVALID"),
        ("v1", IMAGE, image(b"not pushed"), "MANIFEST_BLOB_UNKNOWN"),
        ("v1", INDEX, json.dumps({"manifests": [{"digest": ABSENT}]}).encode(), "MANIFEST_BLOB_UNKNOWN"),
        ("v1", IMAGE, b" " * (4 * 1024 * 1024 + 1), "SIZE_INVALID"),
    ],
)
def test_a_bad_manifest_is_refused_and_not_stored(client, reference, media_type, manifest, expected):
    client.push_image("app", "good")
    assert code(client.push("app", reference, manifest, media_type)) == expected
    assert json.loads(client.ask("GET", "/v2/app/tags/list").body)["tags"] == ["good"]


@pytest.mark.parametrize("fields", [{"artifactType": 3}, {"annotations": "x"}, {"config": []}])
def test_a_bad_referrer_is_neither_stored_nor_listed(client, fields):
    subject = digest(client.push_image("app"))
    bad = image(subject={"digest": subject}, **fields)
    assert code(client.push("app", None, bad)) == "MANIFEST_INVALID"
    assert client.ask("GET", f"/v2/app/manifests/{digest(bad)}").status == 404
    assert json.loads(client.ask("GET", f"/v2/app/referrers/{subject}").body)["manifests"] == []


def test_a_layer_that_lives_elsewhere_need_not_be_pushed(client):
    client.push_blob("app", b"{}")
    layer = {"mediaType": "application/x", "digest": ABSENT, "size": 6, "urls": ["https://example.org/x"]}
    assert client.push("app", "v1", image(layers=[layer])).status == 201

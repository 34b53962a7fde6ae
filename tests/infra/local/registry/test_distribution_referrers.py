from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.local.registry.service import Registry
from tests.infra.local.registry.helpers import (
    AMPLE,
    IMAGE,
    INDEX,
    NOTATION,
    Client,
    code,
    descriptor,
    digest,
    header,
    image,
    unhurried,
)

ABSENT = digest(b"absent")


def referrers(client: Client, subject: str, query: str = "", name: str = "app") -> list[dict[str, Any]]:
    answer = client.ask("GET", f"/v2/{name}/referrers/{subject}{query}")
    assert (answer.status, header(answer, "content-type")) == (200, INDEX)
    index = json.loads(answer.body)
    assert (index["schemaVersion"], index["mediaType"]) == (2, INDEX)
    manifests: list[dict[str, Any]] = index["manifests"]
    return manifests


def test_referrers_carry_type_and_annotations(client):
    subject = digest(client.push_image("app", "v1"))
    signature = image(subject={"digest": subject}, artifactType=NOTATION, annotations={"k": "v"})
    answer = client.push("app", None, signature)
    assert header(answer, "oci-subject") == subject
    expected = {**descriptor(signature, IMAGE), "artifactType": NOTATION, "annotations": {"k": "v"}}
    assert referrers(client, subject) == [expected]


def test_without_an_artifact_type_the_configs_media_type_counts(client):
    subject = digest(client.push_image("app"))
    client.push_image("app", subject={"digest": subject}, config=descriptor(b"{}", NOTATION))
    assert [r["artifactType"] for r in referrers(client, subject)] == [NOTATION]


def test_an_index_may_be_a_referrer_without_a_type(client):
    subject = digest(client.push_image("app"))
    index = json.dumps({"mediaType": INDEX, "manifests": [], "subject": {"digest": subject}}).encode()
    assert client.push("app", None, index, INDEX).status == 201
    assert referrers(client, subject) == [descriptor(index, INDEX)]


def test_the_filter_selects_by_type_and_says_so(client):
    subject = digest(client.push_image("app"))
    types = [NOTATION, "application/spdx+json", NOTATION]
    for number, kind in enumerate(types):
        client.push_image("app", subject={"digest": subject}, artifactType=kind, annotations={"n": str(number)})
    assert len(referrers(client, subject)) == 3
    for kind, query in (
        (NOTATION, "application%2Fvnd.cncf.notary.signature"),
        (types[1], "application/spdx%2Bjson"),
        ("", "application/none"),
    ):
        found = referrers(client, subject, f"?artifactType={query}")
        assert [r["artifactType"] for r in found] == [t for t in types if t == kind]
    answer = client.ask("GET", f"/v2/app/referrers/{subject}?artifactType=x")
    assert header(answer, "oci-filters-applied") == "artifactType"
    assert header(client.ask("GET", f"/v2/app/referrers/{subject}"), "oci-filters-applied") is None


def test_a_referrer_may_come_before_its_subject(client):
    for blob in (b"{}", b"layer"):
        client.push_blob("app", blob)
    signature = image(subject=descriptor(image(), IMAGE), artifactType=NOTATION)
    assert header(client.push("app", None, signature), "oci-subject") == digest(image())
    assert [r["digest"] for r in referrers(client, digest(image()))] == [digest(signature)]


def test_a_referrer_pushed_twice_is_listed_once_and_deleted_not_at_all(client):
    subject = digest(client.push_image("app"))
    for _ in range(2):
        signature = client.push_image("app", subject={"digest": subject})
    assert len(referrers(client, subject)) == 1
    client.ask("DELETE", f"/v2/app/manifests/{digest(signature)}")
    assert referrers(client, subject) == []
    client.push("app", None, signature)
    assert len(referrers(client, subject)) == 1


def test_no_referrers_is_an_empty_list_and_never_404(client):
    assert referrers(client, ABSENT, name="nobody/pushed/here") == []
    subject = digest(client.push_image("app"))
    assert referrers(client, subject) == []
    assert code(client.ask("GET", "/v2/app/referrers/sha256:xyz")) == "DIGEST_INVALID"


@unhurried
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=30))
def test_the_referrers_index_is_what_a_scan_would_find(steps):
    """However manifests come and go, each subject lists the manifests that name it."""
    client = Client(Registry(AMPLE, "eastus2"))
    client.push_image("app")
    present: dict[str, str] = {}
    for subject_number, number, push in steps:
        subject = digest(b"subject %d" % subject_number)
        manifest = image(subject={"digest": subject}, annotations={"n": str(number)})
        if push:
            client.push("app", None, manifest)
            present[digest(manifest)] = subject
        else:
            client.ask("DELETE", f"/v2/app/manifests/{digest(manifest)}")
            present.pop(digest(manifest), None)
    for subject in {digest(b"subject %d" % n) for n in range(4)}:
        assert {r["digest"] for r in referrers(client, subject)} == {d for d, s in present.items() if s == subject}


def pages(client: Client, path: str, key: str) -> list[list[Any]]:
    """All pages of a list, by their links."""
    found = []
    following: str | None = path
    while following is not None:
        answer = client.ask("GET", following)
        assert answer.status == 200, answer.body
        found.append(json.loads(answer.body)[key])
        link = header(answer, "link")
        following = link[1 : link.index(">")] if link else None
        assert link is None or link.endswith('; rel="next"')
    return found


@unhurried
@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), st.sampled_from(["", NOTATION]))
def test_the_pages_of_a_list_are_the_list(count, most, wanted, artifact_type):
    client = Client(Registry(AMPLE, "eastus2", referrers_page=most))
    subject = digest(client.push_image("app"))
    pushed = [
        image(
            subject={"digest": subject},
            artifactType=(NOTATION, "application/spdx+json")[n % 2],
            annotations={"n": str(n)},
        )
        for n in range(count)
    ]
    for manifest in pushed:
        assert client.push("app", None, manifest).status == 201
    query = f"?n={wanted}" + (f"&artifactType={artifact_type}" if artifact_type else "")
    found = pages(client, f"/v2/app/referrers/{subject}{query}", "manifests")
    expected = [m for n, m in enumerate(pushed) if not artifact_type or n % 2 == 0]
    assert [each["digest"] for page in found for each in page] == sorted(map(digest, expected))
    assert all(len(page) == min(most, wanted) for page in found[:-1])
    assert all(page for page in found)


def test_a_page_begins_after_a_referrer_that_is_gone():
    client = Client(Registry(AMPLE, "eastus2", referrers_page=2))
    subject = digest(client.push_image("app"))
    for n in range(4):
        client.push("app", None, image(subject={"digest": subject}, annotations={"n": str(n)}))
    first = client.ask("GET", f"/v2/app/referrers/{subject}")
    last = json.loads(first.body)["manifests"][-1]["digest"]
    assert client.ask("DELETE", f"/v2/app/manifests/{last}").status == 202
    link = header(first, "link")
    assert link is not None
    assert len(json.loads(client.ask("GET", link[1 : link.index(">")]).body)["manifests"]) == 2


def test_a_registry_without_the_api_says_so_and_lists_nobody():
    client = Client(Registry(AMPLE, "eastus2", referrers_page=0))
    subject = digest(client.push_image("app"))
    answer = client.push("app", None, image(subject={"digest": subject}))
    assert (answer.status, header(answer, "oci-subject")) == (201, None)
    answer = client.ask("GET", f"/v2/app/referrers/{subject}")
    assert (answer.status, code(answer)) == (404, "UNSUPPORTED")


def test_the_catalog_has_the_repositories_with_manifests_in_pages(client):
    names = [f"app{n}" for n in range(7)]
    for name in names:
        client.push_image(name)
    client.push_blob("no-manifest", b"{}")
    assert pages(client, "/v2/_catalog", "repositories") == [names]
    assert pages(client, "/v2/_catalog?n=3", "repositories") == [names[:3], names[3:6], names[6:]]
    assert pages(client, "/v2/_catalog?n=0", "repositories") == [[]]

from __future__ import annotations

import json

import pytest

from tests.infra.local.registry.helpers import (
    Client,
    code,
    header,
)


def tags(client: Client, query: str = "") -> tuple[list[str], str | None]:
    answer = client.ask("GET", f"/v2/team/app/tags/list{query}")
    assert answer.status == 200
    document = json.loads(answer.body)
    assert document["name"] == "team/app"
    return document["tags"], header(answer, "link")


def test_tags_are_listed_in_order(client):
    for tag in ("b", "a", "10", "9", "_x", "B"):
        client.push_image("team/app", tag)
    assert tags(client) == (sorted(["b", "a", "10", "9", "_x", "B"]), None)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 100])
def test_the_pages_together_are_the_whole_list(client, size):
    names = [f"v{n}" for n in range(6)]
    for tag in names:
        client.push_image("team/app", tag)
    found, link = tags(client, f"?n={size}")
    pages = 1
    while link:
        assert link.startswith("</v2/team/app/tags/list?") and link.endswith('>; rel="next"')
        page, link = tags(client, "?" + link.partition("?")[2].partition(">")[0])
        found += page
        pages += 1
    assert found == names
    assert pages == -(-6 // size)


def test_last_need_not_be_a_tag_and_n_may_be_0(client):
    client.push_image("team/app", "b")
    assert tags(client, "?last=a") == (["b"], None)
    assert tags(client, "?last=b") == ([], None)
    assert tags(client, "?n=0") == ([], None)


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "9" * 5000])
def test_a_page_size_that_is_no_number_is_refused(client, n):
    client.push_image("app", "v1")
    answer = client.ask("GET", f"/v2/app/tags/list?n={n}")
    assert (answer.status, code(answer)) == (400, "PAGINATION_NUMBER_INVALID")

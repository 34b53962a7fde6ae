"""What of a run is still in Azure: the requests that are made, and what is made of the answers."""

from __future__ import annotations

import json
import time
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.core.pipeline.transport import RequestsTransport
from urllib3 import HTTPResponse

from csscgen.azure.leftovers import left
from workloads.errors import AzureError

GROUPS, RESOURCES = "/subscriptions/5ub/resourcegroups", "/subscriptions/5ub/resources"
TAGS = {"run-id": "run-1", "stack": "perf-S"}


class Login:
    """A login that works, or does not."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        if self._error:
            raise self._error
        return AccessToken("a-token", int(time.time()) + 3_600)


class Manager(requests.adapters.BaseAdapter):
    """Azure Resource Manager: two collections, in pages of one; or a refusal."""

    def __init__(self, answers: dict[str, list[dict[str, Any]]], status: int = 200) -> None:
        super().__init__()
        self.answers = answers
        self.status = status
        self.asked: list[tuple[str, str]] = []
        """Path and filter of every request."""

    def close(self) -> None:
        pass

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        query = parse_qs(parts.query)
        self.asked.append((parts.path, query.get("$filter", [""])[0]))
        page = int(query.get("page", ["0"])[0])
        found = self.answers.get(parts.path, [])
        body: dict[str, Any] = {"value": found[page : page + 1]}
        if page + 1 < len(found):
            body["nextLink"] = f"https://management.azure.com{parts.path}?page={page + 1}"
        if self.status != 200:
            body = {"error": {"code": "AuthorizationFailed", "message": "no"}}
        response = requests.Response()
        response.status_code, response.request, response.url = self.status, request, str(request.url)
        response.headers["Content-Type"] = "application/json"
        response.raw = HTTPResponse(BytesIO(json.dumps(body).encode()), preload_content=False)
        return response

    def transport(self) -> RequestsTransport:
        session = requests.Session()
        session.mount("https://", self)
        return RequestsTransport(session=session)


def ask(manager: Manager, login: Login | None = None, run_id: str = "run-1") -> list[str]:
    return left("5ub", run_id, "perf-S", login or Login(), transport=manager.transport())


def test_groups_and_resources_with_the_runs_tag_are_found_page_by_page():
    manager = Manager(
        {
            GROUPS: [{"id": "/g", "location": "x", "tags": TAGS}],
            RESOURCES: [{"id": "/b", "tags": TAGS}, {"id": "/a", "tags": TAGS}],
        }
    )
    assert ask(manager) == ["/a", "/b", "/g"]
    wanted = "tagName eq 'run-id' and tagValue eq 'run-1'"
    assert manager.asked == [(GROUPS, wanted), (RESOURCES, wanted), (RESOURCES, "")]


def test_what_another_stack_has_made_under_the_same_id_is_not_ours():
    manager = Manager(
        {RESOURCES: [{"id": "/theirs", "tags": {**TAGS, "stack": "perf-L"}}, {"id": "/ours", "tags": TAGS}]}
    )
    assert ask(manager) == ["/ours"]


def test_a_name_with_a_quote_stays_a_name():
    manager = Manager({})
    ask(manager, run_id="o'run")
    assert manager.asked[0][1] == "tagName eq 'run-id' and tagValue eq 'o''run'"


def test_a_refusal_says_what_the_login_needs():
    with pytest.raises(AzureError, match=r"listing what has the tag run-id run-1: .*403.* needs the role Reader"):
        ask(Manager({}, 403))


@pytest.mark.parametrize("error", [ClientAuthenticationError("no token"), ServiceRequestError("no network")])
def test_that_azure_cannot_be_asked_is_one_error(error: Exception):
    with pytest.raises(AzureError, match="listing what has the tag"):
        ask(Manager({}), Login(error))

"""Watch streams that break: the load goes on and no pod is lost, or ends with a sentence and keeps what it saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from tests.csscgen.pods import DENIAL, failed_create, ready_pod
from tests.csscgen.servers import PODS, ApiServer, event, in_background, listed, status
from tests.csscgen.worlds import DENIED
from tests.hostile.cases import MB_10, Csscgen, message
from tests.hostile.conftest import Project
from tests.hostile.stacks import bring_up, impatient, load_words

EVENTS = "/api/v1/events"
GOOD = event("ADDED", ready_pod(0))
BOOKMARK = {"kind": "Pod", "metadata": {"resourceVersion": "150"}}


def changed(**entries: Any) -> dict[str, Any]:
    return {**ready_pod(0), **entries}


def metadata(**entries: Any) -> dict[str, Any]:
    """A pod with other metadata; what is `...` is left out."""
    merged = {**ready_pod(0)["metadata"], **entries}
    return changed(metadata={key: value for key, value in merged.items() if value is not ...})


SURVIVED: dict[str, list[bytes]] = {
    "cut in the middle of a line": [GOOD[:-40]],
    "cut in the middle of a letter": [event("ADDED", metadata(annotations={"a": "ü" * 9}))[:-40]],
    "a pod in three pieces": [GOOD[:10], GOOD[10:200], GOOD[200:]],
    "a line of 10 MB": [event("ADDED", metadata(annotations={"a": "x" * MB_10}))],
    "no JSON": [GOOD, b"<html>\n"],
    "binary": [GOOD, bytes(range(256)) + b"\n"],
    "an empty line": [GOOD, b"\n"],
    "a list": [GOOD, b"[]\n"],
    "null": [GOOD, b"null\n"],
    "an event without a type": [b'{"object": {}}\n'],
    "an event without an object": [b'{"type": "ADDED"}\n'],
    "an object that is text": [b'{"type": "ADDED", "object": "pod"}\n'],
    "a pod without metadata": [b'{"type": "ADDED", "object": {}}\n'],
    "a pod without a uid": [event("ADDED", metadata(uid=...))],
    "a pod without a name": [event("ADDED", metadata(name=None))],
    "a pod without a version": [event("ADDED", metadata(resourceVersion=...))],
    "a version that is a number": [event("ADDED", metadata(resourceVersion=5))],
    "labels that are a list": [event("ADDED", metadata(labels=["a"]))],
    "a time that is none": [event("ADDED", metadata(creationTimestamp="yesterday"))],
    "a status that is text": [event("ADDED", changed(status="Running"))],
    "conditions that are an object": [event("ADDED", changed(status={"conditions": {"Ready": "True"}}))],
    "a condition without a type": [event("ADDED", changed(status={"conditions": [{"status": "True"}]}))],
    "a spec that is a list": [event("ADDED", changed(spec=[1]))],
    "a pod twice": [GOOD, GOOD],
    "a pod of nobody": [event("ADDED", metadata(labels=None, uid="other"))],
    "a pod that is deleted before it was added": [event("DELETED", metadata(uid="other", name="other", labels=None))],
    "a kind of event that nobody knows": [event("REWOUND", ready_pod(0))],
    "a bookmark": [event("BOOKMARK", BOOKMARK)],
    "a bookmark without a version": [event("BOOKMARK", {"kind": "Pod", "metadata": {}})],
    "an error 410": [event("ERROR", {"kind": "Status", "code": 410, "message": "too old"})],
    "an error 500": [event("ERROR", {"kind": "Status", "code": 500, "message": "etcd is away"})],
    "an error without a code": [event("ERROR", {"kind": "Status", "message": "x"})],
    "an error with a code that is none": [event("ERROR", {"kind": "Status", "code": "many"})],
    "an error that is text": [b'{"type": "ERROR", "object": "x"}\n'],
    "nothing": [],
}


def ready_later(api: ApiServer) -> Callable[[web.Request], Any]:
    """Admission that refuses the probe, and makes the five pods ready once the workload is created."""

    async def answer(request: web.Request) -> web.Response:
        if request.query.get("dryRun"):
            return status(403, f"{DENIED} for an image@sha256:0")
        api.items[PODS] = [ready_pod(number) for number in range(5)]
        api.later[PODS] += [event("ADDED", ready_pod(number)) for number in range(5)]
        return web.json_response({}, status=201)

    return answer


def outputs(api: ApiServer) -> dict[str, Any]:
    return {"kubeconfig": api.kubeconfig, "registry": "127.0.0.1:1", "targets": {}}


def pods_of(project: Project) -> list[str]:
    (folder,) = project.runs.iterdir()
    return sorted(json.loads(line)["end"] for line in (folder / "pods.jsonl").read_text().splitlines())


@pytest.mark.parametrize("name", SURVIVED)
def test_a_watch_that_breaks_once_costs_no_pod(
    project: Project, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    impatient(monkeypatch)
    with in_background(ApiServer()) as api:
        api.on_create = ready_later(api)
        api.watches[PODS] = [SURVIVED[name]]
        bring_up(project, outputs(api))
        said = csscgen(*load_words())
    assert said.code == 0, said.err
    assert "Traceback" not in said.err
    assert pods_of(project) == ["ready"] * 5


def told(**entries: Any) -> dict[str, Any]:
    """An event of Kubernetes in which entries are replaced; what is `...` is left out."""
    merged = {**failed_create("ReplicaSet", "other-0", DENIAL), **entries}
    return {key: value for key, value in merged.items() if value is not ...}


EVENT: dict[str, dict[str, Any]] = {
    "without an object that it is about": told(involvedObject=...),
    "about text": told(involvedObject="pod"),
    "without a message": told(message=...),
    "with a message that is a list": told(message=[1]),
    "without a count": told(count=...),
    "with a count that is text": told(count="many"),
    "with a count below nothing": told(count=-5),
    "with a count of 10^12": told(count=10**12),
    "without a uid": told(metadata={"name": "e", "resourceVersion": "1"}),
    "without a reason": told(reason=None),
    "of 1 MB": told(message="x" * 1_000_000),
}


@pytest.mark.parametrize("name", EVENT)
def test_an_event_that_is_odd_costs_no_pod(
    project: Project, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    impatient(monkeypatch)
    with in_background(ApiServer()) as api:
        api.on_create = ready_later(api)
        api.watches[EVENTS] = [[event("ADDED", EVENT[name])]]
        bring_up(project, outputs(api))
        said = csscgen(*load_words())
    assert said.code == 0, said.err
    assert pods_of(project) == ["ready"] * 5
    (folder,) = project.runs.iterdir()
    assert all(isinstance(json.loads(line), dict) for line in (folder / "events.jsonl").read_text().splitlines())


class Broken(NamedTuple):
    """What a watch is answered again and again, and what is said of it in the end."""

    answer: Callable[[], list[bytes] | web.Response]
    says: tuple[str, ...]


NO_LIST = "with what is no list"
FOR_GOOD = "The watch of /api/v1/pods broke off for good"
REFUSED = "The API server refuses the watch of /api/v1/pods with"
BROKEN: dict[str, Broken] = {
    "401": Broken(lambda: status(401, "Unauthorized"), (f"{REFUSED} 401: Unauthorized",)),
    "403 in HTML": Broken(lambda: web.Response(status=403, text="<html>no"), (f"{REFUSED} 403: <html>no",)),
    "404": Broken(lambda: status(404, "no such page"), (f"{REFUSED} 404",)),
    "sent on": Broken(
        lambda: web.Response(status=302, headers={"Location": "http://example.com/"}), (f"{REFUSED} 302",)
    ),
    "429": Broken(lambda: status(429, "too many requests"), (FOR_GOOD, "too many requests")),
    "500": Broken(lambda: status(500, "etcdserver: leader changed"), (FOR_GOOD, "leader changed")),
    "503 without a word": Broken(lambda: web.Response(status=503), (FOR_GOOD,)),
    "no events": Broken(lambda: [b"<html>\n"], (FOR_GOOD, "sent what is no event: '<html>'")),
    "pods without a uid": Broken(
        lambda: [event("ADDED", metadata(uid=...))], (FOR_GOOD, "missing required field `uid` - at `$.object.metadata`")
    ),
    "pods with a time that is none": Broken(
        lambda: [event("ADDED", metadata(creationTimestamp="x"))],
        (FOR_GOOD, "Invalid RFC3339 encoded datetime", "$.object.metadata.creationTimestamp"),
    ),
    "errors of 10 MB": Broken(lambda: [event("ERROR", {"code": 500, "message": "x" * MB_10})], (FOR_GOOD, "xxx…")),
    "escapes of a terminal": Broken(lambda: status(500, "\x1b[2J"), (FOR_GOOD,)),
    "errors for ever": Broken(lambda: [event("ERROR", {"code": 504, "message": "timeout"})], (FOR_GOOD, "timeout")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_watch_that_stays_broken_ends_the_load_with_a_sentence(
    project: Project, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    impatient(monkeypatch)
    with in_background(ApiServer()) as api:
        api.on_create = ready_later(api)
        api.watches[PODS] = [[GOOD], *(BROKEN[name].answer() for _ in range(20))]
        bring_up(project, outputs(api))
        said = csscgen(*load_words())
    text = message(said)
    assert said.code == 1
    assert all(words in text for words in BROKEN[name].says), text
    assert "ready" in pods_of(project), "what was seen before is lost"


LISTS: dict[str, Broken] = {
    "HTML": Broken(lambda: web.Response(text="<html>"), (NO_LIST, "<html>")),
    "a list": Broken(lambda: web.json_response([]), (NO_LIST,)),
    "an object without items": Broken(lambda: web.json_response({"metadata": {}}), (NO_LIST,)),
    "items that are an object": Broken(
        lambda: web.json_response({"metadata": {"resourceVersion": "1"}, "items": {"a": 1}}), (NO_LIST,)
    ),
    "items that are text": Broken(
        lambda: web.json_response({"metadata": {"resourceVersion": "1"}, "items": ["a"]}), (NO_LIST, "$.items[0]")
    ),
    "a version that is a number": Broken(
        lambda: web.json_response({"metadata": {"resourceVersion": 1}, "items": []}), (NO_LIST,)
    ),
    "a next page that is a number": Broken(
        lambda: web.json_response({"metadata": {"resourceVersion": "1", "continue": 5}, "items": []}),
        (NO_LIST,),
    ),
    "the same page for ever": Broken(
        lambda: web.json_response({"metadata": {"resourceVersion": "1", "continue": "x"}, "items": []}),
        ("the same page", "again and again"),
    ),
    "a pod without a uid": Broken(
        lambda: listed(metadata(uid=...)), (NO_LIST, "missing required field `uid` - at `$.items[0].metadata`")
    ),
    "a body cut off": Broken(
        lambda: web.Response(text='{"metadata": {"resourceVersion": "1"}, "items": ['), (NO_LIST,)
    ),
    "403": Broken(lambda: status(403, "pods is forbidden"), ("refuses the watch", "403", "pods is forbidden")),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_none_ends_the_load_before_it_begins(
    project: Project, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    impatient(monkeypatch)
    with in_background(ApiServer()) as api:
        api.on_create = ready_later(api)
        answers = [LISTS[name].answer() for _ in range(50)]
        api.faults[PODS] = [answer for answer in answers if isinstance(answer, web.Response)]
        bring_up(project, outputs(api))
        said = csscgen(*load_words())
        assert not [each for each in api.created if "dryRun" not in each], "load was sent that nobody watches"
    text = message(said)
    assert said.code == 1
    assert all(words in text for words in LISTS[name].says), text

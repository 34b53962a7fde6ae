from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from csscgen import cluster as module
from csscgen.cluster import ApiError, Cluster, Watcher
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.pods import pod
from tests.csscgen.servers import PODS, ApiServer, event, kubeconfig, status
from workloads.errors import ClusterError

Told = list[tuple[str, str]]


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


@asynccontextmanager
async def watching(api: ApiServer) -> AsyncIterator[tuple[Watcher, Told, asyncio.Task[None]]]:
    """A watcher of pods, and what it has told: kind and name."""
    told: Told = []
    async with Cluster(api.kubeconfig) as cluster:
        watcher = Watcher(cluster, PODS, {"labelSelector": "a=b"})
        task = asyncio.create_task(watcher.run(lambda kind, item, _: told.append((kind, item["metadata"]["name"]))))
        try:
            yield watcher, told, task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, ClusterError):
                await task


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynchronous
async def test_a_list_is_read_page_by_page():
    async with ApiServer() as api, Cluster(api.kubeconfig) as cluster:
        api.items[PODS] = [pod(number) for number in range(1203)]
        items, version = await cluster.list(PODS, {"labelSelector": "a=b"})
        assert (len(items), version) == (1203, "100")
        assert [page.get("continue") for page in api.lists] == [None, "500", "1000"]
        assert {page["labelSelector"] for page in api.lists} == {"a=b"}


@asynchronous
async def test_an_empty_list_may_be_null():
    async with ApiServer() as api, Cluster(api.kubeconfig) as cluster:
        api.faults[PODS] = [web.json_response({"metadata": {"resourceVersion": "7"}, "items": None})]
        assert await cluster.list(PODS, {}) == ([], "7")


@pytest.mark.parametrize("answer", ["<html>", "[]", "{}", '{"items": [], "metadata": null}'])
@asynchronous
async def test_what_is_no_list_is_told(answer: str):
    async with ApiServer() as api, Cluster(api.kubeconfig) as cluster:
        api.faults[PODS] = [web.Response(text=answer)]
        with pytest.raises(ClusterError, match="what is no (list|JSON object)"):
            await cluster.list(PODS, {})


@asynchronous
async def test_a_token_is_sent():
    async with ApiServer() as api, Cluster(kubeconfig(api.url, "secret-token")) as cluster:
        await cluster.list(PODS, {})
        assert api.headers[0]["Authorization"] == "Bearer secret-token"


@asynchronous
async def test_an_error_status_has_the_servers_words_and_its_code():
    async with ApiServer() as api, Cluster(api.kubeconfig) as cluster:
        api.faults[PODS] = [status(409, "already exists"), web.Response(text="bad gateway", status=502)]
        for code, words in ((409, "already exists"), (502, "bad gateway")):
            with pytest.raises(ApiError, match=words) as caught:
                await cluster.list(PODS, {})
            assert caught.value.code == code


@asynchronous
async def test_no_answer_names_the_server_and_the_request():
    async with Cluster(kubeconfig("http://127.0.0.1:1")) as cluster:
        with pytest.raises(ClusterError, match=r"at http://127\.0\.0\.1:1 did not answer GET /api/v1/pods"):
            await cluster.list(PODS, {})


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"current-context": "x"}', kubeconfig("http://h")[:-20]])
def test_a_kubeconfig_that_cannot_be_used(text: str):
    with pytest.raises(ClusterError, match="kubeconfig cannot be used"):
        Cluster(text)


@asynchronous
async def test_what_was_there_is_listed_and_what_comes_is_told():
    async with ApiServer() as api:
        api.items[PODS] = [pod(0)]
        api.watches[PODS] = [
            [event("ADDED", pod(1)), event("MODIFIED", pod(0)), bookmark(150), event("DELETED", pod(1))]
        ]
        async with watching(api) as (watcher, told, _):
            await until(lambda: len(told) == 4)
            assert watcher.listed.is_set()
        assert told == [
            ("LISTED", "ratify-0-0"),
            ("ADDED", "ratify-0-1"),
            ("MODIFIED", "ratify-0-0"),
            ("DELETED", "ratify-0-1"),
        ]
        assert {(asked["labelSelector"], asked["allowWatchBookmarks"]) for asked in api.watched} == {("a=b", "true")}


@asynchronous
async def test_a_watch_that_ends_goes_on_where_it_was_even_after_a_bookmark():
    async with ApiServer() as api:
        api.watches[PODS] = [[event("ADDED", pod(0, version=120))], [bookmark(150)], [event("ADDED", pod(1))]]
        async with watching(api) as (watcher, told, _):
            await until(lambda: len(told) == 2 and len(api.watched) == 4)
        assert [asked["resourceVersion"] for asked in api.watched] == ["100", "120", "150", "101"]
        assert (len(api.lists), watcher.relists) == (1, 0)


@asynchronous
async def test_a_server_that_ends_every_watch_at_once_is_not_asked_on_and_on():
    async with ApiServer() as api:
        api.watches[PODS] = [[] for _ in range(500)]
        async with watching(api):
            await asyncio.sleep(0.5)
        assert len(api.watched) <= 11


@asynchronous
async def test_events_that_come_in_pieces_are_put_together():
    lines = b"".join(event("ADDED", pod(number)) for number in range(5))
    async with ApiServer() as api:
        api.watches[PODS] = [[lines[start : start + 37] for start in range(0, len(lines), 37)]]
        async with watching(api) as (_, told, _):
            await until(lambda: len(told) == 5)
    assert told == [("ADDED", f"ratify-0-{number}") for number in range(5)]


@asynchronous
async def test_half_an_event_at_the_end_is_asked_for_again():
    line = event("ADDED", pod(0))
    async with ApiServer() as api:
        api.watches[PODS] = [[line[:50]], [line]]
        async with watching(api) as (_, told, _):
            await until(lambda: told)
    assert told == [("ADDED", "ratify-0-0")]
    assert [asked["resourceVersion"] for asked in api.watched][:2] == ["100", "100"]


GONE: dict[str, list[bytes] | web.Response] = {
    "a status": status(410, "too old resource version"),
    "an event": [event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})],
}


@pytest.mark.parametrize("how", GONE)
@asynchronous
async def test_a_version_that_is_too_old_is_listed_again_and_what_was_missed_is_told(how: str):
    async with ApiServer() as api:
        api.items[PODS] = [pod(0), pod(1)]
        api.watches[PODS] = [GONE[how], [event("ADDED", pod(3))]]
        async with watching(api) as (watcher, told, _):
            await until(lambda: len(told) == 2)
            api.items[PODS] = [pod(1), pod(2)]
            await until(lambda: len(told) == 6)
            assert (watcher.relists, watcher.interruptions) == (1, 0)
    assert told == [
        ("LISTED", "ratify-0-0"),
        ("LISTED", "ratify-0-1"),
        ("DELETED", "ratify-0-0"),
        ("MODIFIED", "ratify-0-1"),
        ("ADDED", "ratify-0-2"),
        ("ADDED", "ratify-0-3"),
    ]


@asynchronous
async def test_a_list_whose_next_page_is_gone_is_begun_anew():
    async with ApiServer() as api:
        api.faults[PODS] = [status(410, "the continue token is too old")]
        api.items[PODS] = [pod(0)]
        async with watching(api) as (_, told, _):
            await until(lambda: told)
    assert told == [("LISTED", "ratify-0-0")]


GARBAGE = [b"garbage\n", b"\n", b"[]\n", b'{"type": "ADDED"}\n', b'{"type": "ADDED", "object": {}}\n', b"\xff\xfe\n"]


@pytest.mark.parametrize("line", GARBAGE)
@asynchronous
async def test_a_line_that_is_no_event_makes_it_ask_again(line: bytes):
    async with ApiServer() as api:
        api.watches[PODS] = [[event("ADDED", pod(0)), line], [event("ADDED", pod(1))]]
        async with watching(api) as (_, told, _):
            await until(lambda: len(told) == 2)
    assert told == [("ADDED", "ratify-0-0"), ("ADDED", "ratify-0-1")]


@pytest.mark.parametrize("code", [429, 500, 503])
@asynchronous
async def test_a_server_with_too_much_to_do_is_asked_again(code: int):
    async with ApiServer() as api:
        api.items[PODS] = [pod(0)]
        api.faults[PODS] = [status(code, "later")]
        api.watches[PODS] = [
            status(code, "later"),
            [event("ERROR", {"code": code, "message": "later"})],
            [event("ADDED", pod(1))],
        ]
        async with watching(api) as (_, told, _):
            await until(lambda: len(told) == 2)


@asynchronous
async def test_a_server_that_is_away_for_a_while_is_waited_for():
    async with ApiServer() as api:
        told: Told = []
        async with Cluster(api.kubeconfig) as cluster:
            port = int(api.url.rpartition(":")[2])
            watcher = Watcher(cluster, PODS, {})
            task = asyncio.create_task(watcher.run(lambda kind, item, _: told.append((kind, item["metadata"]["name"]))))
            await watcher.listed.wait()
            await api.__aexit__()
            await asyncio.sleep(0.3)
            assert not task.done()
            app = web.Application()
            app.router.add_get("/{path:.*}", api._get)
            runner = web.AppRunner(app)
            await runner.setup()
            api.watches[PODS] = [[event("ADDED", pod(0))]]
            await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
            try:
                await until(lambda: told)
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                await runner.cleanup()


@pytest.mark.parametrize(("code", "words"), [(401, "Unauthorized"), (403, 'pods is forbidden: User "x" cannot list')])
@asynchronous
async def test_a_refusal_is_told_at_once(code: int, words: str):
    async with ApiServer() as api:
        api.faults[PODS] = [status(code, words)]
        async with watching(api) as (_, _, task):
            with pytest.raises(ApiError, match=rf"refuses the watch of {PODS} with {code}: {words}"):
                await asyncio.wait_for(task, 5)


@asynchronous
async def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_FAILURES", 2)  # it would take half a minute
    async with Cluster(kubeconfig("http://127.0.0.1:1")) as cluster:
        with pytest.raises(ClusterError, match="broke off for good"):
            await asyncio.wait_for(Watcher(cluster, PODS, {}).run(lambda *_: None), 10)


@asynchronous
async def test_an_error_of_the_caller_is_not_taken_for_one_of_the_server():
    def fail(kind: str, item: object, received: float) -> None:
        raise ValueError("a bug")

    async with ApiServer() as api, Cluster(api.kubeconfig) as cluster:
        api.items[PODS] = [pod(0)]
        with pytest.raises(ValueError, match="a bug"):
            await asyncio.wait_for(Watcher(cluster, PODS, {}).run(fail), 5)


@asynchronous
async def test_a_watch_that_is_refused_for_a_while_is_counted_and_gone_on_with():
    async with ApiServer() as api:
        api.watches[PODS] = [status(503, "no leader"), status(429, "too many requests"), [event("ADDED", pod(0))]]
        async with watching(api) as (watcher, told, _):
            await until(lambda: told)
            assert (watcher.relists, watcher.interruptions) == (0, 2)

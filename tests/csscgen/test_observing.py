from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from csscgen import observing
from csscgen.observing import Observer
from csscgen.scraping import Scraper, Target
from tests.csscgen.pods import denial, failed_create, pod, ready_pod
from tests.csscgen.servers import PODS, ApiServer, event, in_background, kubeconfig, plan, status
from workloads.errors import ClusterError, CollectError, DeadlineError

EVENTS = "/api/v1/events"
DEPLOYMENTS = "/apis/apps/v1/deployments"


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "observer"]


def observer(api: ApiServer, scraper: Scraper | None = None, **changes) -> Observer:
    return Observer(api.kubeconfig, plan(**changes), scraper or Scraper([], 30))


def nothing() -> None:
    pass


def test_it_waits_until_every_pod_is_ready(api: ApiServer):
    api.watches[PODS] = [
        [event("ADDED", pod(n)) for n in range(3)],
        [event("MODIFIED", ready_pod(n)) for n in range(3)],
    ]
    with observer(api) as seen:
        seen.wait(10, 15, 15, nothing)
    assert seen.tracker.ready == 3


def test_only_this_runs_objects_are_watched(api: ApiServer):
    with observer(api):
        pass
    selectors = {asked["path"]: asked.get("labelSelector") or asked.get("fieldSelector") for asked in api.lists}
    assert selectors == {
        PODS: "ratify-perf/run-id=run-1",
        DEPLOYMENTS: "ratify-perf/run-id=run-1",
        EVENTS: "type=Warning",
    }


def test_jobs_are_watched_where_the_plan_has_jobs(api: ApiServer):
    with observer(api, kind="job"):
        pass
    assert "/apis/batch/v1/jobs" in {asked["path"] for asked in api.lists}


def test_entering_returns_after_the_first_samples_and_leaving_after_the_last(api: ApiServer):
    scraper = Scraper([], 30)
    with observer(api, scraper) as seen:
        assert len(list(scraper.scrapes)) == 1
        entered = time.time()
    assert len(list(scraper.scrapes)) == 2
    assert [scrape.time < entered for scrape in scraper.scrapes] == [True, False]
    assert (seen.relists, seen.interruptions, seen.clock.jumps) == (0, 0, [])


def test_denials_are_given_up_after_the_quiet_time(api: ApiServer):
    api.watches[EVENTS] = [[event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial()))]]
    with observer(api) as seen:
        began = time.monotonic()
        seen.wait(10, 0.5, 0.5, nothing)
        assert time.monotonic() - began < 5
    assert seen.tracker.denied == 3


def test_denials_of_an_earlier_load_are_not_this_ones(api: ApiServer):
    api.items[EVENTS] = [failed_create("ReplicaSet", "ratify-0-a", denial())]
    with observer(api) as seen, pytest.raises(DeadlineError):
        seen.wait(0.5, 0.1, 0.1, nothing)
    assert (seen.tracker.denied, seen.tracker.events) == (0, [])


def test_the_deadline_says_how_many_pods_are_open(api: ApiServer):
    api.watches[PODS] = [[event("ADDED", ready_pod(0))]]
    told: list[float] = []
    with (
        observer(api) as seen,
        pytest.raises(DeadlineError, match=r"After 1\.3 s the outcome of 2 pods was still open"),
    ):
        seen.wait(1.3, 15, 15, lambda: told.append(time.monotonic()))
    assert len(told) == 2


def test_a_watch_that_is_refused_is_told_on_entering(api: ApiServer):
    api.faults[DEPLOYMENTS] = [status(403, "deployments.apps is forbidden")]
    with pytest.raises(ClusterError, match="refuses the watch of /apis/apps/v1/deployments with 403"):
        observer(api).__enter__()


def test_a_watch_that_breaks_off_for_good_is_told_to_who_waits(api: ApiServer):
    api.watches[PODS] = [[event("ADDED", pod(0))], status(403, "no longer")]
    with (
        observer(api) as seen,
        pytest.raises(ClusterError, match="refuses the watch of /api/v1/pods with 403: no longer"),
    ):
        seen.wait(10, 15, 15, nothing)


def test_a_scraper_that_cannot_begin_is_told_on_entering(api: ApiServer):
    client = {"ca": "/nonexistent", "certificate": ["/nonexistent", "/nonexistent"]}
    with pytest.raises(CollectError, match="The certificate"):
        observer(api, Scraper([], 30, client)).__enter__()


def test_a_scraper_that_breaks_is_told_to_who_waits(api: ApiServer):
    class Broken(Scraper):
        async def _read(self, *arguments) -> None:
            await super()._read(*arguments)
            if len(list(self.scrapes)) > 2:
                raise CollectError("The disk is full.")

    with observer(api, Broken([], 0.1)) as seen, pytest.raises(CollectError, match="The disk is full"):
        seen.wait(10, 15, 15, nothing)


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(observing, "START_SECONDS", 0.5)
    seen = Observer(kubeconfig("http://127.0.0.1:1"), plan(), Scraper([], 30))
    with pytest.raises(ClusterError, match="did not begin within"):
        seen.__enter__()


def test_leaving_does_not_wait_for_a_target_that_hangs_for_good(api: ApiServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(observing, "STOP_SECONDS", 0.3)
    scraper = Scraper([], 30)
    seen = observer(api, scraper)
    seen.__enter__()

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        scraper.targets = [Target("a", f"http://127.0.0.1:{silent.getsockname()[1]}/metrics")]
        began = time.monotonic()
        seen.__exit__()
        assert time.monotonic() - began < 5


def test_leaving_twice_or_without_entering_is_fine(api: ApiServer):
    seen = observer(api)
    seen.__exit__()
    with seen:
        pass
    seen.__exit__()


def test_an_observer_that_is_never_entered_holds_nothing(api: ApiServer):
    before = threading.active_count()
    observer(api)
    assert threading.active_count() == before

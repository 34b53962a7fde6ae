"""Watches and scrapes in the background, from before the load until its end is recorded.

It has a thread and an event loop of its own: the load itself may be a Pulumi program, which needs the main thread's. A
watch that broke off for good is told to whoever waits, and never taken for a run in which nothing happened.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Self

from csscgen.clocks import Clock
from csscgen.cluster import Cluster, Watcher
from csscgen.objects import ReplicaPod
from csscgen.replicas import Component, Replicas
from csscgen.scraping import Scraper, Target
from csscgen.tracking import Tracker
from workloads.errors import ClusterError, DeadlineError, ProjectError
from workloads.ratify.objects import RUN_LABEL, Plan
from workloads.resources import KINDS

START_SECONDS = 30.0
STOP_SECONDS = 30.0
CANCEL_SECONDS = 5.0
POLL_SECONDS = 0.1
TELL_SECONDS = 1.0


class Observer:
    """Follows one plan on one cluster; use it as a context manager.

    Entering returns when the first LIST of every kind and the first round of scrapes are through, so that nothing of
    the load is missed.
    """

    def __init__(
        self,
        kubeconfig: str,
        plan: Plan,
        scraper: Scraper,
        tracker: Tracker | None = None,
        replicas: Replicas | None = None,
    ) -> None:
        """``replicas`` are the pods whose metrics are read beside the scraper's targets."""
        self.tracker = tracker or Tracker(plan)
        self.scraper = scraper
        self.replicas = replicas
        self.clock = Clock()
        self.relists = 0
        self.interruptions = 0
        """How often the watches began again from a LIST, and how often one broke off."""
        self._plan = plan
        self._kubeconfig = kubeconfig
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: Future[None] | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="observer", daemon=True)
        self._thread.start()
        ready = threading.Event()
        try:
            self._work = asyncio.run_coroutine_threadsafe(self._observe(ready), self._loop)
            end = time.monotonic() + START_SECONDS
            while not ready.wait(POLL_SECONDS):
                self._check()
                if time.monotonic() > end:
                    raise ClusterError(f"Watching the cluster did not begin within {START_SECONDS:.0f} s.")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Takes the last samples and stops. Does nothing if it was not entered, or was left already."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        loop.call_soon_threadsafe(self._stopping.set)
        try:
            if self._work is not None:
                self._work.result(STOP_SECONDS)
        except (ProjectError, TimeoutError):
            pass  # told by wait(), or by what is missing in the result
        finally:
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(CANCEL_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(CANCEL_SECONDS)
            if not loop.is_running():
                loop.close()

    def wait(
        self, deadline_seconds: float, quiet_seconds: float, retry_seconds: float, on_poll: Callable[[], None]
    ) -> None:
        """Returns when every pod's outcome is known; ``on_poll`` is called every second until then.

        Raises DeadlineError if it is not in time, ClusterError if the watch broke off.
        """
        end = time.monotonic() + deadline_seconds
        told = 0.0
        while not self.tracker.settled(quiet_seconds, retry_seconds):
            self._check()
            if time.monotonic() > end:
                raise DeadlineError(
                    f"After {deadline_seconds:g} s the outcome of {self.tracker.outstanding()} pods was still open. "
                    "The report has what was measured; raise load.deadlineSeconds if they only needed longer."
                )
            if time.monotonic() - told >= TELL_SECONDS:
                told = time.monotonic()
                on_poll()
            time.sleep(POLL_SECONDS)

    def _check(self) -> None:
        if self._work is not None and self._work.done():
            self._work.result()

    async def _observe(self, ready: threading.Event) -> None:
        ours = {"labelSelector": f"{RUN_LABEL}={self._plan.run_id}"}
        scraped = asyncio.Event()
        async with Cluster(self._kubeconfig) as cluster:
            watchers = {
                Watcher(cluster, "/api/v1/pods", ours): self.tracker.on_pod,
                Watcher(cluster, KINDS[self._plan.kind].path(), ours): self.tracker.on_workload,
                Watcher(cluster, "/api/v1/events", {"fieldSelector": "type=Warning"}): self.tracker.on_event,
            }
            watching = [asyncio.create_task(watcher.run(follow)) for watcher, follow in watchers.items()]
            found = self._follow_replicas(cluster)
            watching += found.values()
            scraping = asyncio.create_task(self._scrape(list(found), scraped))
            ticking = asyncio.create_task(self.clock.follow())
            try:
                beginnings = [watcher.listed.wait() for watcher in watchers] + [scraped.wait()]
                beginning = asyncio.gather(*beginnings)
                first: list[asyncio.Future[Any]] = [beginning, scraping, *watching]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                if beginning.done():
                    ready.set()
                # The watches end only by failing, the scraper that way or when it is told to stop.
                await asyncio.wait([scraping, *watching], return_when=asyncio.FIRST_COMPLETED)
                for task in (scraping, *watching):
                    if task.done():
                        task.result()
            finally:
                self._stopping.set()
                for task in (ticking, *watching):
                    task.cancel()
                beginning.cancel()
                await asyncio.gather(beginning, ticking, scraping, *watching, return_exceptions=True)
                self.clock.read()
                every = [*watchers, *found]
                self.relists = sum(watcher.relists for watcher in every)
                self.interruptions = sum(watcher.interruptions for watcher in every)

    def _follow_replicas(self, cluster: Cluster) -> dict[Watcher, asyncio.Task[None]]:
        """Starts to follow the pods of Ratify and Gatekeeper, if there are such; what is found becomes a target."""
        replicas = self.replicas
        if replicas is None:
            return {}
        replicas.add = self._add
        replicas.drop = self.scraper.drop

        async def follow(watcher: Watcher, component: Component) -> None:
            try:
                await watcher.run(partial(replicas.follow, component))
            except ClusterError as error:  # their figures are what is lost, and not the run
                replicas.problems[component.name] = str(error)
                watcher.listed.set()
                await asyncio.Event().wait()

        watchers = {Watcher(cluster, each.path, each.query, ReplicaPod): each for each in replicas.components}
        return {watcher: asyncio.create_task(follow(watcher, each)) for watcher, each in watchers.items()}

    def _add(self, target: Target, late: bool) -> None:
        self.scraper.add(target, late=late)

    async def _scrape(self, replicas: list[Watcher], scraped: asyncio.Event) -> None:
        """Scrapes from when it is known which replicas there are."""
        for watcher in replicas:
            await watcher.listed.wait()
        if self.replicas is not None:
            self.replicas.begin()
        await self.scraper.run(self._stopping, scraped)


async def _cancel_all() -> None:
    """Ends what is still under way on this loop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

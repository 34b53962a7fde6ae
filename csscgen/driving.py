"""The middle of a run: arm the watches and scrapers, send the load, wait until every pod's outcome is known.

Leaves pods.jsonl, requests.jsonl, events.jsonl and metrics.parquet in the run's folder, whatever happens on the way:
what was measured before something broke is what explains it. All of it is on disk as it comes (checkpoints.py,
spools.py), so that a harness that is killed does not take it along.
"""

from __future__ import annotations

import re
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from csscgen import spools
from csscgen.arming import DEADLINE_SECONDS, await_enforcement
from csscgen.awaiting import Awaiting
from csscgen.checkpoints import Checkpoints
from csscgen.context import Context
from csscgen.faults import Faults
from csscgen.kubeconfigs import Login
from csscgen.loading import Request, named, send
from csscgen.observing import Observer
from csscgen.replicas import Component, Replicas
from csscgen.resuming import Watched
from csscgen.runs import Run
from csscgen.scraping import Scraper, Target
from csscgen.sharding.plans import ShardPlan
from csscgen.sharding.processes import begin, send_in_shards
from csscgen.spools import Spool
from csscgen.surroundings import METRICS, look
from csscgen.templates import Template
from csscgen.tracking import Tracker
from infra.engine import StepEvent
from workloads.errors import DeadlineError, EngineError
from workloads.ratify.causes import refused
from workloads.ratify.metrics import APISERVER
from workloads.ratify.objects import workload_objects
from workloads.schedules import remaining, work_out

WORKLOAD = re.compile(r"workload-(\d+)")


def drive(context: Context, run: Run, before: Watched | None = None) -> None:
    """Arms, loads and settles, and records what happened; goes on with what was watched ``before`` the run was cut off.

    Raises DeadlineError after recording if pods were still open at the deadline; ClusterError or EngineError if the
    cluster or the load itself failed.
    """
    outputs, shared = context.outputs(), context.shared_outputs()
    settings = context.settings
    targets = [*Target.of(outputs), *(Target.of(shared) if context.stack.shared else [])]
    spool = Spool(run.folder)
    scraper = Scraper(targets, settings.monitoring.scrapeSeconds, outputs.get("metricsClient"), spool)
    tracker = before.tracker(settings.plan) if before else Tracker(settings.plan)
    requests: list[Request] = list(before.requests) if before else []
    faults = Faults(() if before else settings.faults, outputs, shared, scraper.follow, run.folder)
    usage = Usage(lambda: run.journal.write("sent"), faults.start)
    observer = Observer(outputs["kubeconfig"], settings.plan, scraper, tracker)
    checkpoints = Checkpoints(run.folder, tracker, requests)
    try:
        with run.phase(context.progress, "arm"):
            observer.replicas = _replicas(context, run, outputs, scraper)
            if not before:  # else the load itself is what was asked of admission
                await_enforcement(
                    outputs["kubeconfig"],
                    settings.plan,
                    outputs["registry"],
                    DEADLINE_SECONDS[settings.platform],
                    mutation=settings.gatekeeper.mutation,
                    on_poll=context.progress.update,
                )
            observer.__enter__()
        try:
            with checkpoints.kept():
                if not (before and before.loaded):
                    with run.phase(context.progress, "load"):
                        _load(context, run, outputs, observer.tracker, usage, requests)
                with run.phase(context.progress, "settle"):
                    _settle(context, run, observer, usage)
        finally:
            began = [before.sent] if before else [usage.began] if usage.began else []
            if first := min([*began, *(request.sent for request in requests)], default=None):
                run.window = {"start": first, "end": time.time()}
            usage.end()
    finally:
        try:
            try:
                faults.close()  # what was hit is back when the last samples are taken
            finally:
                observer.__exit__()
        finally:
            with run.shielded():
                run.harness = usage.figures()
                before_it = run.watch or {}
                seen = {"relists": observer.relists, "interruptions": observer.interruptions}
                run.watch = {key: count + before_it.get(key, 0) for key, count in seen.items()}
                run.clock_jumps = [*(run.clock_jumps or ()), *observer.clock.record()]
                if replicas := observer.replicas:
                    run.unscraped.update(replicas.unscraped({*scraper.latest, *scraper.names}))
                    run.versions.update(replicas.versions())
                run.save()
                spool.close()
                checkpoints.write()
                spools.publish(run.folder)


def _replicas(context: Context, run: Run, outputs: dict[str, Any], scraper: Scraper) -> Replicas | None:
    """The pods to follow on a cluster, whose API server becomes a target; None on one machine, which has none."""
    if context.settings.platform == "local":
        return None
    login = Login(outputs["kubeconfig"])
    around = look(outputs["kubeconfig"])
    run.cluster = around.record()
    run.unscraped = {}
    if APISERVER not in scraper.names:
        if around.unread:
            run.unscraped[APISERVER] = around.unread
        else:
            scraper.add(Target(APISERVER, f"{login.server}{METRICS}", None, login), late=False)
    return Replicas(Component.of(outputs), login.server, login, run.folder)


def _settle(context: Context, run: Run, observer: Observer, usage: Usage) -> None:
    live = Live(observer)
    load = context.settings.load
    try:
        observer.wait(
            load.deadlineSeconds,
            load.quietSeconds,
            load.retrySeconds,
            lambda: context.progress.update(live.text()),
        )
    except DeadlineError:
        run.deadline_passed = True
        raise
    finally:
        context.progress.say(f"  {live.text()}")


def _load(
    context: Context, run: Run, outputs: dict[str, Any], tracker: Tracker, usage: Usage, requests: list[Request]
) -> None:
    """Sends the load in the way that the settings ask for; ``requests`` gets what is answered, broken off or not."""
    plan, load, host = context.settings.plan, context.settings.load, outputs["registry"]
    bodies = Template(load.template).objects(plan, host) if load.template else workload_objects(plan, host)
    again = bool(requests)
    lock = threading.Lock()

    def answered(request: Request) -> None:
        with lock:
            requests.append(request)
            if request.status == "deleted":
                tracker.expect_again(request.workload)
            elif request.status == "failed" and request.verb != "delete":
                tracker.refuse(request.workload, request.message or "refused")
        context.progress.update(f"{request.object} {request.status}")

    if load.mode == "created" and load.shards > 1:
        done = tuple(sorted(_sent(bodies, requests)))
        shards = ShardPlan(plan, host, load.schedule, load.shards, begin(plan.shards), done, again)
        for each in send_in_shards(shards, outputs["kubeconfig"], run.folder, usage.start, answered):
            usage.add(each)
    elif load.mode == "created":
        usage.start()
        parts = remaining(work_out(load.schedule, len(bodies)), _sent(bodies, requests))
        send(outputs["kubeconfig"], bodies, parts, answered, again=again)
    else:
        _declare(context, bodies, usage, answered)


def _sent(bodies: list[dict[str, Any]], requests: list[Request]) -> set[tuple[int, int]]:
    """What a run that was cut off had created, by phase and place; of a churn, what it had created again."""
    places = {named(body): place for place, body in enumerate(bodies)}
    created = [request for request in requests if request.status == "created" and request.object in places]
    return {(request.phase or 0, places[request.object]) for request in created}


def _declare(context: Context, bodies: list[dict[str, Any]], usage: Usage, answered: Callable[[Request], None]) -> None:
    """Lets the Pulumi program declare the workloads; the engine's steps tell when each was sent and answered."""
    started: dict[int, float] = {}
    failed: list[StepEvent] = []
    lock = threading.Lock()

    awaiting = Awaiting(context.progress.update)

    def follow(event: StepEvent) -> None:
        awaiting.follow(event)
        match = WORKLOAD.fullmatch(event.name)
        with lock:
            if event.status == "failed":
                failed.append(event)
            if match and event.status == "started":
                usage.start()
                started[int(match[1])] = event.at
            first = min(started.values(), default=event.at)  # all of them are due when the first is sent
        if match and event.status != "started" and (sent := started.get(int(match[1]))):
            status = "failed" if event.status == "failed" else "created"
            answered(Request(named(bodies[int(match[1])]), first, sent, event.at, status, event.message))

    loaded = context.changed(load={"start": True})
    try:
        with awaiting:
            loaded.engine.up(loaded.stack.name, loaded.stack.config, follow)
    except EngineError:
        # A workload that admission refuses is a result. Whatever else failed is an error.
        if not failed or not all(WORKLOAD.fullmatch(e.name) and refused(e.message or "") for e in failed):
            raise


class Live:
    """The live line: pods by outcome, verifications per second, throttled requests."""

    _VERIFIED = re.compile(
        rb"^ratify_verification_request(?:_millisecond)?_count(?:\{[^}]*\})? ([\d.e+]+)", re.MULTILINE
    )
    _THROTTLED = {
        "registry": re.compile(rb'^registry_requests_total\{[^}]*status="429"[^}]*\} ([\d.e+]+)', re.MULTILINE),
        "ratify": re.compile(
            rb'^ratify_registry_request_count(?:_total)?\{[^}]*status_code="429"[^}]*\} ([\d.e+]+)', re.MULTILINE
        ),
    }
    """Whose count it is: the registry's own, or that of who asks it, where the registry has no page."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._began = time.monotonic()
        self._first = self._sum("ratify", self._VERIFIED) or 0.0

    def text(self) -> str:
        """How things stand."""
        tracker = self._observer.tracker
        seconds = max(time.monotonic() - self._began, 0.1)
        told = [
            f"{tracker.ready} of {sum(tracker.expected.values())} pods ready, {tracker.refusals} refusals so far, "
            f"{tracker.failed} failed"
        ]
        if (verified := self._sum("ratify", self._VERIFIED)) is not None:
            told.append(f"{(verified - self._first) / seconds:.0f} verifications/s")
        throttled = (self._sum(component, pattern) for component, pattern in self._THROTTLED.items())
        if (count := next((each for each in throttled if each is not None), None)) is not None:
            told.append(f"{count:.0f} answers 429")
        return "; ".join(told)

    def _sum(self, component: str, pattern: re.Pattern[bytes]) -> float | None:
        """The sum over a component's pages; None if it has none."""
        pages = [page for name, page in list(self._observer.scraper.latest.items()) if name.startswith(component)]
        return sum(float(value) for page in pages for value in pattern.findall(page)) if pages else None


class Usage:
    """What the harness itself takes: CPU of this process from the first object that is sent until the run settles.

    With it what the processes of the load's shards take.
    """

    def __init__(self, *on_start: Callable[[], None]) -> None:
        """``on_start`` are called when the first object is sent."""
        self._on_start = on_start
        self._start: float | None = None
        self._window: float | None = None
        self._shards: Counter[str] = Counter()
        self.began: float | None = None
        """When the first object was sent, epoch seconds."""

    def start(self) -> None:
        """The first object is sent; later calls change nothing."""
        if self._start is None:
            self._start = time.process_time()
            self.began = time.time()
            for begin in self._on_start:
                begin()

    def end(self) -> None:
        """The outcome of every pod is known, or waiting is over."""
        if self._start is not None and self._window is None:
            self._window = time.process_time() - self._start

    def add(self, shard: Mapping[str, float]) -> None:
        """What a shard of the load has taken: the last line that it told."""
        self._shards.update({key: shard[key] for key in ("cpu_seconds", "window_cpu_seconds", "peak_rss_bytes")})

    def figures(self) -> dict[str, float | None]:
        """For run.json: seconds and bytes."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        shards = self._shards
        return {
            "cpu_seconds": usage.ru_utime + usage.ru_stime + shards["cpu_seconds"],
            "peak_rss_bytes": float(usage.ru_maxrss * 1024) + shards["peak_rss_bytes"],
            "window_cpu_seconds": None if self._window is None else self._window + shards["window_cpu_seconds"],
        }

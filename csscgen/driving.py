"""The middle of a run: arm the watches and scrapers, send the load, wait until every pod's outcome is known.

Leaves pods.jsonl, requests.jsonl, events.jsonl and metrics.parquet in the run's folder, whatever happens on the way:
what was measured before something broke is what explains it.
"""

from __future__ import annotations

import json
import re
import resource
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from analysis.files import write_atomically
from analysis.samples import SampleWriter
from csscgen.arming import await_enforcement
from csscgen.context import Context
from csscgen.loading import Request, create
from csscgen.observing import Observer
from csscgen.runs import Run
from csscgen.scraping import Scraper, Target
from csscgen.tracking import Tracker
from infra.engine import StepEvent
from workloads.errors import DeadlineError, EngineError
from workloads.ratify.causes import refused
from workloads.ratify.objects import workload_objects

WORKLOAD = re.compile(r"workload-(\d+)")


def drive(context: Context, run: Run) -> None:
    """Arms, loads and settles, and records what happened.

    Raises DeadlineError after recording if pods were still open at the deadline; ClusterError or EngineError if the
    cluster or the load itself failed.
    """
    outputs, shared = context.outputs(), context.shared_outputs()
    settings = context.settings
    targets = [*Target.of(outputs), *(Target.of(shared) if context.stack.shared else [])]
    scraper = Scraper(targets, settings.monitoring.scrapeSeconds, outputs.get("metricsClient"))
    usage = Usage()
    requests: list[Request] = []
    observer = Observer(outputs["kubeconfig"], settings.plan, scraper)
    try:
        with run.phase(context.progress, "arm"):
            await_enforcement(
                outputs["kubeconfig"], settings.plan, outputs["registry"], mutation=settings.gatekeeper.mutation
            )
            observer.__enter__()
        try:
            with run.phase(context.progress, "load"):
                _load(context, outputs, observer.tracker, usage, requests)
            with run.phase(context.progress, "settle"):
                _settle(context, run, observer, usage)
        finally:
            if requests:
                run.window = {"start": min(request.sent for request in requests), "end": time.time()}
            usage.end()
    finally:
        try:
            observer.__exit__()
        finally:
            run.harness = usage.figures()
            run.save()
            _record(run.folder, observer.tracker, requests, scraper)


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


def _load(context: Context, outputs: dict[str, Any], tracker: Tracker, usage: Usage, requests: list[Request]) -> None:
    """Sends the load in the way that the settings ask for; ``requests`` gets what is answered, broken off or not."""
    settings = context.settings
    bodies = workload_objects(settings.plan, outputs["registry"])

    def answered(request: Request) -> None:
        requests.append(request)
        if request.status == "failed":
            tracker.refuse(request.workload, request.message or "refused")
        context.progress.update(f"{request.object} {request.status}")

    if settings.load.mode == "created":
        usage.start()
        create(outputs["kubeconfig"], bodies, settings.load.rate, answered)
    else:
        for request in _declare(context, bodies, usage):
            answered(request)


def _declare(context: Context, bodies: list[dict[str, Any]], usage: Usage) -> list[Request]:
    """Lets the Pulumi program declare the workloads; the engine's steps tell when each was sent and answered."""
    started: dict[int, float] = {}
    ended: dict[int, StepEvent] = {}
    failed: list[StepEvent] = []
    lock = threading.Lock()

    def follow(event: StepEvent) -> None:
        with lock:
            if event.status == "failed":
                failed.append(event)
            if match := WORKLOAD.fullmatch(event.name):
                if event.status == "started":
                    usage.start()
                    started[int(match[1])] = event.at
                else:
                    ended[int(match[1])] = event

    loaded = context.changed(load={"start": True})
    try:
        loaded.engine.up(loaded.stack.name, loaded.stack.config, follow)
    except EngineError:
        # A workload that admission refuses is a result. Whatever else failed is an error.
        if not failed or not all(WORKLOAD.fullmatch(e.name) and refused(e.message or "") for e in failed):
            raise
    first = min(started.values(), default=time.time())
    return [
        Request(
            f"{body['kind'].lower()}/{body['metadata']['namespace']}/{body['metadata']['name']}",
            first,
            started[shard],
            ended[shard].at,
            "failed" if ended[shard].status == "failed" else "created",
            ended[shard].message,
        )
        for shard, body in enumerate(bodies)
        if shard in started and shard in ended
    ]


class Live:
    """The live line: pods by outcome, verifications per second, throttled requests."""

    _VERIFIED = re.compile(
        rb"^ratify_verification_request(?:_millisecond)?_count(?:\{[^}]*\})? ([\d.e+]+)", re.MULTILINE
    )
    _THROTTLED = re.compile(rb'^registry_requests_total\{[^}]*status="429"[^}]*\} ([\d.e+]+)', re.MULTILINE)

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._began = time.monotonic()
        self._first = self._sum("ratify", self._VERIFIED)

    def text(self) -> str:
        """How things stand."""
        tracker = self._observer.tracker
        seconds = max(time.monotonic() - self._began, 0.1)
        rate = (self._sum("ratify", self._VERIFIED) - self._first) / seconds
        throttled = self._sum("registry", self._THROTTLED)
        return (
            f"{tracker.ready} of {sum(tracker.expected.values())} pods ready, {tracker.denied} denied, "
            f"{tracker.failed} failed; {rate:.0f} verifications/s; {throttled:.0f} answers 429"
        )

    def _sum(self, component: str, pattern: re.Pattern[bytes]) -> float:
        pages = [page for name, page in list(self._observer.scraper.latest.items()) if name.startswith(component)]
        return sum(float(value) for page in pages for value in pattern.findall(page))


class Usage:
    """What the harness itself takes: CPU of this process from the first object that is sent until the run settles."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._window: float | None = None

    def start(self) -> None:
        """The first object is sent; later calls change nothing."""
        if self._start is None:
            self._start = time.process_time()

    def end(self) -> None:
        """The outcome of every pod is known, or waiting is over."""
        if self._start is not None and self._window is None:
            self._window = time.process_time() - self._start

    def figures(self) -> dict[str, float | None]:
        """For run.json: seconds and bytes."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_rss_bytes": float(usage.ru_maxrss * 1024),
            "window_cpu_seconds": self._window,
        }


def _record(folder: Path, tracker: Tracker, requests: Iterable[Request], scraper: Scraper) -> None:
    _lines(folder / "pods.jsonl", tracker.records())
    _lines(folder / "requests.jsonl", (request.record() for request in requests))
    _lines(folder / "events.jsonl", tracker.events)
    with SampleWriter(folder / "metrics.parquet") as writer:
        scraper.write(writer)


def _lines(file: Path, records: Iterable[dict[str, Any]]) -> None:
    write_atomically(file, "".join(f"{json.dumps(record)}\n" for record in records).encode())

"""After the load: logs of every component, who got in unverified, and what Prometheus saw where there is one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from csscgen import httpconfigs, podlogs, profiles
from csscgen.auditing import collect_admissions
from csscgen.context import Context
from csscgen.prometheus import Prometheus
from csscgen.replicas import Component
from csscgen.runs import Run
from workloads.errors import CollectError

COUNTERS = {
    "verification_requests": "{__name__=~'ratify_verification_request(_millisecond)?_count'}",
    "gatekeeper_validations": "gatekeeper_validation_request_count_total",
    "apiserver_requests": "apiserver_request_total",
}
"""Asked of a Prometheus over the window, as a second opinion on what the harness scraped itself."""


def collect(context: Context, run: Run) -> None:
    """Brings logs, admissions and Prometheus' answers into the run's folder.

    Raises CollectError if a log cannot be copied, or a Prometheus that the stack has does not answer.
    """
    outputs, shared = context.outputs(), context.shared_outputs()
    logs = run.folder / "logs"
    logs.mkdir(exist_ok=True)
    for name, target in {**(outputs.get("targets") or {}), **(shared.get("targets") or {})}.items():
        try:
            if target.get("log") and (log := Path(target["log"])).exists():
                shutil.copyfile(log, logs / f"{name}.log")
        except OSError as error:
            raise CollectError(f"The log of {name} could not be copied: {error}") from error
    if components := Component.of(outputs):
        for told in podlogs.collect(outputs["kubeconfig"], components, run.folder):
            context.progress.say(f"  {told}")
    collect_admissions(outputs.get("audit"), run)
    if not run.window:
        return
    prometheus = Prometheus.of(outputs, httpconfigs.of(context))
    seconds = context.settings.monitoring.scrapeSeconds
    if run.profile:
        profiles.collect(run.folder, run.profile, prometheus, run.window, seconds)
    # Of a load that nobody watched the figures are Prometheus' own, which is no second opinion.
    if prometheus and not run.collected_afterwards:
        run.prometheus = counted(prometheus, run.window, seconds)
        run.save()


def counted(prometheus: Prometheus, window: Mapping[str, float], scrape_seconds: float) -> dict[str, Any]:
    """How far Prometheus saw the counters go in the window, null for one that it does not have.

    The values at the window's ends are compared, and not ``increase()``, which extrapolates. The end is one scrape
    later, and is waited for.
    """
    end = window["end"] + scrape_seconds
    time.sleep(max(0.0, end - time.time()))
    answers: dict[str, Any] = {"url": prometheus.url}
    for name, selector in COUNTERS.items():
        before, after = prometheus.total(selector, window["start"]), prometheus.total(selector, end)
        answers[name] = None if after is None else after - (before or 0.0)
    return answers

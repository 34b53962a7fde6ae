"""After the load: logs of every component, who got in unverified, and what Prometheus saw where there is one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from csscgen.auditing import collect_admissions
from csscgen.context import Context
from csscgen.runs import Run
from workloads.errors import CollectError, brief

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
            if (log := Path(target["log"])).exists():
                shutil.copyfile(log, logs / f"{name}.log")
        except OSError as error:
            raise CollectError(f"The log of {name} could not be copied: {error}") from error
    collect_admissions(outputs.get("audit"), run)
    if (url := outputs.get("prometheus")) and run.window:
        run.prometheus = ask_prometheus(str(url), run.window, context.settings.monitoring.scrapeSeconds)
        run.save()


def ask_prometheus(url: str, window: Mapping[str, float], scrape_seconds: float) -> dict[str, Any]:
    """How far Prometheus saw the counters go in the window, null for one that it does not have.

    The values at the window's ends are compared, and not ``increase()``, which extrapolates. The end is one scrape
    later, and is waited for.
    """
    from prometheus_api_client import PrometheusConnect
    from prometheus_api_client.exceptions import PrometheusApiClientException
    from requests import RequestException

    client = PrometheusConnect(url=url)
    end = window["end"] + scrape_seconds
    time.sleep(max(0.0, end - time.time()))
    answers: dict[str, Any] = {"url": url}
    try:
        for name, selector in COUNTERS.items():
            first, last = (
                client.custom_query(f"sum({selector})", params={"time": f"{moment:.3f}"})
                for moment in (window["start"], end)
            )
            before = float(first[0]["value"][1]) if first else 0.0
            answers[name] = float(last[0]["value"][1]) - before if last else None
            if not isfinite(answers[name] or 0.0):
                raise ValueError(f"it counted {answers[name]} {name}")
    except (PrometheusApiClientException, RequestException) as error:
        raise CollectError(f"Prometheus at {url} did not answer: {brief(error)}.") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CollectError(f"Prometheus at {url} answered what is no result of a query: {brief(error)}.") from error
    return answers

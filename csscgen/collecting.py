"""After the load: logs of every component, what Prometheus saw where there is one, and the analysis."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from csscgen.context import Context
from csscgen.runs import Run
from workloads.errors import CollectError

QUERIES = {
    "verification_requests": "sum(increase({__name__=~'ratify_verification_request(_millisecond)?_count'}[%ds]))",
    "gatekeeper_validations": "sum(increase(gatekeeper_validation_request_count_total[%ds]))",
    "apiserver_requests": "sum(increase(apiserver_request_total[%ds]))",
}
"""Asked of a Prometheus over the window, as a second opinion on what the harness scraped itself."""


def collect(context: Context, run: Run) -> None:
    """Brings logs and Prometheus' answers into the run's folder.

    Raises CollectError if a Prometheus that the stack has does not answer.
    """
    outputs, shared = context.outputs(), context.shared_outputs()
    logs = run.folder / "logs"
    logs.mkdir(exist_ok=True)
    for name, target in {**(outputs.get("targets") or {}), **(shared.get("targets") or {})}.items():
        if (log := Path(target["log"])).exists():
            shutil.copyfile(log, logs / f"{name}.log")
    if (url := outputs.get("prometheus")) and run.window:
        run.prometheus = ask_prometheus(str(url), run.window)
        run.save()


def ask_prometheus(url: str, window: Mapping[str, float]) -> dict[str, Any]:
    """What Prometheus says about the window: its version and the answers to QUERIES (null where it has no data)."""
    from prometheus_api_client import PrometheusConnect
    from prometheus_api_client.exceptions import PrometheusApiClientException
    from requests import RequestException

    seconds = max(1, round(window["end"] - window["start"]) + 1)
    client = PrometheusConnect(url=url, disable_ssl=False)
    answers: dict[str, Any] = {"url": url, "at": datetime.fromtimestamp(window["end"]).astimezone().isoformat()}
    try:
        for name, query in QUERIES.items():
            found = client.custom_query(query % seconds, params={"time": str(window["end"])})
            answers[name] = float(found[0]["value"][1]) if found else None
    except (PrometheusApiClientException, RequestException) as error:
        raise CollectError(f"Prometheus at {url} did not answer: {error}") from error
    return answers

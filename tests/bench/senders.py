"""csscgen's sender as a process of its own, which prints what it measured as JSON.

    python -m tests.bench.senders kubeconfig.json '{"pattern": "constant", "rate": 100}' < bodies.jsonl

The words are a kubeconfig's file and a phase of the load; the objects come by standard input, a line of JSON each.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from analysis.percentiles import distribution
from csscgen.kubeconfigs import Login
from csscgen.loading import Request, send
from csscgen.scraping import peak_bytes
from workloads.schedules import Phase, work_out


def measured(kubeconfig: str, bodies: Sequence[dict[str, Any]], phase: Phase) -> dict[str, Any]:
    """What a phase of the load came to."""
    parts = work_out([phase], len(bodies))
    Login(kubeconfig)  # what it imports takes half a second, which is no part of the load
    before = time.process_time()
    requests = send(kubeconfig, bodies, parts, lambda _: None)
    return {**figures(requests), "cpu_seconds": time.process_time() - before, "peak_bytes": peak_bytes()}


def figures(requests: Sequence[Request]) -> dict[str, Any]:
    """Rates from the first to the last, lag and answers in seconds; no lag and no rate asked for in a closed loop."""
    failed = [request for request in requests if request.status == "failed"]
    sent, answered = ([getattr(request, key) for request in requests] for key in ("sent", "answered"))
    found: dict[str, Any] = {
        "objects": len(requests),
        "objects_per_s": len(requests) / (max(answered) - min(sent)),
        "seconds": max(answered) - min(sent),
        "bytes": sum(request.bytes or 0 for request in requests),
        "errors": len(failed),
        "first_error": failed[0].message if failed else "",
    }
    took = distribution([request.answered - request.sent for request in requests], (50, 99))
    found.update({"answer_p50": took["p50"], "answer_p99": took["p99"]})
    due = [request.intended for request in requests if request.intended is not None]
    if due:
        lag = distribution([one.sent - one.intended for one in requests if one.intended is not None], (50, 99))
        found.update({f"lag_{key}": lag[key] for key in ("p50", "p99", "max")})
        found["requested_per_s"], found["achieved_per_s"] = (
            (len(times) - 1) / (max(times) - min(times)) for times in (due, sent)
        )
    return found


def main() -> None:
    _, kubeconfig, words = sys.argv
    bodies = [orjson.loads(line) for line in sys.stdin.buffer]
    phase = Phase(**json.loads(words))
    json.dump(measured(Path(kubeconfig).read_text(), bodies, phase), sys.stdout)


if __name__ == "__main__":
    main()

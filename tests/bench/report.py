"""What a report of 20,000 pods, and the page that compares two such runs, take: ``scripts/bench report``.

Beside them the records are read alone. They are synthetic, and written by the writers of real ones. Each is run in a
process of its own, whose peak memory the kernel tells; the report is opened in headless Chromium, if there is one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.analysis.runs import (
    START,
    histogram,
    pod,
    process,
    sample,
    with_settings,
    write_lines,
    write_metrics,
    write_run,
)

ROOT = Path(__file__).resolve().parents[2]
PODS, SECONDS, INTERVAL, SERIES = 20_000, 1_200, 5, 3_000
RAW = """
import sys, orjson, pyarrow.parquet as pq
for name in ("pods.jsonl", "requests.jsonl"):
    for line in open(f"{sys.argv[1]}/{name}", "rb"): orjson.loads(line)
pq.read_table(f"{sys.argv[1]}/metrics.parquet")
"""
REPORT = "import sys, pathlib; from analysis.results import analyse; analyse(pathlib.Path(sys.argv[1]))"
COMPARED = """
import sys, pathlib
from analysis.comparing import compare
compare([pathlib.Path(sys.argv[1])], [pathlib.Path(sys.argv[1] + "-again")], {})
"""
COMPARISON = """
import sys, pathlib
from analysis.comparing import compare
from analysis.comparison_page import page
base, new = ([pathlib.Path(sys.argv[1] + end)] for end in ("", "-again"))
pathlib.Path(sys.argv[1] + ".html").write_text(page(compare(base, new, {}), base, new))
"""


def records(folder: Path) -> None:
    """A run of 20,000 pods in 20 minutes, scraped every 5 s: 3,000 series of the API server beside what is measured."""
    end = START + SECONDS
    write_run(folder, window={"start": START, "end": end}, settings=with_settings())
    pods = [
        pod(f"p{n}", START + n * SECONDS / PODS, START + n * SECONDS / PODS + 0.01 + n % 97 / 50, "ready")
        for n in range(PODS)
    ]
    write_lines(folder / "pods.jsonl", ({**one, "workload": f"pod/p{n}"} for n, one in enumerate(pods)))
    moments = (START + n * SECONDS / PODS for n in range(PODS))
    write_lines(
        folder / "requests.jsonl",
        (
            {"object": f"pod/perf/p{n}", "intended": at, "sent": at, "answered": at + 0.1, "status": "created"}
            | {"message": None}
            for n, at in enumerate(moments)
        ),
    )
    write_metrics(folder, _scrapes(end))


def _scrapes(end: float):
    bounds = ("10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "+Inf")
    for index in range(int((end - START) / INTERVAL) + 3):
        at, done = START - INTERVAL + index * INTERVAL, index * 80
        page = histogram(
            "ratify_verification_request_millisecond",
            {le: done * min(1, (n + 1) / 8) for n, le in enumerate(bounds)},
            done,
        )
        page += [sample("ratify_registry_request_count_total", done * 10, status_code=s) for s in ("200", "401", "429")]
        yield at, "ratify-0", page + process(900, index, 8e7 + index)
        yield at, "gatekeeper", process(901, index, 9e7)
        series = [
            sample("apiserver_request_duration_seconds_bucket", index * 5, verb="POST", le=str(n), resource="pods")
            for n in range(SERIES)
        ]
        yield at, "kube-apiserver", series + process(902, index, 1e9)
        tokens = [sample("registry_bucket_tokens", 1e4 - index % 90, category=c) for c in ("read", "oauth", "write")]
        yield at, "registry-eastus2", tokens + process(903, index, 6e7)


def measured(code: str, folder: Path) -> tuple[float, float]:
    """Wall-clock seconds and peak memory in MB of a Python program that has the folder as its argument."""
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"The program ended with {child.returncode}.")
    return time.monotonic() - started, usage.ru_maxrss / 1e3


def opened(page: Path, profile: Path) -> float | None:
    """Seconds of a headless Chromium from its start to the finished page, less those of an empty one."""
    binary = shutil.which("chromium")
    if binary is None:
        return None

    def once(address: str) -> float:
        command = [binary, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom", address]
        started = time.monotonic()
        subprocess.run([*command, f"--user-data-dir={profile}"], capture_output=True, timeout=120, check=True)
        return time.monotonic() - started

    once("about:blank")
    empty = min(once("about:blank") for _ in range(3))
    return max(0.0, min(once(page.as_uri()) for _ in range(3)) - empty)


def main() -> None:
    """Prints a row per figure: measured, allowed, and the ratio of the two; then the ratio to reading alone."""
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        folder = Path(scratch) / "run"
        records(folder)
        raw_seconds, raw_memory = measured(RAW, folder)
        seconds, memory = measured(REPORT, folder)
        page = folder / "report.html"
        size = page.stat().st_size / 1e6
        loading = opened(page, Path(scratch) / "profile")
        shutil.copytree(folder, Path(scratch) / "run-again")
        compared, _ = measured(COMPARED, folder)
        shown, held = measured(COMPARISON, folder)
        pages = (Path(scratch) / "run.html").stat().st_size / 1e6
    print(f"{'figure':<40} {'measured':>10} {'allowed':>10} {'ratio':>7}")
    rows = [("report of 20,000 pods, s", seconds, 5.0), ("  peak memory, MB", memory, 500.0), ("  page, MB", size, 6.0)]
    rows += [("  opened in Chromium, s", loading, 2.0)] if loading is not None else []
    rows += [
        ("two such runs compared, s", compared, 3.0),
        ("  with its page, s", shown, 5.0),
        ("  peak memory, MB", held, 500.0),
        ("  page, MB", pages, 6.0),
    ]
    for name, value, allowed in rows:
        print(f"{name:<40} {value:>10.3f} {allowed:>10.3f} {value / allowed:>7.2f}")
    print(f"Reading the records alone: {raw_seconds:.3f} s, {raw_memory:.0f} MB.")
    print(f"The report takes {seconds / raw_seconds:.1f} times that, and {memory / raw_memory:.1f} times the memory.")
    if loading is None:
        print("There is no Chromium: the page was not opened.")


if __name__ == "__main__":
    main()

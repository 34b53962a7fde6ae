"""What a component may say of itself that cannot be: the figures of a run whose samples are absurd.

Every figure of the summary is a finite number or null with a reason, and the summary is JSON in the strict sense.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson
import pytest

from tests.analysis.runs import SCRAPES, SPELLINGS, Page, known_run, process, sample, write_metrics
from tests.hostile.cases import Csscgen
from tests.hostile.conftest import Project
from tests.hostile.test_runs import figure

VERIFICATION = SPELLINGS[1]
NAN, INF, HUGE = float("nan"), float("inf"), 1.7e308
GATEKEEPER = "gatekeeper_validation_request_duration_seconds"


class Absurd(NamedTuple):
    """The page of ratify-0 at each scrape, and the figures that cannot be had of it."""

    page: Callable[[int], Page]
    null: tuple[str, ...] = ()


def verified(*buckets: tuple[str, float], count: float | None = None, total: float = 0.0) -> Page:
    """Ratify's histogram of verification requests, bucket by bucket as it is on the page."""
    page = [sample(f"{VERIFICATION}_bucket", value, le=le) for le, value in buckets]
    if count is not None:
        page.append(sample(f"{VERIFICATION}_count", count))
    return [*page, sample(f"{VERIFICATION}_sum", total)]


def whole(index: int, **changes: Any) -> Page:
    """A page without fault, on which one thing is changed."""
    late = index >= 2
    page = verified(("10", 5.0 * late), ("100", 6.0 * late), ("+Inf", 6.0 * late), count=6.0 * late)
    page += [sample("ratify_registry_request_count_total", 20.0 * late, status_code="200")]
    page += process(900, 10 + index, 50e6)
    return [(name, labels, changes.get(name, value)) for name, labels, value in page]


COUNT, BUCKET, ANSWERS = f"{VERIFICATION}_count", f"{VERIFICATION}_bucket", "ratify_registry_request_count_total"
CPU, MEMORY = "csscgen_process_cpu_seconds_total", "csscgen_process_resident_memory_bytes"
REQUESTS, P95 = "ratify.verification_requests", "ratify.verification_seconds.p95"
ALL_COUNTS = (REQUESTS, P95, "ratify.registry_requests")
STATUSES, PEAK, CORES = "ratify.registry_requests", "ratify.memory_bytes.peak", "ratify.cpu_cores.mean"


def growing(name: str, first: float, later: float) -> Callable[[int], Page]:
    return lambda index: whole(index, **{name: first if index < 2 else later})


PAGES: dict[str, Absurd] = {
    "a counter that is not a number": Absurd(growing(ANSWERS, NAN, NAN), (STATUSES,)),
    "a counter that becomes no number": Absurd(growing(ANSWERS, 5, NAN), (STATUSES,)),
    "a counter that was no number": Absurd(growing(ANSWERS, NAN, 5), (STATUSES,)),
    "a counter that is infinite": Absurd(growing(ANSWERS, 0, INF), (STATUSES,)),
    "a counter that was infinite": Absurd(growing(ANSWERS, INF, INF), (STATUSES,)),
    "a counter that is negative": Absurd(growing(ANSWERS, 0, -50), (STATUSES,)),
    "a counter of 10^308": Absurd(growing(ANSWERS, 0, HUGE), (STATUSES,)),
    "a counter that grows by more than a number holds": Absurd(growing(ANSWERS, -HUGE, HUGE), (STATUSES,)),
    "a histogram's count that is not a number": Absurd(growing(COUNT, 0, NAN)),
    "a histogram's count that is infinite": Absurd(growing(COUNT, 0, INF)),
    "a histogram's count that is negative": Absurd(growing(COUNT, 0, -6)),
    "buckets that are no numbers": Absurd(growing(BUCKET, 0, NAN), (REQUESTS, P95)),
    "buckets that are infinite": Absurd(growing(BUCKET, 0, INF), (REQUESTS, P95)),
    "memory that is not a number": Absurd(growing(MEMORY, 5, NAN), (PEAK,)),
    "memory that is infinite": Absurd(growing(MEMORY, 5, INF), (PEAK,)),
    "memory that is negative": Absurd(growing(MEMORY, 5, -5), (PEAK,)),
    "CPU time that is not a number": Absurd(growing(CPU, 1, NAN), (CORES,)),
    "CPU time that is infinite": Absurd(growing(CPU, 1, INF), (CORES,)),
    "a start time that is not a number": Absurd(
        lambda i: whole(i, process_start_time_seconds=NAN), (*ALL_COUNTS, CORES)
    ),
    "a start time that is infinite": Absurd(lambda i: whole(i, process_start_time_seconds=INF), (*ALL_COUNTS, CORES)),
    "a start time in the future": Absurd(lambda i: whole(i, process_start_time_seconds=1e12)),
    "up that is a half": Absurd(lambda i: whole(i, up=0.5), ALL_COUNTS),
    "no bucket for all": Absurd(
        lambda i: verified(("10", 5.0 * (i > 1)), count=6.0 * (i > 1)) + process(900, 1 + i, 5)
    ),
    "no bucket at all": Absurd(lambda i: verified(count=6.0 * (i > 1)) + process(900, 1 + i, 5), (P95,)),
    "no count": Absurd(lambda i: verified(("10", 5.0), ("+Inf", 6.0)) + process(900, 1 + i, 5), (REQUESTS, P95)),
    "buckets out of order": Absurd(
        lambda i: verified(("+Inf", 6.0 * (i > 1)), ("10", 5.0 * (i > 1)), count=6.0 * (i > 1)) + process(900, 1 + i, 5)
    ),
    "buckets that shrink with their bound": Absurd(
        lambda i: (
            verified(("10", 9.0 * (i > 1)), ("100", 3.0 * (i > 1)), ("+Inf", 6.0 * (i > 1)), count=6.0 * (i > 1))
            + process(900, 1 + i, 5)
        ),
    ),
    "a bound that is no number": Absurd(
        lambda i: (
            verified(("ten", 5.0 * (i > 1)), ("+Inf", 6.0 * (i > 1)), count=6.0 * (i > 1)) + process(900, 1 + i, 5)
        ),
        (P95,),
    ),
    "a bound that is not a number": Absurd(
        lambda i: (
            verified(("NaN", 5.0 * (i > 1)), ("+Inf", 6.0 * (i > 1)), count=6.0 * (i > 1)) + process(900, 1 + i, 5)
        ),
        (P95,),
    ),
    "a bound twice": Absurd(
        lambda i: (
            verified(("10", 5.0 * (i > 1)), ("10.0", 5.0 * (i > 1)), ("+Inf", 6.0 * (i > 1)), count=6.0 * (i > 1))
            + process(900, 1 + i, 5)
        )
    ),
    "a series twice": Absurd(lambda i: [*whole(i), *whole(i)]),
    "nothing": Absurd(lambda i: [], (REQUESTS, P95, PEAK, CORES)),
    "a label of 1 MB": Absurd(lambda i: [*whole(i), sample(ANSWERS, 5.0 * (i > 1), status_code="x" * 1_000_000)]),
    "escapes in a label": Absurd(
        lambda i: [*whole(i), sample(ANSWERS, 5.0 * (i > 1), status_code='\x1b[2J"</script>')]
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_an_absurd_page(project: Project, csscgen: Csscgen, name: str) -> None:
    absurd = PAGES[name]
    folder = known_run(project.runs / "bad")
    scrapes = [(time, "ratify-0", absurd.page(index)) for index, time in enumerate(SCRAPES)]
    others = [(time, "gatekeeper", process(902, 4 + index, 80e6)) for index, time in enumerate(SCRAPES)]
    write_metrics(folder, sorted([*scrapes, *others], key=lambda one: one[0]))

    said = csscgen("report", str(folder), "--json")

    assert "Traceback" not in said.err
    summary = orjson.loads(said.out)
    assert all(math.isfinite(value) and value >= 0 for path, value in numbers(summary) if path != "thresholds")
    for path in absurd.null:
        assert figure(summary, path) is None, path
        assert summary["missing"][path].endswith("."), path
    kept = {REQUESTS, P95, STATUSES, PEAK, CORES} - set(absurd.null) if absurd.page(3) else set()
    if len(absurd.page(3)) >= len(whole(3)):
        assert [path for path in sorted(kept) if figure(summary, path) is None] == [], "more is null than is absurd"
    assert figure(summary, "pods.ready") == 2
    assert figure(summary, "gatekeeper.memory_bytes.peak") == 80e6
    assert not any(ord(letter) < 32 and letter != "\n" for letter in csscgen("report", str(folder)).out)
    assert "\x1b" not in (folder / "report.html").read_text()


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


@pytest.mark.parametrize(
    "times",
    [
        list(reversed(SCRAPES)),
        [SCRAPES[0]] * len(SCRAPES),
        [NAN] * len(SCRAPES),
        [time - 10**9 for time in SCRAPES],
        [INF] * len(SCRAPES),
        SCRAPES[2:5],
    ],
    ids=["backwards", "all at once", "not numbers", "of another decade", "infinite", "inside the window only"],
)
def test_scrapes_at_absurd_times(project: Project, csscgen: Csscgen, times: list[float]) -> None:
    folder = known_run(project.runs / "bad")
    write_metrics(folder, [(time, "ratify-0", whole(index)) for index, time in enumerate(times)])
    said = csscgen("report", str(folder), "--json")
    assert "Traceback" not in said.err
    summary = orjson.loads(said.out)
    assert all(math.isfinite(value) for _, value in numbers(summary))
    assert figure(summary, "pods.ready") == 2
    if times != list(reversed(SCRAPES)):
        assert figure(summary, REQUESTS) is None and summary["missing"][REQUESTS]

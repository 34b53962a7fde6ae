"""metrics.parquet of a window that nobody scraped, out of a Prometheus that did.

Prometheus' raw samples have the instants of its scrapes, so they are rows like the harness's own: the same questions
are asked of them, and a figure is null where they do not enclose the window. Each replica is one target, by its label
``pod``; where a Prometheus has no such label, by the name of its job. Of a process that is scraped twice one series is
taken, and the labels that Prometheus puts on are taken off again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from analysis.expositions import canonical_labels
from analysis.sample_writer import SampleWriter
from analysis.samples import Window
from csscgen.prometheus import Prometheus, Series
from csscgen.replicas import Component, Replica
from workloads.ratify.metrics import APISERVER, BULKY, CAME, LEFT, QUERIED, START_TIME, UP

LOOK_BACK = 300.0
"""Seconds before the window in which its last scrape before it is looked for, and after its end the first one."""
PATIENCE = 75.0
"""Seconds that the first scrape after the window is waited for."""
POLL_SECONDS = 2.0
SLACK = 0.001
APISERVER_JOBS = ("apiserver", "kubernetes-apiservers")
EXPORTED = "exported_"

Address = tuple[str, str]
"""Job and instance: what Prometheus tells its targets apart by."""


@dataclass
class Scraped:
    """A target as Prometheus scraped it."""

    name: str
    labels: dict[str, str]
    """Those that Prometheus put on."""
    ups: dict[float, float] = field(default_factory=dict)
    """Instant → whether it was answered."""

    @property
    def address(self) -> Address:
        return self.labels.get("job", ""), self.labels.get("instance", "")

    @property
    def interval(self) -> float:
        """Seconds between two scrapes."""
        times = sorted(self.ups)
        return median([b - a for a, b in zip(times, times[1:], strict=False)] or [LOOK_BACK])

    def selector(self, names: Iterable[str]) -> str:
        """The target's series of these names."""
        job, instance = (_quoted(label) for label in self.address)
        return f'{{job="{job}",instance="{instance}",__name__=~"{"|".join(names)}"}}'


def backfill(
    prometheus: Prometheus,
    window: Window,
    components: Sequence[Component],
    pods: Iterable[Replica],
    path: Path,
    on_wait: Callable[[str], None],
    servers: int | None = 0,
) -> list[str]:
    """Writes the samples of the window to ``path`` and returns the targets that there are.

    ``pods`` are those of the components that are there now, and ``servers`` the API servers that there are (None:
    not known): where Prometheus may know fewer, their counts are not all, and are left out. Raises CollectError if it
    does not answer.
    """
    known = {(each.namespace, each.pod): each.target for each in pods}
    while True:
        targets = _targets(prometheus, window, components, known)
        scraped = [each for each in targets if each.name.startswith(APISERVER)]
        if servers is None or len(scraped) < servers:
            targets = [each for each in targets if each not in scraped]
        lacking = [each.name for each in targets if max(each.ups) < window.end and not _gone(each, targets, window)]
        if not lacking or time.time() > window.end + PATIENCE:
            break
        on_wait(f"the scrape of {lacking[0]} after the load")
        time.sleep(POLL_SECONDS)
    with SampleWriter(path) as writer:
        for target in targets:
            _write(writer, prometheus, target, window, left=_gone(target, targets, window))
    return [target.name for target in targets]


def _targets(
    prometheus: Prometheus, window: Window, components: Sequence[Component], known: Mapping[tuple[str, str], str]
) -> list[Scraped]:
    """The targets of the components, each once, with its scrapes around the window."""
    namespaces = "|".join(sorted({each.namespace for each in components}))
    jobs = "|".join([*(f"{name}(-.*)?" for name in QUERIED), *APISERVER_JOBS])
    selectors = [f'{UP}{{job=~"{jobs}"}}', *([f'{UP}{{namespace=~"{namespaces}"}}'] if components else [])]
    found: dict[Address, Scraped] = {}
    for selector in selectors:
        for one in prometheus.raw(selector, window.start - LOOK_BACK, window.end + LOOK_BACK):
            if (name := _name(one, components, known)) is not None:
                address = one.labels.get("job", ""), one.labels.get("instance", "")
                found.setdefault(address, Scraped(name, one.labels)).ups.update(one.points)
    named: dict[str, list[Scraped]] = defaultdict(list)
    for each in found.values():
        named[each.name].append(each)
    chosen = []
    for name, same in named.items():
        if name == APISERVER and len({each.labels.get("instance") for each in same}) > 1:
            for number, each in enumerate(sorted(same, key=lambda one: one.address)):
                each.name = f"{name}-{number}"  # several API servers, each by itself
                chosen.append(each)
        else:
            chosen.append(max(same, key=lambda one: (sum(one.ups.values()), one.address)))
    return sorted(chosen, key=lambda one: one.name)


def _name(series: Series, components: Sequence[Component], known: Mapping[tuple[str, str], str]) -> str | None:
    """The target that a series of ``up`` is of; None for one that is nobody's here."""
    labels = series.labels
    if pod := labels.get("pod"):
        namespace = labels.get("namespace", "")
        if target := known.get((namespace, pod)):
            return target
        # A pod that is gone by now is known by its name only.
        return next((each.target(pod) for each in components if each.namespace == namespace and each.name in pod), None)
    job = labels.get("job", "")
    if job in APISERVER_JOBS:
        return APISERVER
    return job if any(job == name or job.startswith(f"{name}-") for name in QUERIED) else None


def _gone(target: Scraped, targets: Sequence[Scraped], window: Window) -> bool:
    """Whether the target was no longer scraped before the window's end, while others were."""
    last = max(target.ups)
    newest = max(max(each.ups) for each in targets)
    return last < window.end <= newest and newest - last > 2 * target.interval


def _write(writer: SampleWriter, prometheus: Prometheus, target: Scraped, window: Window, *, left: bool) -> None:
    """Writes what is asked of one target."""
    times = sorted(target.ups)
    first = max((time for time in times if time <= window.start), default=times[0])
    last = min((time for time in times if time >= window.end), default=times[-1])
    for moment in times:
        writer.write(moment, target.name, [(UP, "", target.ups[moment])])
    started = None
    component = next(name for name in QUERIED if target.name == name or target.name.startswith(f"{name}-"))
    for names, spans in (
        (QUERIED[component], [(first, last)]),
        # Megabytes, of which only the growth over the window is asked.
        (BULKY.get(component, ()), [(first, first), (last, last)]),
    ):
        for begin, end in spans if names else ():
            for one in prometheus.raw(target.selector(names), begin - SLACK, end + SLACK):
                labels = canonical_labels(_own(one.labels, target.labels))
                for moment, value in one.points:
                    writer.write(moment, target.name, [(one.metric, labels, value)])
                if one.metric == START_TIME and started is None:
                    started = one.points[0][1]
    if times[0] > window.start and (started is None or started > window.start):
        writer.write(times[0], target.name, [(CAME, "", 1.0)])
    if left:
        writer.write(times[-1] + SLACK, target.name, [(LEFT, "", 1.0)])


def _own(labels: Mapping[str, str], put_on: Mapping[str, str]) -> dict[str, str]:
    """The labels that a component gave its series."""
    own = {name: value for name, value in labels.items() if name not in put_on}
    renamed = {name: value for name, value in own.items() if name.startswith(EXPORTED)}
    kept = {name: value for name, value in own.items() if name not in renamed}
    return {**kept, **{name.removeprefix(EXPORTED): value for name, value in renamed.items()}}


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')

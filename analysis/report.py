"""report.html: one page that says whether the run passed, why, and what was measured. It opens without a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis import faults, profiles
from analysis.components import component
from analysis.formats import NONE, digits, figure_text, megabytes, seconds
from analysis.pages import environment, script_data
from analysis.plots.every import plots
from analysis.records import Records
from analysis.sentences import causes, headline, meaning
from analysis.summary import Summary
from analysis.views import groups, place, value
from workloads.errors import CollectError
from workloads.ratify import metrics
from workloads.ratify.causes import classify
from workloads.thresholds import parse

REPORT = "report.html"
MAX_REASONS = 30

_TILES = (
    ("Pod startup p95", "pod_startup_seconds.p95"),
    ("Verification p95", "ratify.verification_seconds.p95"),
    ("Ratify memory, peak", "ratify.memory_bytes.peak"),
    ("Ratify CPU, peak", "ratify.cpu_cores.peak"),
    ("429 answers", "ratify.registry_requests.429"),
)


def render(records: Records, summary: Summary) -> str:
    """The page, as text."""
    drawn = plots(records, summary)
    run = records.run
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            summary=summary,
            headline=headline(summary),
            facts=_facts(summary),
            tiles=_tiles(summary),
            meaning=[*meaning(summary), *_unanswered(records)],
            groups=groups(summary),
            faults=faults.rows(summary),
            metrics=profiles.rows(summary),
            alerts=[profiles.told(alert) for alert in (summary.get("profile") or {}).get("alerts", ())],
            warnings=(summary.get("profile") or {}).get("warnings", ()),
            thresholds=[_threshold(row) for row in summary["thresholds"]],
            reasons=(summary["pods"]["reasons"] or [])[:MAX_REASONS],
            more_reasons=max(0, len(summary["pods"]["reasons"] or []) - MAX_REASONS),
            causes=causes(summary),
            errors=[{**one, "cause": classify(one["error"])} for one in summary["ratify"]["system_errors"] or []],
            missing=_by_reason(summary["missing"]),
            plots=drawn,
            plots_json=script_data(drawn),
            scenario=list(_scenario(records, summary)),
            versions=sorted((name, version or NONE) for name, version in (run.get("versions") or {}).items()),
            phases=list(_phases(records)),
            files=list(_files(records.folder)),
        )
    )


def _facts(summary: Summary) -> list[str]:
    """Where and when, in a few words each."""
    engine = summary["engine"] or {}
    facts = [f"stack {summary['stack']}", place(summary)]
    facts.append(f"{engine.get('name', 'unknown')} engine {engine.get('version') or ''}".strip())
    started, finished = summary["started_at"], summary["finished_at"]
    if started:
        facts.append(started.replace("T", " ").replace("Z", " UTC"))
    if started and finished:
        took = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
        facts.append(f"took {seconds(took.total_seconds())}")
    return facts


def _tiles(summary: Summary) -> list[tuple[str, str, str | None]]:
    """(name, text, of how many) of the figures that come first."""
    pods = summary["pods"]
    expected = None if pods["expected"] is None else digits(pods["expected"])
    return [
        ("Pods ready", digits(pods["ready"]), expected),
        *((name, figure_text(path, value(summary, path)), None) for name, path in _TILES),
    ]


def _unanswered(records: Records) -> Iterator[str]:
    """A sentence for each target that did not answer every scrape of the window."""
    for name in (metrics.RATIFY, metrics.GATEKEEPER, metrics.APISERVER):
        try:
            failed = component(records, name).failed_scrapes()
        except CollectError:
            continue
        for target, count in failed.items():
            yield f"{target} did not answer {count} scrape{'s' if count > 1 else ''} during the load."


def _by_reason(missing: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path, reason in missing.items():
        found[reason].append(path)
    return dict(found)


def _threshold(row: dict[str, Any]) -> dict[str, Any]:
    named = row["bound"] is not None and isinstance(parse(row["limit"]).bound, str)
    return {
        **row,
        "value": figure_text(row["metric"], row["value"]),
        "bound": figure_text(row["metric"], row["bound"]) if named else None,
    }


def _scenario(records: Records, summary: Summary) -> Iterator[tuple[str, str]]:
    for key, entry in summary["scenario"].items():
        yield (
            key.replace("_", " ").replace("ratify", "Ratify"),
            digits(entry) if isinstance(entry, int) else entry or NONE,
        )
    caches = summary["caches"]
    yield "Ratify caches", {True: "on", False: "off"}.get(caches["ratify"], NONE)
    ttl = caches["gatekeeper_response_seconds"]
    yield "Gatekeeper response cache", NONE if ttl is None else f"{ttl} s" if ttl else "off"
    machine = records.run.get("machine") or {}
    yield "machine", f"{machine.get('cpu_count', NONE)} cores, {megabytes(machine.get('memory_bytes'))}"
    yield "system", f"{machine.get('os', NONE)}, Python {machine.get('python', NONE)}"


def _phases(records: Records) -> Iterator[tuple[str, str, str]]:
    """(name, duration, outcome); the report itself is written in a phase that is still under way."""
    for phase in records.run.get("phases") or []:
        took = NONE if phase["finished"] is None else seconds(phase["finished"] - phase["started"])
        yield phase["name"], took, {True: "done", False: "failed"}.get(phase["ok"], "under way")


def _files(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(link, name, size) of every file of the run but this one."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != REPORT and not path.name.startswith("."):
            yield quote(name), name, _size(path.stat().st_size)


def _size(count: int) -> str:
    return megabytes(count) if count >= 100_000 else f"{max(1, round(count / 1000))} kB"

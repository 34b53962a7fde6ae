"""A run's folder as records in memory. What could not be read is None, with the reason kept for the report.

A run that failed left some files out, or the last line of one half-written; that is no reason to give no report. Only a
folder without run.json is refused: it is not a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from analysis import shapes
from analysis.samples import Samples, Window
from analysis.shards import SHARD, SHARDS
from workloads.errors import CollectError

Record = dict[str, Any]
REPLICAS = "replicas.jsonl"
PROFILE = "profile.jsonl"
NO_PROMETHEUS = "The run was collected afterwards, and its stack has no Prometheus that knows the metrics of the time."
AFTERWARDS = "The run was collected afterwards: nobody recorded when its objects were sent, or watched them."


@dataclass(frozen=True)
class Records:
    """What a run left behind."""

    folder: Path
    run: Record
    pods: list[Record] | None
    requests: list[Record] | None
    events: list[Record]
    """Empty where they were not collected: no figure rests on them."""
    samples: Samples | None
    admissions: Record | None
    """What the API server's audit log says of the window, in sum (csscgen.auditing)."""
    faults: list[Record] | None
    """What was carried out of the schedule of faults; empty if there was none."""
    replicas: list[Record] | None
    """The pods of Ratify and Gatekeeper as they were followed; empty on one machine, which has none."""
    shards: list[Record] | None
    """What each shard of a load that several drivers sent says of itself; empty where one sent it."""
    profile: list[Record] | None
    """What Prometheus answered to the queries of the run's metric profile; empty if it has none."""
    problems: dict[str, str]
    """Why a file's records are None, by the name of the file."""

    @property
    def window(self) -> Window | None:
        """From the first object that was sent until the run settled; None if no load was sent."""
        window = self.run.get("window")
        return Window(window["start"], window["end"]) if window else None

    def setting(self, subject: str, key: str) -> Any:
        """A setting as it was used; None if the run does not say."""
        return (self.run.get("settings", {}).get(subject) or {}).get(key)


def read(folder: Path) -> Records:
    """Read a run's folder. Raises CollectError if it has no readable run.json."""
    run = read_run(folder)
    problems: dict[str, str] = {}
    pods = _lines(folder / "pods.jsonl", "pod", shapes.POD, problems)
    requests = _lines(folder / "requests.jsonl", "request", shapes.REQUEST, problems)
    events = _lines(folder / "events.jsonl", "event", shapes.EVENT, problems) or []
    admissions = _admissions(folder / "admissions.json", problems)
    faults: list[Record] | None = []
    if (folder / "faults.jsonl").exists():
        faults = _lines(folder / "faults.jsonl", "fault", shapes.FAULT, problems)
    replicas: list[Record] | None = []
    if (folder / REPLICAS).exists():
        replicas = _lines(folder / REPLICAS, "replica", shapes.REPLICA, problems)
    shards: list[Record] | None = []
    if (folder / SHARDS).exists():
        shards = _lines(folder / SHARDS, "sum of a shard", SHARD, problems)
    profile: list[Record] | None = []
    if run.get("profile"):
        profile = _lines(folder / PROFILE, "answer of Prometheus", shapes.ANSWER, problems)
    if run.get("collected_afterwards") and requests is None:
        problems["requests.jsonl"] = AFTERWARDS
    samples = None
    try:
        samples = Samples.read(folder / "metrics.parquet")
    except CollectError as error:
        unasked = run.get("collected_afterwards") and not (folder / "metrics.parquet").exists()
        problems["metrics.parquet"] = NO_PROMETHEUS if unasked else str(error)
    return Records(
        folder, run, pods, requests, events, samples, admissions, faults, replicas, shards, profile, problems
    )


def seen(pod: Record, milestone: str) -> float | None:
    """When the watch told that a pod had reached a milestone, epoch seconds; None if it did not."""
    moment: float | None = (pod["milestones"].get(milestone) or {}).get("local")
    return moment


def read_run(folder: Path) -> Record:
    """The run.json of a folder. Raises CollectError if it is not there, or not the record of a run."""
    try:
        return _document(folder / "run.json", "the record of a run", shapes.RUN)
    except OSError as error:
        raise CollectError(f"{folder} is not the folder of a run: run.json cannot be read.") from error


def read_summary(folder: Path) -> Record | None:
    """The summary of a run; None if there is none that can be read."""
    try:
        return _document(folder / "summary.json", "a summary", shapes.SUMMARY)
    except (OSError, CollectError):
        return None


def read_lines(path: Path, what: str, check: shapes.Check) -> list[Record]:
    """The records of a file, a line each; none if there is no file. Raises CollectError if a line is none."""
    problems: dict[str, str] = {}
    found = _lines(path, what, check, problems)
    if found is None and path.exists():
        raise CollectError(problems[path.name])
    return found or []


def _admissions(path: Path, problems: dict[str, str]) -> Record | None:
    try:
        return _document(path, "what an audit log says", shapes.ADMISSIONS)
    except FileNotFoundError:
        problems[path.name] = "The run has no audit log of the API server."
    except OSError as error:
        problems[path.name] = f"{path.name} cannot be read: {error.strerror}."
    except CollectError as error:
        problems[path.name] = str(error)
    return None


def _document(path: Path, what: str, check: shapes.Check) -> Record:
    """The JSON object in a file. Raises OSError if there is none, CollectError if it is not of its form."""
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise CollectError(f"{path} is not {what}: it is not JSON ({error}).") from error
    if not isinstance(document, dict):
        raise CollectError(f"{path} is not {what}: it is not a JSON object.")
    if problem := check(document):
        raise CollectError(f"{path} is not {what}: {problem}.")
    return document


def _lines(path: Path, what: str, check: shapes.Check, problems: dict[str, str]) -> list[Record] | None:
    """The records of a file, a line each; None, with the reason in ``problems``, if one of them is none."""
    records: list[Record] = []
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        problems[path.name] = f"{path.name} is not there."
        return None
    except OSError as error:
        problems[path.name] = f"{path.name} cannot be read: {error.strerror}."
        return None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            problems[path.name] = f"Line {number} of {path.name} is not JSON."
            return None
        if problem := check(record):
            problems[path.name] = f"Line {number} of {path.name} is no {what}: {problem}."
            return None
        records.append(record)
    return records

"""Which pods got in without verification, from the API server's audit log.

A webhook that cannot be asked lets a request pass if its failure policy says so. Counters tell how often that happened,
and not to whom. The audit log has an event per request, with an annotation for each webhook that failed open, so the
pods are known one by one. It also has every refusal, retries of controllers included, where Kubernetes events are
aggregated and rate-limited.

The log is copied to the run's folder, read once, line by line, and joined to pods.jsonl by uid. What it says in sum is
admissions.json. Without an audit log there is no such file, and no figure is made up for it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from analysis.files import write_atomically
from csscgen.runs import Run
from workloads.audit import FAILED_OPEN, NAME_ANNOTATION, VERIFYING
from workloads.errors import CollectError
from workloads.ratify.causes import classify, refused

COPY = "kube-apiserver-audit"
MAX_NAMES = 20
RECEIVED, ANSWERED = "requestReceivedTimestamp", "stageTimestamp"


class Admission(NamedTuple):
    """The request that created a pod."""

    unverified: bool
    """Whether nothing had verified it."""
    received: float | None
    answered: float | None
    """Epoch seconds by the API server's clock; None where the log does not say."""


@dataclass
class Admissions:
    """What the audit log says about a window."""

    events: int = 0
    unreadable: int = 0
    """Lines that are no event: the last one of a process that was killed."""
    first: float | None = None
    """Epoch seconds of the earliest event of the whole log."""
    pods: dict[str, Admission] = field(default_factory=dict)
    """Uid of each pod that was created → its admission."""
    names: dict[str, str] = field(default_factory=dict)
    """Uid → namespace/name, of those that nothing had verified."""
    unnamed: int = 0
    """Pods that nothing had verified and of which the log has no uid."""
    fail_open: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(webhook, resource, verb) → how often that webhook failed open for such a request."""
    refused: Counter[str] = field(default_factory=Counter)
    """Cause → refused requests for pods and the workloads that make them, retries included."""

    def see(self, event: Mapping[str, Any]) -> None:
        """Takes an event of the window into account."""
        self.events += 1
        about = event["objectRef"]
        annotations = event.get("annotations") or {}
        status = event.get("responseStatus") or {}
        opened = {value for key, value in annotations.items() if key.startswith(FAILED_OPEN)}
        for webhook in opened:
            self.fail_open[webhook, about["resource"], event["verb"]] += 1
        creates = event["verb"] == "create" and about["resource"] == "pods" and not about.get("subresource")
        message = str(status.get("message", ""))
        if status.get("code", 0) >= 400 and (creates or refused(message)):
            self.refused[classify(message)] += 1
        if creates and status.get("code") == 201:
            admission = Admission(VERIFYING in opened, *(_moment(event, key) for key in (RECEIVED, ANSWERED)))
            self._created(str(about.get("namespace")), annotations.get(NAME_ANNOTATION), admission)

    def _created(self, namespace: str, named: str | None, admission: Admission) -> None:
        uid, _, name = (named or "").partition(" ")
        if uid:
            self.pods[uid] = admission
            if admission.unverified:
                self.names[uid] = f"{namespace}/{name}"
        elif admission.unverified:
            self.unnamed += 1


def _moment(event: Mapping[str, Any], key: str) -> float | None:
    """Epoch seconds of a time of an event. Raises ValueError or TypeError for what is none."""
    return datetime.fromisoformat(event[key]).timestamp() if key in event else None


def collect_admissions(audit: Mapping[str, Any] | None, run: Run) -> None:
    """Copies the audit log, writes admissions.json, and adds each pod's admission to pods.jsonl.

    ``audit`` is the stack's output of that name. Does nothing without one, or before a load was sent. Raises
    CollectError if a file cannot be read or written.
    """
    if not audit or not run.window:
        return
    try:
        copies = _copy(Path(audit["log"]), run.folder / "logs")
        found = read(copies, run.window["start"], run.window["end"])
        # Where the oldest files may be gone, the log has to begin before the window all the same.
        complete = len(copies) <= audit["old_files"] or (found.first or 0) <= run.window["start"]
        known = _join(run.folder / "pods.jsonl", found.pods if complete else {})
        summary = _summary(found, known, complete=complete)
        write_atomically(run.folder / "admissions.json", json.dumps(summary, indent=2).encode() + b"\n")
    except (OSError, orjson.JSONDecodeError) as error:
        raise CollectError(f"The API server's audit log could not be joined to the pods: {error}") from error


def read(files: Iterable[Path], start: float, end: float) -> Admissions:
    """What the files say about the requests that arrived from ``start`` to ``end``, epoch seconds; dry runs aside."""
    found = Admissions()
    for event in _events(files, found):
        try:
            arrived = datetime.fromisoformat(event[RECEIVED]).timestamp()
            found.first = arrived if found.first is None else min(found.first, arrived)
            if start <= arrived <= end and "dryRun=" not in event["requestURI"]:
                found.see(event)
        except (KeyError, TypeError, ValueError, AttributeError):
            found.unreadable += 1
    return found


def _events(files: Iterable[Path], found: Admissions) -> Iterator[Any]:
    for file in files:
        with file.open("rb") as lines:
            for line in lines:
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError:
                    found.unreadable += 1


def _copy(log: Path, folder: Path) -> list[Path]:
    """Copies the log and the full files beside it, ``<name>-<time>.log``; returns the copies, oldest first."""
    folder.mkdir(exist_ok=True)
    copies = []
    for source in [*sorted(log.parent.glob(f"{log.stem}-*{log.suffix}")), log]:
        copy = folder / f"{COPY}{source.stem.removeprefix(log.stem)}.log"
        shutil.copyfile(source, copy)
        copies.append(copy)
    return copies


def _join(file: Path, pods: Mapping[str, Admission]) -> set[str]:
    """Says ``unverified`` and ``admission`` of every pod of the file that was created; returns their uids."""
    known = set()
    scratch = file.with_name(f".{file.name}.new")
    try:
        with file.open("rb") as lines, scratch.open("wb") as out:
            for line in lines:
                pod = orjson.loads(line)
                if uid := pod.get("uid"):
                    known.add(uid)
                out.write(orjson.dumps({**pod, **_said(pods.get(uid))}) + b"\n")
        os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)
    return known


def _said(admission: Admission | None) -> dict[str, Any]:
    """What a pod's record has of its admission; null where the log does not know the pod."""
    if admission is None:
        return {"unverified": None, "admission": None}
    return {
        "unverified": admission.unverified,
        "admission": {"received": admission.received, "answered": admission.answered},
    }


def _summary(found: Admissions, known: set[str], *, complete: bool) -> dict[str, Any]:
    strangers = sorted(name for uid, name in found.names.items() if uid not in known)
    return {
        "complete": complete,
        "events": found.events,
        "unreadable": found.unreadable,
        "unverified": len(found.names) + found.unnamed,
        "unnamed": found.unnamed,
        "unmatched": {"count": len(strangers), "names": strangers[:MAX_NAMES]},
        "unheard_of": len(known - found.pods.keys()),
        "fail_open": [
            {"webhook": webhook, "resource": resource, "verb": verb, "count": count}
            for (webhook, resource, verb), count in sorted(found.fail_open.items())
        ],
        "refused_attempts": dict(found.refused.most_common()),
    }

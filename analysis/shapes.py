"""The form of a run's records as data, so that a record is checked where it is read and believed from there on.

A check is a function of a value that returns what is wrong with it, or None. What a record has beyond its form is left
alone: another version may know more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from workloads.errors import quoted


class Fault(NamedTuple):
    """Where something is wrong, and what."""

    path: str
    what: str

    def below(self, key: str) -> Fault:
        """The same, seen from the object that has it under a key."""
        return Fault(f"{key}.{self.path}" if self.path else key, self.what)

    def __str__(self) -> str:
        return f"its {self.path} {self.what}" if self.path else f"it {self.what}"


LATEST = 1e11
"""Epoch seconds: in the year 5138."""
Check = Callable[[Any], Fault | None]


def fault(value: Any) -> Fault:
    """This value cannot be what it should be."""
    return Fault("", f"is {quoted(value)}")


def anything(_value: Any) -> None:
    """Whatever it is."""


def text(value: Any) -> Fault | None:
    """Any text."""
    return None if isinstance(value, str) else fault(value)


def number(value: Any) -> Fault | None:
    """A finite number."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return None if fits else fault(value)


def moment(value: Any) -> Fault | None:
    """An instant in epoch seconds that a calendar has."""
    return number(value) or (None if 0 <= value <= LATEST else fault(value))


def boolean(value: Any) -> Fault | None:
    """True or false."""
    return None if isinstance(value, bool) else fault(value)


def one_of(*words: str) -> Check:
    """One of these texts."""
    return lambda value: None if value in words else fault(value)


def maybe(check: Check) -> Check:
    """Null, or what fits."""
    return lambda value: None if value is None else check(value)


def items(check: Check) -> Check:
    """A list of what fits."""

    def checked(value: Any) -> Fault | None:
        if not isinstance(value, list):
            return fault(value)
        for item in value:
            if found := check(item):
                return found
        return None

    return checked


def values(check: Check) -> Check:
    """An object whose every value fits."""

    def checked(value: Any) -> Fault | None:
        if not isinstance(value, dict):
            return fault(value)
        for key, inner in value.items():
            if found := check(inner):
                return found.below(key)
        return None

    return checked


def entries(needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object that has the needed entries, and perhaps the optional ones."""
    known = {**needed, **(optional or {})}

    def checked(value: Any) -> Fault | None:
        if not isinstance(value, dict):
            return fault(value)
        for key, check in known.items():
            if key not in value:
                if key in needed:
                    return Fault(key, "is not there")
            elif found := check(value[key]):
                return found.below(key)
        return None

    return checked


def _point(value: Any) -> Fault | None:
    """A moment, and a sample's value as Prometheus writes it."""
    if not isinstance(value, list) or len(value) != 2 or moment(value[0]):
        return fault(value)
    try:
        float(value[1])
    except (TypeError, ValueError):
        return fault(value)
    return None


_OBJECT = values(anything)
_SUBJECTS = ("registry", "ratify", "gatekeeper", "load", "monitoring", "policy", "cluster")
_DIRECTION = one_of("lower", "higher", "none")
_METRIC = entries(
    {
        **dict.fromkeys(("name", "query", "unit"), text),
        **dict.fromkeys(("instant", "capture_start"), boolean),
        "direction": _DIRECTION,
        "threshold": maybe(text),
    }
)
_ALERT = entries(
    {
        **dict.fromkeys(("expr", "description"), text),
        "severity": one_of("info", "warning", "error", "critical"),
    }
)

RUN = entries(
    {},
    {
        **dict.fromkeys(("run_id", "stack", "family", "platform", "set", "started_at", "finished_at"), maybe(text)),
        "engine": maybe(values(maybe(text))),
        "settings": entries(
            {},
            {
                **dict.fromkeys(_SUBJECTS, maybe(_OBJECT)),
                "scenario": maybe(entries({}, {"size": maybe(text), "replicas": maybe(number)})),
                "thresholds": maybe(values(text)),
            },
        ),
        "versions": maybe(values(maybe(text))),
        "machine": maybe(
            entries({}, {**dict.fromkeys(("cpu_count", "memory_bytes"), maybe(number)), "os": text, "python": text})
        ),
        "window": maybe(entries({"start": number, "end": number})),
        "phases": maybe(items(entries({"name": text, "started": number, "finished": maybe(number), "ok": anything}))),
        "artifacts": maybe(_OBJECT),
        "harness": maybe(values(maybe(number))),
        "error": maybe(entries({"phase": text, "message": text})),
        "resumed": maybe(items(entries({"from": number, "to": number, "step": maybe(text)}))),
        "cluster": maybe(entries({}, {"version": maybe(text), "nodes": maybe(number)})),
        "unscraped": maybe(values(text)),
        "watch": maybe(entries(dict.fromkeys(("relists", "interruptions"), number))),
        "clock_jumps": maybe(items(entries({"at": number, "seconds": number}))),
        "collected_afterwards": maybe(boolean),
        "profile": maybe(entries({"metrics": items(_METRIC), "alerts": items(_ALERT)})),
    },
)
POD = entries(
    {
        **dict.fromkeys(("name", "namespace", "workload", "reason"), maybe(text)),
        "milestones": values(maybe(values(maybe(number)))),
        "end": one_of("ready", "denied", "failed", "missing"),
    },
    {
        **dict.fromkeys(("uid", "cause", "variant"), maybe(text)),
        **dict.fromkeys(("must_be_denied", "unverified"), maybe(boolean)),
        "admission": maybe(entries(dict.fromkeys(("received", "answered"), maybe(number)))),
    },
)
REQUEST = entries(
    {"object": text, **dict.fromkeys(("intended", "sent", "answered"), maybe(number)), "status": text}
    | {"message": maybe(text)},
    {"verb": text, **dict.fromkeys(("phase", "code", "bytes"), maybe(number))},
)
EVENT = entries(
    {
        "time": number,
        **dict.fromkeys(("namespace", "object", "reason", "message"), maybe(text)),
        "count": maybe(number),
    },
    {"times": number, "cause": maybe(text)},
)
FAULT = entries(
    {
        **dict.fromkeys(("target", "action"), text),
        **dict.fromkeys(("at", "seconds"), number),
        **dict.fromkeys(("share", "began", "ended", "ready"), maybe(number)),
        "error": maybe(text),
    }
)
_END = entries({"finished": maybe(number), "code": maybe(number), "reason": maybe(text)})
REPLICA = entries(
    {
        **dict.fromkeys(("component", "target", "uid", "pod", "namespace", "container"), text),
        **dict.fromkeys(("restarts", "restarts_before"), number),
        **dict.fromkeys(("created", "gone"), maybe(number)),
        "ends": items(_END),
        "last_end": maybe(_END),
    },
    dict.fromkeys(("node", "image"), maybe(text)),
)
ANSWER = entries(
    {
        "kind": one_of("value", "start", "buckets", "alert", "scraped"),
        **dict.fromkeys(("name", "query"), text),
        "labels": values(text),
        "points": items(_point),
        "problem": maybe(text),
    },
    {"quantile": number, "step": number, "warnings": items(text)},
)
ADMISSIONS = entries(
    {
        "complete": boolean,
        "unverified": number,
        "unmatched": entries({"count": number, "names": items(text)}),
        "fail_open": items(entries({**dict.fromkeys(("webhook", "resource", "verb"), text), "count": number})),
        "refused_attempts": values(number),
    }
)


def _scalar(value: Any) -> Fault | None:
    return None if isinstance(value, str | int | float) else fault(value)


_NUMBERS = maybe(values(maybe(number)))
_QUANTILES = maybe(
    entries({}, {**dict.fromkeys(("p50", "p95", "p99", "mean", "max_bucket"), maybe(number)), "error": _NUMBERS})
)
SUMMARY = entries(
    {"run_id": text, "verdict": one_of("pass", "fail")},
    {
        "engine": maybe(values(maybe(text))),
        **dict.fromkeys(("scenario", "caches"), maybe(values(maybe(_scalar)))),
        "pods": maybe(
            entries(
                {},
                {
                    **dict.fromkeys(("expected", "ready", "denied", "unverified", "all_ready_seconds"), maybe(number)),
                    "refused_attempts": _NUMBERS,
                },
            )
        ),
        "pod_startup_seconds": _NUMBERS,
        "profile": maybe(
            entries(
                {
                    "metrics": values(entries({"value": maybe(number), "unit": text, "direction": _DIRECTION})),
                }
            )
        ),
        "ratify": maybe(
            entries(
                {},
                {
                    **dict.fromkeys(("timeouts", "restarts", "oom"), maybe(number)),
                    **dict.fromkeys(("registry_requests", "memory_bytes", "cpu_cores"), _NUMBERS),
                    **dict.fromkeys(("mutation_seconds", "verification_seconds"), _QUANTILES),
                },
            )
        ),
        "missing": maybe(values(text)),
    },
)
"""Of a summary, what runs are listed and compared by."""

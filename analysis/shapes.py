"""The form of a run's records as data, so that a record is checked where it is read and believed from there on.

A check is a function of a value and of what it is called; it returns the problem as half a sentence, such as
``its window.end is 'x'``, or None. What a record has beyond its form is left alone: another version may know more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from workloads.errors import quoted

Check = Callable[[Any, str], str | None]


def _wrong(value: Any, path: str) -> str:
    return f"its {path} is {quoted(value)}" if path else f"it is {quoted(value)}"


def text(value: Any, path: str) -> str | None:
    """Any text."""
    return None if isinstance(value, str) else _wrong(value, path)


def number(value: Any, path: str) -> str | None:
    """A finite number."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return None if fits else _wrong(value, path)


def one_of(*words: str) -> Check:
    """One of these texts."""
    return lambda value, path: None if value in words else _wrong(value, path)


def maybe(check: Check) -> Check:
    """Null, or what fits."""
    return lambda value, path: None if value is None else check(value, path)


def items(check: Check) -> Check:
    """A list of what fits."""

    def checked(value: Any, path: str) -> str | None:
        if not isinstance(value, list):
            return _wrong(value, path)
        return next((found for item in value if (found := check(item, path))), None)

    return checked


def values(check: Check) -> Check:
    """An object whose every value fits."""

    def checked(value: Any, path: str) -> str | None:
        if not isinstance(value, Mapping):
            return _wrong(value, path)
        return next((found for key, inner in value.items() if (found := check(inner, _below(path, key)))), None)

    return checked


def entries(needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object that has the needed entries, and perhaps the optional ones."""

    def checked(value: Any, path: str) -> str | None:
        if not isinstance(value, Mapping):
            return _wrong(value, path)
        for key, check in needed.items():
            if key not in value:
                return f"it has no {_below(path, key)}"
            if found := check(value[key], _below(path, key)):
                return found
        there = ((key, check) for key, check in (optional or {}).items() if key in value)
        return next((found for key, check in there if (found := check(value[key], _below(path, key)))), None)

    return checked


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def anything(_value: Any, _path: str) -> None:
    """Whatever it is."""


_OBJECT = values(anything)
_SUBJECTS = ("registry", "ratify", "gatekeeper", "load", "monitoring", "policy", "cluster")

RUN = entries(
    {},
    {
        **dict.fromkeys(("run_id", "stack", "family", "platform", "started_at", "finished_at"), maybe(text)),
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
    },
)
POD = entries(
    {
        **dict.fromkeys(("name", "namespace", "workload", "reason"), maybe(text)),
        "milestones": values(maybe(values(maybe(number)))),
        "end": one_of("ready", "denied", "failed", "missing"),
    }
)
REQUEST = entries(
    {"object": text, **dict.fromkeys(("intended", "sent", "answered"), maybe(number)), "status": text}
    | {"message": maybe(text)}
)
EVENT = entries(
    {"time": number, **dict.fromkeys(("namespace", "object", "reason", "message"), maybe(text)), "count": maybe(number)}
)

"""Judges a summary by the run's thresholds. A figure that is not there breaks the threshold that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt
from typing import Any

from workloads.ratify.causes import BY_NAME
from workloads.thresholds import Operator, parse

_HOLDS: dict[Operator, Callable[[float, float], bool]] = {"<=": le, "<": lt, ">=": ge, ">": gt, "==": eq}

_BY_STATUS = frozenset({"ratify.registry_requests", "registry.requests", "load.answers"})
_BY_CAUSE = frozenset({"pods.causes", "pods.refused_attempts"})


def evaluate(thresholds: Mapping[str, str], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per threshold: ``metric``, ``limit`` (as written), ``bound`` (its number), ``value``, ``ok``, ``reason``.

    ``reason`` is None if the two numbers could be compared, else a sentence; the row is not ok then. Expressions were
    checked with the settings; one that is wrong none the less is a row that is not ok.
    """
    return [_row(metric, expression, summary) for metric, expression in thresholds.items()]


def _row(metric: str, expression: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"metric": metric, "limit": expression, "bound": None, "value": None, "ok": False}
    try:
        limit = parse(expression)
        row["value"] = figure(summary, metric)
        row["bound"] = figure(summary, limit.bound) if isinstance(limit.bound, str) else limit.bound
        row["ok"] = _HOLDS[limit.operator](row["value"], row["bound"])
    except ValueError as error:
        return {**row, "reason": str(error)}
    return {**row, "reason": None}


def figure(summary: Mapping[str, Any], path: str) -> float:
    """The number at a path of a summary. Raises ValueError, with a sentence, if there is none."""
    here: Any = summary
    parts = path.split(".")
    for depth, part in enumerate(parts):
        above = ".".join(parts[:depth])
        if isinstance(here, Mapping) and part not in here and _counts(above, part):
            return 0
        if here is None:
            break
        if not isinstance(here, Mapping) or part not in here:
            raise ValueError(f"There is no figure '{path}'.")
        here = here[part]
    if here is None:
        reason = _missing_reason(summary.get("missing", {}), path)
        raise ValueError(f"The figure '{path}' could not be had{f': {reason}' if reason else '.'}")
    if isinstance(here, bool) or not isinstance(here, int | float):
        raise ValueError(f"'{path}' is not a number.")
    return here


def _counts(path: str, key: str) -> bool:
    """Whether a figure has an entry for each key of this kind that was seen: one that was not is 0."""
    return (path in _BY_STATUS and key.isdigit()) or (path in _BY_CAUSE and key in BY_NAME)


def _missing_reason(missing: Mapping[str, str], path: str) -> str | None:
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        reason = missing.get(".".join(parts[:length]))
        if reason:
            return reason
    return None

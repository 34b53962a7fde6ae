"""The PromQL expressions of the dashboards, and the metric names in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml

DASHBOARDS = sorted((Path(__file__).resolve().parents[2] / "dashboards").glob("*.json"))
_NO_NAMES = (
    r'"(?:[^"\\]|\\.)*"',  # texts, before what may stand in them
    r"\{[^}]*\}",
    r"\[[^\]]*\]",
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)",
    r"\b\d[\w.]*",
)
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})


def read(file: Path) -> dict[str, Any]:
    """A dashboard."""
    found: dict[str, Any] = orjson.loads(file.read_bytes())
    return found


def expressions(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(panel, expression)."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def names(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    for pattern in _NO_NAMES:
        expression = re.sub(pattern, " ", expression)
    return {word for word in re.findall(r"[A-Za-z_:][\w:]*+(?!\s*\()", expression) if word.lower() not in _WORDS}


def known() -> dict[str, Any]:
    """The names that there are: ``seen`` by component, and ``unseen`` with the reason."""
    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("names.yaml").read_text())
    return found

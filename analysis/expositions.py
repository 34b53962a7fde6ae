"""Reader of the Prometheus text format, version 0.0.4: what every component answers at /metrics.

Written for pages of megabytes that are read every two seconds while the load is running: lines of families that nobody
asked for are dropped by their prefix before any work is done on them, and the labels of a series are put into canonical
form once, not once per scrape. A line that is not in the format is refused with its number; nothing is guessed.

Format: prometheus.io/docs/instrumenting/exposition_formats. Timestamps and exemplars are read over: a sample belongs to
the scrape that saw it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from workloads.errors import CollectError

_LINE = re.compile(
    rb"([a-zA-Z_:][a-zA-Z0-9_:]*)"
    rb'(?:[ \t]*\{((?:[^"{}]+|"(?:[^"\\]|\\.)*+")*+)\}[ \t]*|[ \t]+)'
    rb"([-+]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[Ii]nf|[Nn]a[Nn]))"
    rb"(?:[ \t]+-?[0-9.]+)?[ \t]*(?:#.*)?\r?"
)
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


class Sample(NamedTuple):
    """One line of a page: the metric, its labels in canonical form (`canonical_labels`), the value."""

    metric: str
    labels: str
    value: float


def parse(page: bytes, keep: Collection[str] | None = None, target: str = "the page") -> Iterator[Sample]:
    """The samples of a page, in its order.

    ``keep`` has prefixes of metric names; None keeps all. ``target`` names the page in errors. Raises CollectError,
    while iterating, at the first kept line that is not in the format.
    """
    prefixes = None if keep is None else tuple(prefix.encode() for prefix in keep)
    for number, line in enumerate(page.split(b"\n"), start=1):
        if prefixes is not None and not line.startswith(prefixes):
            continue
        if not line or line[0] == 0x23 or line.isspace():  # 0x23 is "#": HELP, TYPE, comments
            continue
        match = _LINE.fullmatch(line)
        labels = None if match is None else _canonical(match[2] or b"")
        if match is None or labels is None:
            shown = line[:120].decode(errors="replace")
            raise CollectError(
                f"Line {number} of the metrics of {target} is not in the Prometheus text format: {shown!r}. "
                "Check that the address is a /metrics page."
            )
        yield Sample(_name(match[1]), labels, float(match[3]))


def canonical_labels(labels: Mapping[str, str]) -> str:
    """Labels as one string: ``key="value"`` sorted by key, joined by commas, values escaped as on the wire."""
    return ",".join(f'{key}="{_escape(value)}"' for key, value in sorted(labels.items()))


@lru_cache(maxsize=1 << 17)
def parse_labels(text: str) -> Mapping[str, str]:
    """The labels of a canonical string. Cached: do not change what is returned."""
    return {key: _unescape(value) for key, value in _LABEL.findall(text)}


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _unescape(value: str) -> str:
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), value)


@lru_cache(maxsize=1 << 12)
def _name(name: bytes) -> str:
    return name.decode("ascii")


@lru_cache(maxsize=1 << 17)
def _canonical(block: bytes) -> str | None:
    """Canonical form of what stood between the braces; None if that is not a list of labels."""
    try:
        text = block.decode().strip()
    except UnicodeDecodeError:
        return None
    labels: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _LABEL.match(text, position)
        if match is None or match[1] in labels:
            return None
        labels[match[1]] = _unescape(match[2])
        position = match.end()
    return canonical_labels(labels)

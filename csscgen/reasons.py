"""Why a pod did not get in, in a form that can be counted: what differs from pod to pod is taken out of a message."""

from __future__ import annotations

import re

_VARIABLE = (
    (re.compile(r"The Kubernetes API answered \w+ \S+ with \d+: "), ""),
    (re.compile(r'admission webhook "([^"]+)" denied the request: '), r"denied by \1: "),
    (re.compile(r"Error creating: "), ""),
    (re.compile(r"[\w.:-]+/[\w./-]+(?::[\w.-]+)?@sha256:[0-9a-f]{64}"), "<image>"),
    (re.compile(r"\b127\.0\.0\.1:\d+/[\w./-]+(?::[\w.-]+)?"), "<image>"),
    (re.compile(r"sha256:[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?"), "<time>"),
    (re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"), "<time>"),
    (re.compile(r'pods? "[^"]+"'), "pod"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<host>"),
)
_REPEATED = re.compile(r"\[ratify\] ")
LIMIT = 300


def group(message: str) -> str:
    """The message without names, digests, times and ids, as one readable line; a long one lacks its middle.

    A denial lists every image that failed; each distinct complaint is kept once. Who refused is said at the beginning
    of a message, and why at its end.
    """
    message = " ".join(message.split())
    for pattern, replacement in _VARIABLE:
        message = pattern.sub(replacement, message)
    head, *complaints = (part.strip(" ,") for part in _REPEATED.split(message))
    parts = "; ".join(dict.fromkeys(filter(None, complaints)))
    text = f"{head} {parts}".strip()
    half = LIMIT // 2
    return text if len(text) <= LIMIT else f"{text[: half - 1]}…{text[-half:]}"

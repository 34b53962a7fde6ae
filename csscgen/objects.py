"""The form of what the API server answers, and of the objects that a watch tells of, so far as it is relied on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from analysis.shapes import Fault, anything, boolean, entries, fault, items, maybe, number, text, values


def _moment(value: Any) -> Fault | None:
    """A Kubernetes timestamp."""
    try:
        datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return fault(value)
    return None


_CONDITION = entries(
    {"type": text, "status": text},
    {"lastTransitionTime": maybe(_moment), **dict.fromkeys(("reason", "message"), maybe(text))},
)
_SUBJECT = maybe(entries({}, dict.fromkeys(("kind", "name"), maybe(text))))
OBJECT = entries(
    {
        "metadata": entries(
            {"uid": text, "name": text},
            {"namespace": maybe(text), "labels": maybe(values(text)), "creationTimestamp": maybe(_moment)},
        )
    },
    {
        "spec": maybe(entries({}, {"nodeName": maybe(text)})),
        "status": maybe(
            entries(
                {},
                {
                    "conditions": maybe(items(_CONDITION)),
                    "startTime": maybe(_moment),
                    **dict.fromkeys(("phase", "reason", "message"), maybe(text)),
                },
            )
        ),
        **dict.fromkeys(("involvedObject", "regarding"), _SUBJECT),
        **dict.fromkeys(("message", "note", "reason", "type"), maybe(text)),
        **dict.fromkeys(("lastTimestamp", "eventTime"), maybe(_moment)),
        "count": maybe(number),
        "series": maybe(entries({}, {"count": maybe(number), "lastObservedTime": maybe(_moment)})),
    },
)
"""What is relied on of a pod, a workload or an event, as far as it has it."""

_TERMINATED = entries(
    {},
    {**dict.fromkeys(("reason", "containerID"), maybe(text)), "exitCode": maybe(number), "finishedAt": maybe(_moment)},
)
_STATE = maybe(entries({}, {"running": maybe(values(anything)), "terminated": maybe(_TERMINATED)}))
_CONTAINER = entries({"name": text}, {"image": maybe(text)})
_CONTAINER_STATUS = entries(
    {"name": text},
    {"ready": maybe(boolean), "restartCount": maybe(number), **dict.fromkeys(("state", "lastState"), _STATE)},
)
REPLICA = entries(
    {},
    {
        "spec": maybe(entries({}, {"containers": maybe(items(_CONTAINER))})),
        "status": maybe(entries({}, {"containerStatuses": maybe(items(_CONTAINER_STATUS))})),
    },
)
"""What is relied on beyond it of a pod of Ratify or Gatekeeper; a load's pods are too many for so close a look."""


def decoded(text: bytes) -> dict[str, Any] | None:
    """A JSON object; None if the text is none."""
    try:
        answer = orjson.loads(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def told(answer: dict[str, Any] | None, text: bytes) -> str:
    """What an answer says: its message, or else how it begins."""
    message = (answer or {}).get("message")
    return message if isinstance(message, str) else text[:200].decode(errors="replace")

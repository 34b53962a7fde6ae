"""The form of what the API server answers, and of the objects that it lists and that a watch tells of.

A form names what is relied on. Decoding checks that and makes objects of nothing else: most of a pod's 10 kB is spec
and managedFields, which nobody asks for.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Annotated, Any, NotRequired, TypedDict, Union

import msgspec
import orjson
from msgspec.json import Decoder

from workloads.errors import brief

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(le=2**31 - 1)]


class Metadata(TypedDict):
    uid: str
    name: str
    resourceVersion: str
    namespace: NotRequired[str | None]
    labels: NotRequired[dict[str, str] | None]
    creationTimestamp: NotRequired[Moment | None]


class Condition(TypedDict):
    type: str
    status: str
    lastTransitionTime: NotRequired[Moment | None]
    reason: NotRequired[str | None]
    message: NotRequired[str | None]


class Spec(TypedDict, total=False):
    nodeName: str | None


class Status(TypedDict, total=False):
    conditions: list[Condition] | None
    startTime: Moment | None
    phase: str | None
    reason: str | None
    message: str | None


class Subject(TypedDict, total=False):
    kind: str | None
    name: str | None


class Series(TypedDict, total=False):
    count: Count | None
    lastObservedTime: Moment | None


class Object(TypedDict):
    """A pod of the load, a workload or an event, as far as it has it."""

    metadata: Metadata
    spec: NotRequired[Spec | None]
    status: NotRequired[Status | None]
    involvedObject: NotRequired[Subject | None]
    regarding: NotRequired[Subject | None]
    message: NotRequired[str | None]
    note: NotRequired[str | None]
    reason: NotRequired[str | None]
    type: NotRequired[str | None]
    lastTimestamp: NotRequired[Moment | None]
    eventTime: NotRequired[Moment | None]
    count: NotRequired[Count | None]
    series: NotRequired[Series | None]


class Terminated(TypedDict, total=False):
    reason: str | None
    exitCode: int | None
    finishedAt: Moment | None


class State(TypedDict, total=False):
    running: dict[str, Any] | None
    terminated: Terminated | None


class Container(TypedDict):
    name: str
    image: NotRequired[str | None]


class ContainerStatus(TypedDict):
    name: str
    ready: NotRequired[bool | None]
    restartCount: NotRequired[int | None]
    state: NotRequired[State | None]
    lastState: NotRequired[State | None]


class ReplicaSpec(Spec, total=False):
    containers: list[Container] | None


class ReplicaStatus(Status, total=False):
    containerStatuses: list[ContainerStatus] | None


class ReplicaPod(TypedDict):
    """A pod of Ratify or Gatekeeper; those of a load are too many for so close a look."""

    metadata: Metadata
    spec: NotRequired[ReplicaSpec | None]
    status: NotRequired[ReplicaStatus | None]


Form = Any
"""One of the forms: the class Object or ReplicaPod. There is no type of a TypedDict's class."""


class _Version(TypedDict):
    resourceVersion: str


class _Marked(TypedDict):
    metadata: _Version


class _Refusal(TypedDict, total=False):
    message: Any
    code: int | None


class Bookmark(msgspec.Struct, tag_field="type", tag="BOOKMARK"):
    """Up to which version everything has been told."""

    object: _Marked


class Failure(msgspec.Struct, tag_field="type", tag="ERROR"):
    """Why a watch ends."""

    object: _Refusal


_Listed = TypedDict("_Listed", {"resourceVersion": str, "continue": NotRequired[str | None]})
CHANGES = ("ADDED", "MODIFIED", "DELETED")


@cache
def lines(form: Form) -> Decoder[Any]:
    """Decodes a line of a watch: a :class:`Bookmark`, a :class:`Failure`, or a change of an object of this form.

    A change has an ``object``; its class has the name of its type. Raises one of :data:`UNFIT`.
    """
    changes = [msgspec.defstruct(kind, [("object", form)], tag_field="type", tag=kind) for kind in CHANGES]
    return Decoder(Union[Bookmark, Failure, *changes])


@cache
def pages(form: Form) -> Decoder[Any]:
    """Decodes a page of a LIST: its ``items``, of this form, and ``metadata``. Raises one of :data:`UNFIT`."""
    fields = [("metadata", _Listed), ("items", list[form] | None)]
    return Decoder(msgspec.defstruct("Page", fields))


UNFIT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding says of a text that has not the form."""


def unfit(error: Exception, text: bytes) -> str:
    """What is wrong with a text: the place that has not the form, or how it begins if it is no JSON at all."""
    return brief(error) if isinstance(error, msgspec.ValidationError) else repr(text[:80].decode(errors="replace"))


def epoch(moment: datetime | None) -> float | None:
    """A moment as epoch seconds."""
    return moment.timestamp() if moment else None


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

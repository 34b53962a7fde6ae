"""What an operation tells and remembers about its steps: events to the caller, counts, plan, failures.

Everything that leaves here as text has the stack's secrets taken out.
"""

from __future__ import annotations

import base64
import threading
import time
import traceback
from typing import Literal

from infra.engine.resources import Resource
from infra.engine.steps import Goal
from infra.engine.types import OnStep, Op, PlannedStep, StepEvent
from infra.engine.values import Properties, redacted, secret_texts
from workloads.errors import ProjectError

_SHORTEST_SECRET = 4


class Progress:
    """Collects the steps of one operation. Safe for threads."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self.changes: dict[str, int] = {}
        self.steps: list[PlannedStep] = []
        self.failures: dict[str, str] = {}
        """URN to message, in the order of their happening."""
        self.tracebacks: list[str] = []

    def guard(self, properties: Properties) -> None:
        """Learns the secrets of a resource, so that no message shows them, in clear or in base64."""
        found = {
            text
            for key, value in properties.items()
            if key != "__provider"
            for text in secret_texts(value)
            if len(text) >= _SHORTEST_SECRET
        }
        found |= {base64.b64encode(text.encode()).decode() for text in found}
        with self._lock:
            self._secrets |= found

    def clean(self, text: str) -> str:
        """The text without any secret that was learnt."""
        with self._lock:
            secrets = sorted(self._secrets, key=len, reverse=True)
        for secret in secrets:
            text = text.replace(secret, "[secret]")
        return text

    def started(self, subject: Goal | Resource, op: Op) -> None:
        self._tell(subject, op, "started")

    def done(self, subject: Goal | Resource, op: Op, *, counted: bool = True) -> None:
        """The step ended well. ``counted`` is false for a step that is half of another one."""
        if counted:
            self.plan(subject, op)
        self._tell(subject, op, "done")

    def plan(self, subject: Goal | Resource, op: Op) -> None:
        """Counts a step and adds it to the plan."""
        inputs = {k: redacted(v) for k, v in subject.inputs.items() if k != "__provider"}
        dependencies = tuple(sorted(subject.dependencies))
        step = PlannedStep(
            subject.urn,
            subject.type,
            subject.name,
            op,
            inputs,
            dependencies,
            parent=subject.parent,
            protect=subject.protect,
            retain_on_delete=subject.retain_on_delete,
        )
        with self._lock:
            self.changes[op] = self.changes.get(op, 0) + 1
            self.steps.append(step)

    def failed(self, subject: Goal | Resource, op: Op, error: Exception) -> None:
        """The step failed; the message is kept for the end."""
        expected = isinstance(error, ProjectError)
        message = self.clean(str(error) if expected else f"{type(error).__name__}: {error}")
        with self._lock:
            self.failures[subject.urn] = message
            if not expected:
                self.tracebacks.append("".join(traceback.format_exception(error)))
        self._tell(subject, op, "failed", message)

    def _tell(
        self,
        subject: Goal | Resource,
        op: Op,
        status: Literal["started", "done", "failed"],
        message: str | None = None,
    ) -> None:
        self._on_step(StepEvent(subject.urn, subject.type, subject.name, op, status, time.time(), message))

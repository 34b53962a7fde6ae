"""How far work on several registries is, with its rate and when it will end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.formats import seconds

RATE_SECONDS = 10.0
"""What is told of the rate is that of so many seconds before."""
TELL_SECONDS = 0.2


@dataclass(frozen=True)
class Step:
    """How far work on one registry is."""

    what: str
    """The stage that it is in."""
    done: int
    total: int
    unit: str = "images"
    manifests: int = 0
    """Pushed so far."""
    throttled: int = 0
    """Answers 429 so far."""


class Meter:
    """Tells the progress of every registry in one line, now and then."""

    def __init__(self, update: Callable[[str], None], hosts: Sequence[str]) -> None:
        self._update = update
        self._texts = dict.fromkeys(hosts, "")
        self._told = 0.0

    def of(self, host: str) -> Callable[[Step], None]:
        """What takes the progress of one registry."""
        before: deque[tuple[float, int, int]] = deque()
        stage = ""

        def tell(step: Step) -> None:
            nonlocal stage
            now = time.monotonic()
            if step.what != stage:
                stage = step.what
                before.clear()
            elif now - before[-1][0] < TELL_SECONDS and step.done < step.total:
                return
            before.append((now, step.done, step.manifests))
            while now - before[0][0] > RATE_SECONDS:
                before.popleft()
            self._texts[host] = _told(step, *_rates(before))
            self._say(now)

        return tell

    def _say(self, now: float) -> None:
        if now - self._told < TELL_SECONDS:
            return
        self._told = now
        several = len(self._texts) > 1
        self._update("; ".join(f"{host}: {text}" if several else text for host, text in self._texts.items() if text))


def _rates(before: Sequence[tuple[float, int, int]]) -> tuple[float, float]:
    """Images and manifests per second, from the first of some moments to the last."""
    (began, images, manifests), (now, done, pushed) = before[0], before[-1]
    took = now - began
    return ((done - images) / took, (pushed - manifests) / took) if took > 0 else (0.0, 0.0)


def _told(step: Step, images_per_s: float, manifests_per_s: float) -> str:
    if not step.total:
        return step.what
    parts = [f"{step.what} {step.done:,} of {step.total:,} {step.unit}"]
    if manifests_per_s:
        parts.append(f"{manifests_per_s:,.0f} manifests/s")
    if images_per_s and (left := step.total - step.done):
        parts.append(f"{seconds(left / images_per_s)} left")
    if step.throttled:
        parts.append(f"{step.throttled:,} answers 429")
    return ", ".join(parts)

"""What the API server said of a component's pods: restarts, and ends for lack of memory (replicas.jsonl).

A counter of a page tells of a restart only if the page was read before and after it; a pod's status tells of each. On
one machine there are no pods, and no such records.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.records import Record
from analysis.samples import Window
from workloads.errors import CollectError

OOM_KILLED = "OOMKilled"


def of(replicas: Sequence[Record] | None, component: str) -> list[Record]:
    """The pods of a component; empty where there are none, or none were followed."""
    return [each for each in replicas or () if each["component"] == component]


def restarts(pods: Sequence[Record]) -> int:
    """How many containers started again, or were replaced with their pod, while the pods were watched."""
    return sum(int(pod["restarts"]) + (pod["gone"] is not None) for pod in pods)


def oom(pods: Sequence[Record]) -> int:
    """How many containers were ended for lack of memory. Raises CollectError if one ended without a known reason."""
    known = [end["reason"] for pod in pods for end in pod["ends"]]
    ended = sum(int(pod["restarts"]) for pod in pods)
    if len(known) < ended:
        raise CollectError(f"Of {ended} restarts only {len(known)} were seen with their reason.")
    return known.count(OOM_KILLED)


def oom_since(pods: Sequence[Record], window: Window | None) -> int:
    """The same of pods that were only looked at afterwards: their last end is all that is known of them.

    Raises CollectError if there may have been more.
    """
    if window is None:
        raise CollectError("The run has no window: no load was sent.")
    if any(pod["restarts_before"] > 1 or (pod["created"] or window.end) > window.start for pod in pods):
        raise CollectError(
            "The pods were looked at afterwards, and some had been made or restarted more than once: only the last "
            "end of each container is known."
        )
    ends = [end for pod in pods if (end := pod["last_end"])]
    return sum(1 for end in ends if end["reason"] == OOM_KILLED and (end["finished"] or 0) >= window.start - 1)

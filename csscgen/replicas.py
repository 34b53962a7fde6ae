"""The pods of Ratify and Gatekeeper on a cluster: which there are, how they fare, and where each one's metrics are.

They are found by the stack's ``components`` output and followed by a watch for as long as the load goes on, so that a
pod that is rescheduled is read from its first page to its last. Each is read by itself, through the API server's pod
proxy and with the kubeconfig's login: no kubectl, no port of this machine, and no Service that gives one replica's page
for all. What became of every pod is in replicas.jsonl: restarts, why its container ended, images, node.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from analysis.files import write_atomically
from analysis.records import REPLICAS, read_lines
from analysis.shapes import REPLICA as LINE
from csscgen.objects import epoch
from csscgen.scraping import Origin, Target


@dataclass(frozen=True)
class Component:
    """Which pods are a component's, as the stack says."""

    name: str
    namespace: str
    selector: str
    container: str
    port: int

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> list[Component]:
        """The components that a stack's outputs name; none of a local stack's."""
        return [
            cls(name, about["namespace"], about["selector"], about["container"], int(about["port"]))
            for name, about in (outputs.get("components") or {}).items()
        ]

    @property
    def path(self) -> str:
        """The collection that its pods are in."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def query(self) -> dict[str, str]:
        return {"labelSelector": self.selector}

    def target(self, pod: str) -> str:
        """A pod as a target: its name, which begins with the component's, as figures of a component are looked for."""
        return pod if pod == self.name or pod.startswith(f"{self.name}-") else f"{self.name}-{pod}"


@dataclass
class Replica:
    """A pod of a component: a line of replicas.jsonl. Times are epoch seconds."""

    component: str
    target: str
    uid: str
    pod: str
    namespace: str
    container: str
    node: str | None = None
    image: str | None = None
    ready: bool = False
    created: float | None = None
    gone: float | None = None
    """When the watch told that it was deleted."""
    restarts: int = 0
    """Of its container, since it was first seen."""
    restarts_before: int = 0
    ends: list[dict[str, Any]] = field(default_factory=list)
    """Each end of its container that was seen since: when, with which code, and why, such as OOMKilled."""
    last_end: dict[str, Any] | None = None
    """The end before it was first seen, if there was one."""
    read: bool = False
    """Whether it is a target, or was one."""

    @classmethod
    def first(cls, component: Component, pod: Mapping[str, Any]) -> Self:
        """A pod that is seen for the first time."""
        metadata = pod["metadata"]
        found = cls(
            component.name,
            component.target(metadata["name"]),
            metadata["uid"],
            metadata["name"],
            component.namespace,
            component.container,
            created=epoch(metadata.get("creationTimestamp")),
        )
        status = found.status(pod)
        found.restarts_before = int(status.get("restartCount") or 0)
        found.last_end = next(iter(_ends(status)), None)
        return found

    def status(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        """What the pod says of its container; empty if it does not yet."""
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        return next((each for each in statuses if each["name"] == self.container), {})

    def advance(self, pod: Mapping[str, Any]) -> None:
        """Takes in what the API server says of it now."""
        spec = pod.get("spec") or {}
        self.node = spec.get("nodeName") or self.node
        for each in spec.get("containers") or ():
            if each["name"] == self.container:
                self.image = each.get("image") or self.image
        if status := self.status(pod):
            self.ready = bool(status.get("ready"))
            self.restarts = max(self.restarts, int(status.get("restartCount") or 0) - self.restarts_before)
            self.ends += [end for end in _ends(status) if end != self.last_end and end not in self.ends]


class Replicas:
    """Follows the pods of all components; ``follow`` is told of each watch event of a component's pods.

    ``add`` and ``drop`` are told of targets that come (late or not) and go. ``folder`` is the run's.
    """

    def __init__(
        self,
        components: Iterable[Component],
        server: str,
        origin: Origin | None,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.components = list(components)
        self.pods: dict[str, Replica] = {}
        self.add: Callable[[Target, bool], None] = lambda target, late: None
        self.drop: Callable[[str], None] = lambda name: None
        self.problems: dict[str, str] = {}
        """Why the pods of a component could not be followed."""
        self._server = server
        self._origin = origin
        self._file = folder / REPLICAS
        self._clock = clock
        self._heard: set[str] = set()
        for line in read_lines(self._file, "replica", LINE):  # of a run that is gone on with
            known = Replica(**line)
            known.read = False
            self.pods[known.uid] = known

    def follow(self, component: Component, kind: str, pod: dict[str, Any], received: float | None = None) -> None:
        """A watch event of a pod of a component."""
        uid = pod["metadata"]["uid"]
        replica = self.pods.get(uid)
        self._heard.add(uid)
        over = (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")  # an evicted pod, for one
        if replica is None and (over or kind == "DELETED"):
            return
        if replica is None:
            replica = self.pods[uid] = Replica.first(component, pod)
        before = asdict(replica)
        if "status" in pod:  # after a gap in the watch all that is known of a deleted pod is its name
            replica.advance(pod)
        if over or kind == "DELETED":
            self._gone(replica)
        elif not replica.read and replica.gone is None:
            running = (replica.status(pod).get("state") or {}).get("running") is not None
            # Before it is ready it is sent no request, so that one that comes late has counted nothing yet.
            if replica.ready or (running and kind == "LISTED"):
                replica.read = True
                self.add(Target(replica.target, self.url(component, replica.pod), None, self._origin), kind != "LISTED")
        if asdict(replica) != before:
            self.write()

    def begin(self) -> None:
        """All that are there have been listed: what an earlier part of the run knew and nobody lists has gone."""
        for uid, replica in self.pods.items():
            if uid not in self._heard:
                self._gone(replica)
        self.write()

    def url(self, component: Component, pod: str) -> str:
        """Where the API server's proxy has the pod's metrics."""
        return f"{self._server}{component.path}/{pod}:{component.port}/proxy/metrics"

    def of(self, component: str) -> list[Replica]:
        """The pods of a component that are there."""
        return [each for each in self.pods.values() if each.component == component and each.gone is None]

    def unscraped(self, targets: Iterable[str]) -> dict[str, str]:
        """Why a component has no figures, of each that no target stands for."""
        names = list(targets)
        found = {}
        for each in self.components:
            if not any(name == each.name or name.startswith(f"{each.name}-") for name in names):
                found[each.name] = self.problems.get(each.name) or (
                    f"No pod with {each.selector} runs in namespace {each.namespace}, so nothing of {each.name} was "
                    "scraped."
                )
        return found

    def versions(self) -> dict[str, str]:
        """The version of each component by its pods' images; several, while one replaces another."""
        found: dict[str, set[str]] = {}
        for each in self.pods.values():
            if each.image:
                found.setdefault(each.component, set()).add(version(each.image))
        return {name: ", ".join(sorted(images)) for name, images in found.items()}

    def write(self) -> None:
        """Writes replicas.jsonl."""
        lines = [orjson.dumps(asdict(each), option=orjson.OPT_APPEND_NEWLINE) for each in self.pods.values()]
        write_atomically(self._file, b"".join(lines))

    def _gone(self, replica: Replica) -> None:
        if replica.gone is None:
            replica.gone, replica.ready = self._clock(), False
            if replica.read:
                self.drop(replica.target)


def version(image: str) -> str:
    """What an image's reference says of its version: the tag, or else the digest."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag.removeprefix("v") or digest or image


def _ends(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ends of a container that its status tells of."""
    states = [(status.get(key) or {}).get("terminated") for key in ("lastState", "state")]
    return [
        {"finished": epoch(each.get("finishedAt")), "code": each.get("exitCode"), "reason": each.get("reason")}
        for each in states
        if each
    ]

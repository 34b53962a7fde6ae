"""Settings of what is admitted, under which policy, and how the load is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.settings.declaring import MEDIA_TYPE, setting
from workloads.negatives import MOST_SHARDS
from workloads.referrers import MOST_BYTES, MOST_COPIES, Extra
from workloads.schedules import Phase, constant
from workloads.shards import MOST_DRIVERS
from workloads.sizes import SizeName


@dataclass(frozen=True)
class Referrer:
    """Something else than a signature that is attached to images."""

    artifactType: str = field(metadata={"form": MEDIA_TYPE})
    bytes: int = setting(4096, "Size of its blob.", unit="bytes", minimum=1, maximum=MOST_BYTES)
    count: int = setting(1, "How many of it each of those images has.", minimum=1, maximum=MOST_COPIES)
    share: float = setting(1.0, "Share of the images of a set that have it.", minimum=0, maximum=1)

    @property
    def extra(self) -> Extra:
        """The same as what names and seeder go by."""
        return Extra(self.artifactType, self.bytes, self.count, self.share)


@dataclass(frozen=True)
class Scenario:
    """What is admitted: the workloads, their images and signatures."""

    size: SizeName = setting("S", "Names the replicas and nodes that are not set: S, M, L or XL of the published test.")
    workload: Literal["deployment", "job"] = setting("deployment", "Kind of the workloads; Jobs are Indexed ones.")
    shards: int = setting(1, "Workloads that share the replicas evenly.", minimum=1, maximum=MOST_SHARDS)
    replicas: int | None = setting(
        None, "Pods of all workloads together; null for the size's.", unit="pods", minimum=1, maximum=1_250_000
    )
    containers: int = setting(10, "Containers per pod, each with an image of its own.", minimum=1, maximum=100)
    signatures: int = setting(
        5, "Signatures per image; 0 leaves the images unsigned, so that every pod is denied.", minimum=0, maximum=50
    )
    namespaces: int = setting(1, "Namespaces that the workloads are spread over.", minimum=1, maximum=1000)
    uniqueImages: bool = setting(False, "Whether every workload has images of its own instead of shared ones.")
    jobSeconds: int = setting(10, "How long a Job's containers run.", unit="s", minimum=0, maximum=86_400)
    negatives: Mapping[str, float] = setting(
        dict,
        "Images that Ratify must refuse: the kind and its share of the workloads, such as `{unsigned: 0.1}`. The kinds "
        "are in [scenarios.md](scenarios.md).",
    )
    referrers: tuple[Referrer, ...] = setting(
        (),
        "What is attached to images beside signatures: a list of {artifactType, bytes, count, share}, such as "
        "`{artifactType: application/spdx+json, share: 0.5}`, see [scenarios.md](scenarios.md).",
    )
    seed: int = setting(
        0,
        "Says which of the workloads run negative images, and which images have extra referrers.",
        minimum=0,
        maximum=2**31 - 1,
    )
    restored: bool = setting(
        False, "Whether negative images have genuine signatures as well, so that they have to pass."
    )


@dataclass(frozen=True)
class Policy:
    """What the constraint covers, and what happens when it cannot be evaluated."""

    install: bool = setting(
        True, "Whether the stack declares the constraint, its template and Gatekeeper's Config; off for what is there."
    )
    match: Literal["pods", "workloads"] = setting(
        "pods", "Kinds that the constraint matches: pods (stock), or pods and the workloads that make them."
    )
    failurePolicy: Literal["Ignore", "Fail"] = setting(
        "Ignore", "Webhooks' failure policy: Ignore (stock) lets a pod in unverified when the webhook times out."
    )


@dataclass(frozen=True)
class Load:
    """How the workloads are created, and how long is waited for them."""

    mode: Literal["declared", "created"] = setting(
        "declared", "declared: the Pulumi program declares the workloads; created: csscgen creates them at a rate."
    )
    start: bool = setting(
        True, "Whether the workloads are declared at once; csscgen run declares them after seeding and arming."
    )
    rate: float = setting(1.0, "Workloads per second in mode created.", unit="1/s", minimum=0.001, maximum=10_000)
    phases: tuple[Phase, ...] = setting(
        (), "The schedule of mode created, instead of one rate: a list of {pattern, objects, seconds, …}, see load.md."
    )
    shards: int = setting(
        1,
        "Drivers that share the schedule of mode created, each a process: see load.md.",
        minimum=1,
        maximum=MOST_DRIVERS,
    )
    template: str | None = setting(
        None,
        "A file with the workload of mode created, instead of the scenario's own: see [load.md](load.md#templates).",
    )
    deadlineSeconds: int = setting(
        900, "How long is waited, once the load is sent, until every pod's outcome is known.", unit="s", minimum=1
    )
    quietSeconds: float = setting(
        15,
        "Pods whose images are refused are given up when nothing has changed for this long.",
        unit="s",
        minimum=1,
        maximum=86_400,
    )
    retrySeconds: float = setting(
        90,
        "Pods that a later attempt may bring in (after a 429, a timeout, a webhook that was away) are given up when "
        "nothing has changed for this long.",
        unit="s",
        minimum=1,
        maximum=86_400,
    )

    @property
    def schedule(self) -> tuple[Phase, ...]:
        """The phases of mode created; one with the rate where none are set."""
        return self.phases or constant(self.rate)

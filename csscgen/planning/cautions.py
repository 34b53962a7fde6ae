"""What of a plan may go wrong, or mislead: sentences that name the setting and say why."""

from __future__ import annotations

from collections.abc import Iterator

from csscgen.planning.data import limits
from csscgen.planning.plans import PUBLISHED, Finding, Planned
from csscgen.planning.problems import says
from csscgen.planning.scalability import Threshold
from csscgen.planning.serving import Serving, of_one
from csscgen.planning.words import CATEGORIES, amount, duration, named_bucket
from infra.settings import Settings
from infra.settings.aks import FEW_NODES, tier
from workloads import registries

SMALL = ("XS", "S")
MOST_SUBJECTS = 2_000
"""Images that Ratify's metrics tell apart: the metric of a verifier has the image as a label, and OpenTelemetry keeps
2,000 series of an instrument."""


def warnings(planned: Planned, settings: Settings, shared: Settings) -> Iterator[Finding]:
    """What may go wrong, or mislead."""
    for serving in planned.served[:1]:
        yield from _throttled(serving, planned, settings)
    if not planned.problems:
        yield from _slow(planned, settings)
    yield from _tenants(planned, settings)
    yield from _verifying(planned, settings)
    yield from _scale(planned, settings)
    if settings.platform == "azure":
        yield from _azure(planned, settings)
    if planned.asked and not planned.served:
        yield Finding(
            "registry.kind",
            f"what a registry of kind {shared.registry_kind} admits is not known here, so nothing is said of 429s.",
        )


def _throttled(serving: Serving, planned: Planned, settings: Settings) -> Iterator[Finding]:
    if serving.expected_429s and serving.bottleneck:
        first = amount(min(serving.bottleneck.per_minute, serving.bottleneck.requests))
        yield Finding(
            "registry.size",
            f"expect 429s, about {amount(serving.expected_429s)}, and refused pods that controllers try again: "
            f"{says(serving.bottleneck)}, {first} of them at once.",
        )
        if settings.scenario.workload == "job":
            yield Finding(
                "scenario.workload",
                "what is expected of a registry that throttles was measured with Deployments; the Jobs' pods that end "
                "are verified again and compete with those to come, and a run may come to a standstill.",
            )
    if planned.asked is None or planned.nodes is None:
        return
    for bucket in serving.buckets:
        if bucket is serving.bottleneck and of_one(bucket.requests, bucket.per_minute, planned.asked.demand) > 1:
            yield Finding(
                "scenario.containers",
                f"one pod asks {named_bucket(bucket)} for more than it gives within Ratify's deadline: once it is "
                "empty hardly any pod comes in, and a run may come to a standstill. Lower it, or take a larger "
                "registry.",
            )
    # A node pulls when its first pod comes, and the first pods are spread over all nodes.
    arriving = planned.nodes.load * planned.asked.demand.unhindered_seconds / settings.replicas
    for bucket in serving.buckets:
        if bucket.who == "kubelets" and bucket.requests > bucket.per_minute * (1 + arriving / 60):
            yield Finding(
                "cluster.nodes",
                f"the nodes' pulls are throttled as well: {says(bucket)}, and all nodes have their first pod after "
                f"{duration(arriving)}; pods wait in ImagePullBackOff.",
            )


def _slow(planned: Planned, settings: Settings) -> Iterator[Finding]:
    deadline, expected = settings.load.deadlineSeconds, planned.run_seconds
    least = max((serving.least_seconds for serving in planned.served[:1]), default=0)
    by_model = next((serving for serving in planned.served[1:] if serving.least_seconds > deadline), None)
    if by_model is not None:
        yield Finding(
            "load.deadlineSeconds",
            f"{duration(deadline)} may be too short: by the model of size {settings.registry.size} the registry takes "
            f"{duration(by_model.least_seconds)} at least; raise it to "
            f"{round(by_model.expected_seconds * 1.25 / 60 + 1) * 60}, or take a larger region.",
        )
    elif expected > deadline >= least:
        yield Finding(
            "load.deadlineSeconds",
            f"{duration(deadline)} may be too short: the run is expected to take {duration(expected)}; raise it to "
            f"{round(expected * 1.25 / 60 + 1) * 60}.",
        )


def _tenants(planned: Planned, settings: Settings) -> Iterator[Finding]:
    """The seed's warning: whoever loads a small region's registry may hurt those who share the region."""
    if settings.platform != "azure" or settings.registry.size not in SMALL:
        return
    published = (serving for serving in planned.served if serving.limits == PUBLISHED)
    buckets = [bucket for serving in published for bucket in serving.buckets if bucket.who == "all"]
    if not buckets or planned.asked is None:
        return
    worst = max(buckets, key=lambda bucket: bucket.share)
    per_minute = worst.requests / max(planned.asked.demand.unhindered_seconds / 60, 1)
    share = 100 * per_minute / worst.per_minute
    yield Finding(
        "registry.size",
        f"the registry is in a region of size {settings.registry.size}, whose service has little to spare: the run "
        f"asks it for up to {amount(per_minute)} {CATEGORIES[worst.category]} a minute, {amount(share)}% "
        "of what Microsoft publishes for one registry, and may hurt other tenants of the region. Agree it with the ACR "
        "team, or take size L.",
    )


def _verifying(planned: Planned, settings: Settings) -> Iterator[Finding]:
    if planned.objects is None or planned.asked is None:
        return
    if denied := planned.objects.pods_to_be_denied:
        yield Finding(
            "scenario.negatives" if settings.scenario.negatives else "scenario.signatures",
            f"{amount(denied)} pods have to be denied; how often their controllers try again is not counted.",
        )
    if settings.gatekeeper.auditInterval:
        yield Finding(
            "gatekeeper.auditInterval",
            f"every {settings.gatekeeper.auditInterval} s audit asks Ratify about every pod again, which is not "
            "counted; 0 turns it off.",
        )
    if planned.asked.login.exchanged and not settings.ratify.cache:
        yield Finding(
            "ratify.cache",
            "with its caches off Ratify keeps no login: by workload identity it exchanges a token for each operation, "
            f"which is most of the {amount(planned.asked.run.oauth)} requests for tokens.",
        )
    if planned.objects.images > MOST_SUBJECTS:
        yield Finding(
            "scenario.uniqueImages",
            f"Ratify's metrics tell {amount(MOST_SUBJECTS)} images apart, and there are "
            f"{amount(planned.objects.images)}: the verifiers' durations of the others are one series.",
        )


def _scale(planned: Planned, settings: Settings) -> Iterator[Finding]:
    found = planned.memory
    if found and found.needed <= found.total and found.sentence:
        yield Finding("scenario.replicas", found.sentence)
    for row in planned.thresholds:
        if row.exceeded:
            yield Finding(row.key, _beyond(row))
    if planned.etcd_bytes is not None and planned.etcd_bytes > limits().etcd_bytes / 2:
        yield Finding(
            "scenario.replicas",
            f"etcd keeps about {planned.etcd_bytes / 1e9:.1f} GB of pods and events between two compactions, of "
            f"{limits().etcd_bytes / 1e9:.0f} GB; lower it, or scenario.containers.",
        )


def _beyond(row: Threshold) -> str:
    return (
        f"{amount(row.value)} {row.name} are more than the {amount(row.tested)} that SIG Scalability tests; it may "
        "work, and nobody promises it."
    )


def _azure(planned: Planned, settings: Settings) -> Iterator[Finding]:
    if planned.nodes is None:
        return
    if tier(settings) == "Free" and planned.nodes.total > FEW_NODES:
        yield Finding(
            "cluster.tier",
            f"Free is advised for up to {FEW_NODES} nodes, and has no SLA and a small API server; take Standard.",
        )
    if planned.cost and planned.cost.unknown:
        yield Finding(
            "cluster.vmSize",
            f"quota and price of {', '.join(planned.cost.unknown)} are not known (csscgen/planning/machines.yaml), and "
            "so the cost.",
        )
    if planned.throttles and planned.throttles.scale_steps > 1:
        yield Finding(
            "cluster.nodes",
            f"AKS advises to reach {amount(planned.nodes.load)} nodes in {planned.throttles.scale_steps} steps with "
            f"pauses of {duration(planned.throttles.scale_pause_seconds)} or more: expect the API server to answer "
            "slowly after the pools are made.",
        )
    if settings.registry.size not in SMALL:
        factor = registries.sizes()[settings.registry.size].limits["read"].registry
        yield Finding(
            "registry.size",
            f"that a region of size {settings.registry.size} admits {amount(factor)} reads a minute is a model; "
            "Microsoft publishes one row per SKU, by which the verdict goes.",
        )

"""Why a plan cannot work: sentences that name the setting and say what to change."""

from __future__ import annotations

from collections.abc import Iterator

from csscgen.planning.data import limits, machine
from csscgen.planning.objects import system_pods
from csscgen.planning.plans import MODELLED, PUBLISHED, Finding, Planned
from csscgen.planning.quantities import quantity
from csscgen.planning.serving import Bucket, Serving
from csscgen.planning.words import amount, duration, named_bucket
from infra.settings import Settings

DAY = 86_400
GATEKEEPER_CORES, RATIFY_CORES = 0.1, 0.6
"""That a pod asks for at least, as their charts have it."""


def problems(planned: Planned, settings: Settings, shared: Settings) -> Iterator[Finding]:
    """Why a run's plan cannot work."""
    for serving in planned.served[:1]:
        yield from _too_slow(serving, settings, shared)
    for serving in planned.seeded[:1]:
        if serving.least_seconds > DAY:
            yield Finding(
                "scenario.signatures",
                f"seeding takes {duration(serving.least_seconds)} at least, more than a day: "
                f"{says(serving.bottleneck)}. Lower scenario.signatures or scenario.shards, or share images "
                "(scenario.uniqueImages: off).",
            )
    if planned.nodes and settings.platform == "azure":
        yield from _aks(planned, settings)
    found = planned.memory
    if found and found.needed > found.total and found.sentence:
        yield Finding("scenario.replicas", found.sentence)


def _too_slow(serving: Serving, settings: Settings, shared: Settings) -> Iterator[Finding]:
    deadline = settings.load.deadlineSeconds
    if serving.least_seconds <= deadline:
        return
    change = [f"raise it to {round(serving.expected_seconds * 1.25 / 60 + 1) * 60} or more"]
    if not settings.ratify.cache:
        change.append("leave Ratify's caches on (ratify.cache)")
    if serving.limits == MODELLED and settings.registry.size != "L":
        change.append("take a larger registry (registry.size)")
    if serving.limits == PUBLISHED:
        more = "" if shared.registry.sku == "Premium" else "take registry.sku Premium, "
        change.append(f"{more}have Microsoft raise the registry's limit")
    yield Finding(
        "load.deadlineSeconds",
        f"the registry cannot serve the run within {duration(deadline)}: it takes {duration(serving.least_seconds)} at "
        f"least, as {says(serving.bottleneck)}. Either {', or '.join(change)}.",
    )


def says(bucket: Bucket | None) -> str:
    if bucket is None:
        return "its buckets are empty"
    return (
        f"{amount(bucket.requests)} requests are charged to {named_bucket(bucket)}, which admits "
        f"{amount(bucket.per_minute)} a minute"
    )


def _aks(planned: Planned, settings: Settings) -> Iterator[Finding]:
    assert planned.nodes is not None
    most = limits().aks.pods
    pods = settings.replicas + system_pods(settings)
    if pods > most:
        yield Finding(
            "scenario.replicas",
            f"AKS has at most {amount(most)} pods in a cluster, and the plan has {amount(pods)}; lower it.",
        )
    found = machine(settings.cluster.systemVmSize)
    if found is None:
        return
    gatekeeper, ratify = settings.gatekeeper, settings.ratify
    webhooks = gatekeeper.replicas + 1  # and the one that audits
    cores = webhooks * GATEKEEPER_CORES + ratify.replicas * min(RATIFY_CORES, quantity(ratify.cpuLimit))
    memory = webhooks * quantity(gatekeeper.memoryLimit) + ratify.replicas * quantity(ratify.memoryLimit)
    there = planned.nodes.system * found.cores, planned.nodes.system * found.gib * 1024.0**3
    if cores > there[0] or memory > there[1]:
        yield Finding(
            "cluster.systemNodes",
            f"Gatekeeper and Ratify ask for {cores:.1f} cores and {memory / 1024**3:.1f} GiB, and the "
            f"{planned.nodes.system} nodes of the system have {there[0]} and {amount(there[1] / 1024**3)} in all; "
            "raise it, or lower gatekeeper.replicas, ratify.replicas or their limits.",
        )

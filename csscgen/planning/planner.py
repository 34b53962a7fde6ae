"""From settings to a plan: the parts in their order, each from those before it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

from csscgen.planning import azure, scalability
from csscgen.planning.abilities import abilities, pushers
from csscgen.planning.bodies import Bodies
from csscgen.planning.cautions import warnings
from csscgen.planning.data import machine, model
from csscgen.planning.memory import memory
from csscgen.planning.objects import Nodes, nodes, objects
from csscgen.planning.plans import MODELLED, PUBLISHED, Asked, Planned
from csscgen.planning.problems import problems
from csscgen.planning.pulls import pulls
from csscgen.planning.quantities import quantity
from csscgen.planning.requests import Requests, gatekeepers, login, of_run, verifications
from csscgen.planning.seeded import Pace, pace_of, seeded, unhindered_seconds
from csscgen.planning.seeding import Seeding, seeding
from csscgen.planning.serving import Demand, Serving, Who, serve
from infra.settings import Settings
from workloads import registries
from workloads.registries import Category, Limit


def plan(stack: str, settings: Settings, shared: Settings | None, cores: int | None = None) -> Planned:
    """The plan of a stack; ``shared`` has the settings of its shared stack, None for one that is shared itself.

    ``cores`` are those of this machine, on which a local stack's Gatekeeper and Ratify run.
    """
    of_shared = shared or settings
    in_azure = settings.platform == "azure"
    planned = Planned(
        stack=stack,
        platform=settings.platform,
        registries=tuple((region.name, region.size) for region in of_shared.registry.regions),
        shared_usd_per_day=round(azure.registries_per_day(of_shared), 2) if in_azure else None,
    )
    if shared is None:
        return planned
    made, placed = objects(settings), nodes(settings)
    prepared = seeding(
        settings.plan.image_sets, abilities(shared), Bodies(shared.signing), identities=max(1, pushers(shared))
    )
    pace = pace_of(shared)
    asked = _asked(settings, shared, placed, cores or os.cpu_count() or 1)
    by_whom: dict[Who, Requests] = {"Ratify": asked.run}
    if asked.pulls:
        by_whom["kubelets"] = asked.pulls.requests
    planned = replace(
        planned,
        objects=made,
        nodes=placed,
        asked=asked,
        served=_served(settings, shared, by_whom, asked.demand),
        seeding=prepared,
        seeded=tuple(_seeded(settings, shared, prepared, pace)),
        seeding_seconds=unhindered_seconds(prepared, pace),
        signing_seconds=pace.signing_seconds(prepared),
        thresholds=tuple(scalability.thresholds(settings, made, placed)),
        etcd_bytes=scalability.etcd_bytes(settings, made),
        memory=memory(settings),
    )
    planned = replace(planned, api=scalability.api_load(made, placed, planned.run_seconds))
    if in_azure:
        planned = replace(
            planned,
            quotas=tuple(azure.quotas(settings, placed)),
            throttles=azure.throttles(settings, placed),
            cost=azure.cost(settings, shared, placed, prepared.signatures, planned.expected_seconds),
        )
    planned = replace(planned, problems=tuple(problems(planned, settings, shared)))
    return replace(planned, warnings=tuple(warnings(planned, settings, shared)))


def _served(settings: Settings, shared: Settings, asked: Mapping[Who, Requests], demand: Demand) -> tuple[Serving, ...]:
    """A load under each set of limits that there is."""
    challenges = registries.sizes()[settings.registry.size].charge_challenges
    identities = int(abilities(shared).login)
    return tuple(
        serve(name, row, asked, demand, challenges=challenges, identities=identities)
        for name, row in _limits(settings, shared).items()
    )


def _seeded(settings: Settings, shared: Settings, prepared: Seeding, pace: Pace) -> Iterator[Serving]:
    """The seeding under each set of limits that there is."""
    challenges = registries.sizes()[settings.registry.size].charge_challenges
    for name, row in _limits(settings, shared).items():
        yield seeded(name, row, prepared, pace, identities=pushers(shared), challenges=challenges)


def _asked(settings: Settings, shared: Settings, placed: Nodes, cores: int) -> Asked:
    unhindered = _unhindered_seconds(settings, cores)
    found = verifications(settings, unhindered)
    demand = Demand(
        unhindered_seconds=unhindered,
        concurrency=_threads(settings, cores),
        deadline_seconds=settings.ratify.verificationTimeoutMs / 1000,
        verifications=max(1, found.at_registry // settings.scenario.containers),
        workloads=settings.scenario.shards,
    )
    return Asked(
        login=login(shared),
        verifications=found,
        run=of_run(settings, shared, unhindered),
        pulls=pulls(settings, shared, placed),
        demand=demand,
    )


def _unhindered_seconds(settings: Settings, cores: int) -> float:
    """How long the run takes where the registry throttles nobody."""
    known = model()
    local = settings.platform == "local"
    pods_per_second = known.cached_pods_per_second * cores / 2 if local else known.cluster_pods_per_second
    creating = settings.replicas / pods_per_second
    if settings.ratify.cache:
        return creating
    found = verifications(settings, creating)
    # On one machine Ratify has half of the cores at most: the control plane and the registry take the rest.
    of_ratify = cores / 2 if local else settings.ratify.replicas * max(0.001, quantity(settings.ratify.cpuLimit))
    checked = found.at_registry * max(1, settings.scenario.signatures)
    checking = checked / (known.signatures_per_core_second * of_ratify)
    each = known.verification_seconds if local else known.cluster_verification_seconds
    waiting = found.admissions * each / _threads(settings, cores)
    return max(creating, checking, waiting)


def _threads(settings: Settings, cores: int) -> int:
    """Validations that run at once in all of Gatekeeper: as many as there are cores, unless it is told otherwise."""
    own = settings.gatekeeper.maxServingThreads
    if own < 1:
        found = machine(settings.cluster.systemVmSize) if settings.platform == "azure" else None
        own = cores if settings.platform == "local" else found.cores if found else model().gatekeeper_cores
    return own * gatekeepers(settings)


def _limits(settings: Settings, shared: Settings) -> Mapping[str, Mapping[Category, Limit]]:
    """The sets of limits that are known of the run's registry; the first is the one to go by."""
    modelled = registries.sizes()[settings.registry.size].limits
    match shared.registry_kind:
        case "acr":
            return {PUBLISHED: registries.published(shared.registry.sku), MODELLED: modelled}
        case "emulator":
            return {MODELLED: modelled}
        case _:
            return {}

"""What no single key shows: keys that do not go together, as sentences that say what to change.

Each contradiction names the keys that are in it, so that one is left out when the value of one of its keys is bad by
itself: it would be about the default in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.faults import schedule_problems
from infra.settings import azure_limits, charts
from workloads.errors import named
from workloads.negatives import KINDS as NEGATIVES
from workloads.negatives import REFUSED_SIGNERS
from workloads.negatives import problems as negatives_problems
from workloads.referrers import problems as referrers_problems
from workloads.registries import public_host
from workloads.schedules import problems as phase_problems
from workloads.shards import problems as shard_problems
from workloads.sizes import SYSTEM_PODS, pods_per_node
from workloads.thresholds import problem as threshold_problem

if TYPE_CHECKING:
    from infra.settings import Settings

MOST_REGIONS = 32
"""Each is a process and a port of its own, or a registry that has to be paid."""
LESS_THAN_WEBHOOK_MS = {"verification": 100, "mutation": 50}
"""How much earlier than the webhook Ratify gives up by its chart, which lets nobody say otherwise."""
MOST_NODES = 5_000
"""Of a cluster: what SIG Scalability tests and AKS allows."""

Contradiction = tuple[tuple[str, ...], str]
"""The keys that are in it, and the sentence."""
KINDS = {"local": ("emulator", "distribution"), "azure": ("acr",), "kubeconfig": ("existing",)}
"""Platform → what can serve the images of its shared stacks; the first does if nothing is set."""


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    """All of them."""
    yield from _thresholds(settings)
    yield from _scenario(settings)
    if settings.sharedStack:
        yield from _room(settings)
    yield from _ratify(settings)
    if "ratify" in charts.needed(settings):
        yield from _ratify_s_chart(settings)
    yield from _load(settings)
    yield from _faults(settings)
    yield from _ports(settings)
    yield from _registries(settings)
    yield from _signing(settings)
    yield from _monitoring(settings)
    if settings.platform == "azure":
        yield from azure_limits.contradictions(settings)


def _thresholds(settings: Settings) -> Iterator[Contradiction]:
    for metric, limit in settings.thresholds.items():
        if problem := threshold_problem(limit):
            yield ("thresholds",), f"thresholds.{named(metric)}: {problem}"


def _scenario(settings: Settings) -> Iterator[Contradiction]:
    scenario = settings.scenario
    if scenario.shards > settings.replicas:
        yield (
            ("scenario.shards", "scenario.replicas", "scenario.size"),
            f"scenario.shards: {scenario.shards} workloads cannot share {settings.replicas} replicas; "
            "each needs at least one.",
        )
    for problem in negatives_problems(scenario.negatives, scenario.shards):
        yield ("scenario.negatives", "scenario.shards"), f"scenario.negatives: {problem}"
    if scenario.negatives and not scenario.signatures:
        yield (
            ("scenario.negatives", "scenario.signatures"),
            "scenario.negatives: with scenario.signatures 0 every image is unsigned as it is; set one or the other.",
        )
    for problem in referrers_problems([each.extra for each in scenario.referrers], scenario.containers):
        yield ("scenario.referrers", "scenario.containers"), f"scenario.referrers: {problem}"
    foreign = [kind for kind in REFUSED_SIGNERS if scenario.negatives.get(kind)]
    if foreign and settings.platform == "azure":
        others = ", ".join(kind for kind in NEGATIVES if kind not in REFUSED_SIGNERS)
        yield (
            ("scenario.negatives", "platform"),
            f"scenario.negatives: on Azure nobody signs but the key vault, so there are no images of the kind "
            f"{' or '.join(foreign)}; leave that out, the others are {others}.",
        )


def _load(settings: Settings) -> Iterator[Contradiction]:
    load = settings.load
    if load.phases and load.mode == "declared":
        yield (
            ("load.phases", "load.mode"),
            "load.phases: mode declared declares all workloads at once; set load.mode to created.",
        )
    if load.template and load.mode == "declared":
        yield (
            ("load.template", "load.mode"),
            "load.template: mode declared declares the scenario's own workloads; set load.mode to created.",
        )
    if load.template and settings.scenario.negatives:
        yield (
            ("load.template", "scenario.negatives"),
            "load.template: which images its workloads run is the template's, so that nobody could say which of "
            "scenario.negatives had to be denied; leave one of them out.",
        )
    if load.template and load.shards > 1:
        yield (
            ("load.template", "load.shards"),
            "load.shards: each driver makes its objects from the scenario, and none from load.template; leave one of "
            "them out.",
        )
    for problem in phase_problems(load.phases, settings.scenario.shards):
        yield ("load.phases", "scenario.shards"), f"load.{problem}"
    if load.shards > 1 and load.mode == "declared":
        yield ("load.shards", "load.mode"), "load.shards: mode declared has one driver; set load.mode to created."
    elif load.shards > 1:
        for problem in shard_problems(load.phases, settings.scenario.shards, load.shards):
            yield ("load.shards", "load.phases", "scenario.shards"), f"load.shards: {problem}"


def _room(settings: Settings) -> Iterator[Contradiction]:
    """Whether the pods fit on the nodes; simulated nodes are all for the load, and have no pods of their own."""
    cluster, scenario = settings.cluster, settings.scenario
    keys = (
        *("scenario.replicas", "scenario.size", "scenario.containers"),
        *("cluster.nodes", "cluster.maxPods", "cluster.systemNodes"),
    )
    if settings.platform == "kubeconfig":
        return  # the nodes are there, whatever they take
    nodes = settings.needed_nodes
    if nodes is None:
        yield (
            keys,
            f"cluster.maxPods: a node with {cluster.maxPods} pods has {SYSTEM_PODS} of its own and takes none with "
            f"{scenario.containers} containers; raise cluster.maxPods, or lower scenario.containers.",
        )
        return
    if cluster.nodes is None and nodes > MOST_NODES:
        yield (
            keys,
            f"scenario.replicas: {settings.replicas} pods need {nodes} nodes with {cluster.maxPods} pods each, and a "
            f"cluster has at most {MOST_NODES}; lower it, or raise cluster.maxPods.",
        )
        return
    azure = settings.platform == "azure"
    load = settings.nodes - cluster.systemNodes if azure else settings.nodes
    each = pods_per_node(scenario.containers, cluster.maxPods) if azure else cluster.maxPods
    if load < 1:
        yield (
            keys,
            f"cluster.nodes: {settings.nodes} nodes are none beside the {cluster.systemNodes} of cluster.systemNodes.",
        )
    elif settings.replicas > load * each:
        yield (
            keys,
            f"scenario.replicas: {settings.replicas} pods do not fit on {load} nodes with {each} pods each "
            f"({load * each} in all); lower it, or raise cluster.nodes or cluster.maxPods.",
        )


def _ratify(settings: Settings) -> Iterator[Contradiction]:
    ratify, gatekeeper = settings.ratify, settings.gatekeeper
    keys = ("ratify.mode", "ratify.replicas")
    if ratify.mode == "regular" and ratify.replicas > 1:
        yield (
            keys,
            f"ratify.replicas: mode regular has 1 replica, not {ratify.replicas}; set ratify.mode to ha-without-dapr "
            "for several.",
        )
    if ratify.mode != "regular" and ratify.replicas < 2:
        yield keys, f"ratify.replicas: mode {ratify.mode} needs 2 to 20 replicas, got {ratify.replicas}."
    if ratify.mode == "ha" and settings.platform == "local":
        yield (
            ("ratify.mode", "platform"),
            "ratify.mode: ha has Dapr and Redis, which this machine has not; ha-without-dapr is the same without them.",
        )
    for ours, theirs in (("verification", "validation"), ("mutation", "mutation")):
        milliseconds = getattr(ratify, f"{ours}TimeoutMs")
        seconds = getattr(gatekeeper, f"{theirs}TimeoutSeconds")
        if milliseconds >= seconds * 1000:
            yield (
                (f"ratify.{ours}TimeoutMs", f"gatekeeper.{theirs}TimeoutSeconds"),
                f"ratify.{ours}TimeoutMs: {milliseconds} ms is not below gatekeeper.{theirs}TimeoutSeconds "
                f"({seconds} s), so Gatekeeper would give up first and hide Ratify's error.",
            )


def _ratify_s_chart(settings: Settings) -> Iterator[Contradiction]:
    """What Ratify's chart, where it is installed, cannot say: see infra/kubernetes/ratify.py."""
    ratify = settings.ratify
    for ours, theirs in (("verification", "validation"), ("mutation", "mutation")):
        seconds = getattr(settings.gatekeeper, f"{theirs}TimeoutSeconds")
        milliseconds = getattr(ratify, f"{ours}TimeoutMs")
        derived = seconds * 1000 - LESS_THAN_WEBHOOK_MS[ours]
        if milliseconds != derived and milliseconds < seconds * 1000:  # one that is longer is told as such
            yield (
                (f"ratify.{ours}TimeoutMs", f"gatekeeper.{theirs}TimeoutSeconds"),
                f"ratify.{ours}TimeoutMs: on a cluster Ratify's chart makes it of gatekeeper.{theirs}TimeoutSeconds, "
                f"{derived} ms of {seconds} s, and {milliseconds} ms cannot be had; set one to fit the other.",
            )
    if ratify.mode == "ha" and not ratify.cache:
        yield (
            ("ratify.mode", "ratify.cache"),
            "ratify.cache: mode ha is about a cache that the replicas share, and off leaves none; ha-without-dapr is "
            "for several replicas without.",
        )
    if settings.scenario.restored:
        yield (
            ("scenario.restored", "ratify.install"),
            "scenario.restored: the policy of Ratify's chart wants all signatures of an image to be good, not any, so "
            "these images would be refused; it goes on platform local.",
        )


def _faults(settings: Settings) -> Iterator[Contradiction]:
    if settings.faults and settings.platform != "local":
        yield (
            ("faults", "platform"),
            f"faults: they hit processes of this machine, and platform {settings.platform} has none.",
        )
        return
    for problem in schedule_problems(settings.faults, settings.ratify.replicas):
        yield ("faults", "ratify.replicas"), problem


def _ports(settings: Settings) -> Iterator[Contradiction]:
    taken: dict[int, str] = {}
    for key, port in (
        ("cluster.apiServerPort", settings.cluster.apiServerPort),
        ("gatekeeper.port", settings.gatekeeper.port),
        ("ratify.port", settings.ratify.port),
    ):
        if port and (other := taken.setdefault(port, key)) != key:
            yield (key, other), f"{key}: {port} is the port of {other}; set another, or 0 for a free one."


def _registries(settings: Settings) -> Iterator[Contradiction]:
    registry = settings.registry
    keys = ("registry.regions",)
    if not registry.regions:
        yield keys, "registry.regions: there has to be at least one."
    elif len(registry.regions) > MOST_REGIONS:
        yield keys, f"registry.regions: there can be at most {MOST_REGIONS}, got {len(registry.regions)}."
    elif len({region.name for region in registry.regions}) < len(registry.regions):
        yield keys, "registry.regions: two regions have the same name."
    if settings.sharedStack:
        return
    known = KINDS[settings.platform]
    if settings.registry_kind not in known:
        yield (
            ("registry.kind", "platform"),
            f"registry.kind: platform {settings.platform} has {' or '.join(known)}, not {registry.kind}.",
        )
    elif settings.registry_kind == "existing":
        for region in registry.regions:
            if region.host is None:
                yield keys, f"registry.regions: {region.name} lacks its host, which an existing registry has."
            elif public_host(region.host):
                yield (
                    keys,
                    f"registry.regions: {region.host} is a public registry: no place for load, name your own.",
                )


def _monitoring(settings: Settings) -> Iterator[Contradiction]:
    monitoring = settings.monitoring
    if monitoring.prometheusHttpConfig and not monitoring.prometheusUrl:
        yield (
            ("monitoring.prometheusHttpConfig", "monitoring.prometheusUrl"),
            "monitoring.prometheusHttpConfig: it is the login to monitoring.prometheusUrl, which is not set.",
        )
    if monitoring.prometheusUrl is None:
        return
    try:
        parts = urlsplit(monitoring.prometheusUrl)
        fits = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        fits = fits and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        yield ("monitoring.prometheusUrl",), "monitoring.prometheusUrl: expected a URL such as https://host:9090/path."
    elif "@" in parts.netloc:  # it is not shown
        yield (
            ("monitoring.prometheusUrl",),
            "monitoring.prometheusUrl: it has a login in it, which settings do not hold; use "
            "monitoring.prometheusHttpConfig.",
        )


def _signing(settings: Settings) -> Iterator[Contradiction]:
    signing = settings.signing
    files = ("signing.keyFile", "signing.certificateFile")
    if (signing.keyFile is None) != (signing.certificateFile is None):
        yield files, "signing.keyFile: an existing key needs signing.certificateFile and the other way round; set both."
    elif signing.keyFile and signing.intermediate:
        yield (
            (*files, "signing.intermediate"),
            "signing.intermediate: the chain in signing.certificateFile is taken as it is; leave one of them out.",
        )
    if settings.platform != "azure":
        return
    if signing.intermediate:
        yield (
            ("signing.intermediate", "platform"),
            "signing.intermediate: on Azure the key vault makes the certificate, which is self-signed; leave it off.",
        )
    if signing.keyFile:
        yield (
            ("signing.keyFile", "platform"),
            "signing.keyFile: on Azure the key never leaves the key vault; leave it out.",
        )

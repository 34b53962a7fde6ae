"""What a cluster carries, whoever made it: Gatekeeper, Ratify, monitoring, the policy, and the workloads.

AKS and a cluster that is named by a kubeconfig are given the same. What differs is where Ratify has its trust from and
how it logs in to the registry: a Key Vault and workload identity, or certificates and a docker config in the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.kubernetes import dapr, gatekeeper, monitoring, ratify
from infra.kubernetes.charts import charts, release
from infra.kubernetes.placement import Placement
from infra.kubernetes.policy import NAMESPACE, Policy
from infra.kubernetes.ratify import SERVICE_ACCOUNT
from infra.kubernetes.trust import InlineTrust, Trust, VaultTrust
from infra.kubernetes.workloads import Namespaces, Workloads
from infra.settings import Settings
from infra.settings.charts import needed
from workloads.ratify.objects import PULL_SECRET

__all__ = ["NAMESPACE", "SERVICE_ACCOUNT", "InlineTrust", "Placement", "VaultTrust", "declare"]

ANYWHERE = Placement()
IN_COMMON = {"namespace": NAMESPACE, "port": ratify.METRICS_PORT}
COMPONENTS: dict[str, dict[str, Any]] = {
    "ratify": {"selector": "app.kubernetes.io/name=ratify", "container": "ratify", **IN_COMMON},
    "gatekeeper": {"selector": "gatekeeper.sh/system=yes", "container": "manager", **IN_COMMON},
}
"""Where the pods of the system under test are found, as the stack's outputs say it."""


def declare(
    settings: Settings,
    provider: k8s.Provider,
    trust: Trust,
    host: pulumi.Output[str],
    *,
    placement: Placement = ANYWHERE,
    after: Sequence[pulumi.Resource] = (),
    deleted_with: pulumi.Resource | None = None,
) -> None:
    """Declares all of it, and exports what the harness has to know. ``after`` is what the first resource waits for.

    ``deleted_with`` is the cluster, where the stack made it: what is in it goes with it, and is not taken out piece by
    piece. A cluster that was there before keeps nothing of the stack's, and is none.
    """
    top = pulumi.ResourceOptions()
    inside = pulumi.ResourceOptions(provider=provider, deleted_with=deleted_with, depends_on=[*after])
    installed = _install(settings, trust, placement, inside)
    standing = _after(inside, installed)
    namespaces = Namespaces("namespaces", settings.plan, top, standing)
    ready: list[pulumi.Resource] = [namespaces]
    if isinstance(trust, InlineTrust):
        there = _after(inside, [namespaces])
        names = settings.plan.namespace_names
        ready += [_login(f"pull-{number}", PULL_SECRET, name, trust, there) for number, name in enumerate(names)]
    if settings.policy.install:
        own = [*dict.fromkeys(charts()[name].namespace for name in needed(settings))]
        ready.append(Policy("policy", settings, own=own, opts=top, children=standing).constraint)
    if settings.load.mode == "declared" and settings.load.start:
        Workloads("workloads", settings.plan, host, top, _after(standing, ready))
    pulumi.export("registry", host)
    pulumi.export("components", COMPONENTS)
    pulumi.export("targets", {name: {"metrics": url} for name, url in settings.monitoring.pages.items()})
    if settings.monitoring.prometheusUrl:
        pulumi.export("prometheus", settings.monitoring.prometheusUrl)
    if "monitoring" in needed(settings):
        pulumi.export("prometheusService", monitoring.service())


def _install(
    settings: Settings, trust: Trust, placement: Placement, inside: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """The releases, and what they need beside them; one after the other where one needs the other.

    Ratify's chart looks for the certificate of Gatekeeper's webhook, to ask it of whoever calls, and has objects of
    Gatekeeper's kinds: it comes after.
    """
    chosen, made = needed(settings), list[pulumi.Resource]()
    if "gatekeeper" in chosen:
        version = settings.gatekeeper.version
        made.append(release("gatekeeper", gatekeeper.values(settings, placement), inside, version=version))
    if "ratify" in chosen:
        before = [*made, *_beside_ratify(settings, trust, placement, inside, made)]
        values = ratify.values(settings, placement, trust)
        made.append(release("ratify", values, inside, version=settings.ratify.chart, after=before))
    if "monitoring" in chosen:
        made.append(release("monitoring", monitoring.values(settings, placement, COMPONENTS), inside))
    return made


def _beside_ratify(
    settings: Settings,
    trust: Trust,
    placement: Placement,
    inside: pulumi.ResourceOptions,
    after: list[pulumi.Resource],
) -> list[pulumi.Resource]:
    """Ratify's login, if it is given one, and the cache that its replicas share, in the namespace of the releases."""
    standing, made = _after(inside, after), list[pulumi.Resource]()
    if isinstance(trust, InlineTrust):
        made.append(_login("ratify-login", ratify.DOCKER_SECRET, NAMESPACE, trust, standing))
    if settings.ratify.mode == "ha":
        sidecars = release("dapr", dapr.values(placement), inside)
        made += dapr.Cache("cache", placement, pulumi.ResourceOptions(), standing, sidecars).resources
    return made


def _login(
    resource: str, name: str, namespace: str, trust: InlineTrust, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """The login to the registry as a secret of a namespace: for Ratify, or for the nodes that pull the load."""
    return k8s.core.v1.Secret(
        resource,
        metadata={"name": name, "namespace": namespace},
        type="kubernetes.io/dockerconfigjson",
        string_data={".dockerconfigjson": trust.login},
        opts=opts,
    )


def _after(options: pulumi.ResourceOptions, resources: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[*resources]))

"""The two stacks of a local platform: the shared one with registries and certificate, and the one of a run.

They are the counterparts of the Azure stacks: what is made once and kept, and what is made for a run. Their outputs are
all that the harness knows of them: what can be scraped, which processes there are, where they log.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import yaml

from infra.kubernetes.access import Access
from infra.kubernetes.policy import NAMESPACE, Policy
from infra.kubernetes.trail import Trail
from infra.kubernetes.workloads import Namespaces, Workloads
from infra.local import control_plane, gatekeeper, monitoring, nodes, ratify, registries, signers, tools
from infra.local.admission import Providers, Webhooks
from infra.local.site import Site, site
from infra.settings import Settings
from workloads.errors import ToolError
from workloads.registries import host_of


def shared(settings: Settings, folder: Path) -> None:
    """Registries, signing certificates and trust policy."""
    here = site(folder, registries.ports(settings), registries.fixed_ports(settings), {})
    registry = registries.Registries("registries", here, settings)
    pulumi.export("registries", registry.hosts)
    if registry.credentials:
        pulumi.export("credentials", registry.credentials.files)
    signers.export(settings, folder, here.folder)
    pulumi.export("targets", here.targets)
    pulumi.export("declared", settings.shared_part)


def run(settings: Settings, folder: Path) -> None:
    """Control plane, nodes, Gatekeeper, Ratify, policy, and the workloads if they are to be declared."""
    common = pulumi.StackReference(str(settings.sharedStack))
    here = _site(settings, folder)
    plane = control_plane.ControlPlane("control-plane", here)
    provider = k8s.Provider(
        "cluster", kubeconfig=plane.kubeconfig, opts=pulumi.ResourceOptions(depends_on=[plane.api_server])
    )
    # Whatever is in the cluster goes with its API server: destroy does not take it out piece by piece.
    inside = pulumi.ResourceOptions(provider=provider, deleted_with=plane.api_server)
    top = pulumi.ResourceOptions()
    access = Access("access", top, inside)
    nodes.Kwok(
        "kwok",
        here,
        plane,
        count=settings.nodes,
        cpu=settings.cluster.nodeCpu,
        memory=settings.cluster.nodeMemory,
        max_pods=settings.cluster.maxPods,
        job_seconds=settings.scenario.jobSeconds,
        after=[access.bindings["kwok"]],
    )
    verifier = ratify.Ratify(
        "ratify",
        here,
        settings,
        certificate=common.require_output("trustStore"),
        policy=common.require_output("trustPolicy"),
        login=common.get_output("credentials").apply(lambda files: files and files["pull"]),
    )
    webhook = gatekeeper.Gatekeeper(
        "gatekeeper", here, plane, settings, after=[access.bindings["gatekeeper"], *_gatekeeper_api(inside)]
    )
    running = pulumi.ResourceOptions.merge(
        inside, pulumi.ResourceOptions(depends_on=[*webhook.processes, *verifier.processes])
    )
    ca = here.certificates.ca_pem
    providers = Providers("admission", settings, url=verifier.url, ca_pem=ca, opts=top, children=running)
    before = [*providers.resources]
    if settings.policy.install:
        asking = pulumi.ResourceOptions.merge(running, pulumi.ResourceOptions(depends_on=providers.resources))
        before.append(Policy("policy", settings, opts=top, children=asking).constraint)
    admission = Webhooks(
        "admission",
        settings,
        url=webhook.url,
        ca_pem=ca,
        opts=top,
        children=pulumi.ResourceOptions.merge(running, pulumi.ResourceOptions(depends_on=before)),
    )
    trail = Trail("trail", top, inside)
    what = settings.plan
    # Without a policy and a load of its own the stack is a cluster for another, which has namespaces by these names.
    bare = not settings.policy.install and not settings.load.start
    namespaces = None if bare else Namespaces("namespaces", what, top, inside)
    host = common.require_output("registries").apply(
        lambda hosts: host_of(hosts, settings.registry.size, str(settings.sharedStack))
    )
    if settings.monitoring.prometheusUrl:
        pulumi.export("prometheus", settings.monitoring.prometheusUrl)
    elif monitoring.wanted(settings):
        pulumi.export("prometheus", monitoring.Prometheus("prometheus", here, settings).url)
    if namespaces and settings.load.mode == "declared" and settings.load.start:
        children = pulumi.ResourceOptions.merge(
            inside, pulumi.ResourceOptions(depends_on=[namespaces, admission.armed, trail.bound])
        )
        Workloads("workloads", what, host, top, children)
    pulumi.export("kubeconfig", plane.kubeconfig)
    pulumi.export("registry", host)
    pulumi.export("audit", plane.audit)
    pulumi.export("targets", here.targets)
    pulumi.export("metricsClient", {"ca": here.ca, "certificate": list(here.certificate("admin"))})


def _site(settings: Settings, folder: Path) -> Site:
    identities = {
        **control_plane.IDENTITIES,
        **nodes.IDENTITIES,
        **ratify.identities(settings),
        **gatekeeper.IDENTITIES,
    }
    ports = [
        *control_plane.PORTS,
        *nodes.PORTS,
        *ratify.ports(settings),
        *gatekeeper.ports(settings),
        *monitoring.PORTS,
    ]
    fixed = {
        "kube-apiserver": settings.cluster.apiServerPort,
        gatekeeper.ADDRESS: settings.gatekeeper.port,
        ratify.ADDRESS: settings.ratify.port,
    }
    skewed = {fault.target for fault in settings.faults if fault.action == "clock-skew"}
    return site(folder, ports, fixed, identities, later=skewed)


def _gatekeeper_api(inside: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """Gatekeeper's own kinds and its namespace, which it needs before it starts."""
    folder = tools.assets(tools.TOOLS["gatekeeper"])
    assert folder is not None
    if not folder.exists() and not pulumi.runtime.is_dry_run():  # a stack can be previewed before anything is built
        raise ToolError("Gatekeeper's CRDs are not in the cache yet. `csscgen tools install gatekeeper` brings them.")
    namespace = k8s.core.v1.Namespace(NAMESPACE, metadata={"name": NAMESPACE}, opts=inside)
    pod: Any = gatekeeper.pod()
    after = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[namespace]))
    made: list[pulumi.Resource] = [k8s.core.v1.Pod(gatekeeper.POD, **pod, opts=after)]
    for file in sorted(folder.glob("*.yaml")):
        body = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
        made.append(
            k8s.apiextensions.CustomResource(
                body["metadata"]["name"],
                api_version=body["apiVersion"],
                kind=body["kind"],
                metadata={"name": body["metadata"]["name"], "labels": body["metadata"].get("labels", {})},
                spec=body["spec"],
                opts=inside,
            )
        )
    return made

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
from infra.kubernetes.admission import Admission
from infra.kubernetes.trail import Trail
from infra.kubernetes.workloads import Namespaces, Workloads
from infra.local import control_plane, gatekeeper, monitoring, nodes, ratify, registries, tools
from infra.local.certificates import ORGANIZATION, signing_subject
from infra.local.keys import SigningCertificate
from infra.local.site import Site, site
from infra.settings import Settings
from workloads.errors import ToolError
from workloads.negatives import REFUSED_SIGNERS
from workloads.registries import host_of

KEY_TYPES: dict[str, Any] = {"ES256": "ec-p256", "PS256": "rsa-2048"}


def shared(settings: Settings, folder: Path) -> None:
    """Registries, signing certificates and trust policy."""
    here = site(folder, registries.ports(settings), registries.fixed_ports(settings), {})
    registry = registries.Registries("registries", here, settings)
    common_name = settings.signing.commonName

    def signer(name: str, organization: str = ORGANIZATION, expired: bool = False) -> SigningCertificate:
        return SigningCertificate(
            name,
            folder=folder / name,
            key_type=KEY_TYPES[settings.signing.algorithm],
            common_name=common_name,
            organization=organization,
            expired=expired,
            opts=pulumi.ResourceOptions(depends_on=[here.folder]),
        )

    genuine = signer("signing")
    refused = {
        kind: signer(f"signing-{kind}", ORGANIZATION if who.has_genuine_name else f"{ORGANIZATION}-{kind}", who.expired)
        for kind, who in REFUSED_SIGNERS.items()
    }
    trusted = [genuine, *(refused[kind] for kind, who in REFUSED_SIGNERS.items() if who.in_trust_store)]
    pulumi.export("registries", registry.hosts)
    if registry.credentials:
        pulumi.export("credentials", {"push": registry.credentials.push, "pull": registry.credentials.pull})
    pulumi.export("signingKeyFile", genuine.key_file)
    pulumi.export("signingCertificate", genuine.certificate)
    pulumi.export(
        "refusedSigners",
        {kind: {"keyFile": who.key_file, "certificate": who.certificate} for kind, who in refused.items()},
    )
    pulumi.export("trustStore", pulumi.Output.concat(*(who.certificate for who in trusted)))
    pulumi.export("trustPolicy", ratify.trust_policy(signing_subject(common_name).rfc4514_string()))
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
    admission = Admission(
        "admission",
        settings,
        webhook_url=webhook.url,
        provider_url=verifier.url,
        ca_pem=here.certificates.ca_pem,
        opts=top,
        children=pulumi.ResourceOptions.merge(
            inside, pulumi.ResourceOptions(depends_on=[*webhook.processes, *verifier.processes])
        ),
    )
    trail = Trail("trail", top, inside)
    what = settings.plan
    namespaces = Namespaces("namespaces", what, top, inside)
    host = common.require_output("registries").apply(
        lambda hosts: host_of(hosts, settings.registry.size, str(settings.sharedStack))
    )
    if monitoring.wanted(settings):
        pulumi.export("prometheus", monitoring.Prometheus("prometheus", here, settings).url)
    if settings.load.mode == "declared" and settings.load.start:
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
    namespace = k8s.core.v1.Namespace(gatekeeper.NAMESPACE, metadata={"name": gatekeeper.NAMESPACE}, opts=inside)
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

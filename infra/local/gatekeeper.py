"""Gatekeeper as a process: every knob of the settings that a process has, and its own certificate on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from infra.kubernetes.policy import NAMESPACE
from infra.local import fronts
from infra.local.control_plane import ControlPlane
from infra.local.processes import LocalProcess
from infra.local.site import Identities, Site
from infra.settings import Settings

ADDRESS = "gatekeeper"
"""The name of the port that the webhooks are given."""
BEHIND = "gatekeeper-behind"
METRICS = "gatekeeper-metrics"
HEALTH = "gatekeeper-health"
IDENTITIES: Identities = {"gatekeeper": ("gatekeeper", ["ratify-perf:gatekeeper"])}

POD = "gatekeeper-0"


def pod() -> dict[str, Any]:
    """The Pod that stands for the process in the cluster: it owns the status objects that Gatekeeper writes.

    Without an owner that exists the garbage collector deletes them and Gatekeeper writes them anew, for ever. It is
    gated, so that it is never scheduled and takes no place on a node.
    """
    return {
        "metadata": {"name": POD, "namespace": NAMESPACE, "annotations": {"pulumi.com/skipAwait": "true"}},
        "spec": {
            "schedulingGates": [{"name": "ratify-perf/runs-as-a-process"}],
            "automountServiceAccountToken": False,
            "containers": [{"name": "manager", "image": "gatekeeper"}],
        },
    }


def flags(settings: Settings) -> list[str]:
    """Gatekeeper's flags for these settings."""
    chosen = settings.gatekeeper
    return [
        f"--audit-interval={chosen.auditInterval}",
        f"--audit-chunk-size={chosen.auditChunkSize}",
        f"--audit-from-cache={str(chosen.auditFromCache).lower()}",
        f"--emit-admission-events={str(chosen.emitAdmissionEvents).lower()}",
        f"--emit-audit-events={str(chosen.emitAuditEvents).lower()}",
        f"--enable-external-data={str(chosen.externalData).lower()}",
        f"--external-data-provider-response-cache-ttl={settings.response_cache_seconds}s",
        f"--max-serving-threads={chosen.maxServingThreads}",
        f"--log-denies={str(chosen.logDenies).lower()}",
        f"--log-level={chosen.logLevel}",
    ]


def has_front(settings: Settings) -> bool:
    """Whether a front stands before Gatekeeper: if a fault is to hit it.

    Gatekeeper answers before it has read its constraints, and admits everything then. In a cluster the Service keeps a
    pod that was just started out until it is ready; whoever restarts a process here has to do the same.
    """
    return any(fault.target == "gatekeeper" for fault in settings.faults)


def ports(settings: Settings) -> list[str]:
    """The names of the ports that are needed."""
    return [ADDRESS, METRICS, HEALTH, *((BEHIND, *fronts.ports_of(ADDRESS)) if has_front(settings) else ())]


class Gatekeeper(pulumi.ComponentResource):
    """One Gatekeeper that does all its operations. ``url`` is where the API server finds its webhooks."""

    url: pulumi.Output[str]
    processes: list[LocalProcess]

    def __init__(
        self,
        name: str,
        site: Site,
        control_plane: ControlPlane,
        settings: Settings,
        *,
        after: list[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ratify-perf:local:Gatekeeper", name, None, opts)
        kubeconfig, written = control_plane.kubeconfig_file("gatekeeper", self)
        cert, _ = site.certificate("gatekeeper")
        self.url = site.url("https", "gatekeeper", "/v1")
        port = BEHIND if has_front(settings) else ADDRESS
        process = site.start(
            "gatekeeper",
            "gatekeeper",
            [
                "--disable-cert-rotation",
                f"--cert-dir={Path(cert).parent}",
                "--host=127.0.0.1",
                pulumi.Output.concat("--port=", site.ports.of(port).apply(str)),
                pulumi.Output.concat("--prometheus-port=", site.ports.of(METRICS).apply(str)),
                pulumi.Output.concat("--health-addr=127.0.0.1:", site.ports.of(HEALTH).apply(str)),
                f"--api-cache-dir={site.file('gatekeeper/audit')}",
                "--shutdown-delay=0",
                *flags(settings),
            ],
            env={
                "KUBECONFIG": kubeconfig,
                "POD_NAME": POD,
                "POD_NAMESPACE": NAMESPACE,
                "CONTAINER_NAME": "manager",
            },
            parent=self,
            ready={"http": site.url("http", HEALTH, "/readyz"), **site.handshake_probe(port)},
            metrics=site.url("http", METRICS, "/metrics"),
            after=[control_plane.api_server, written, *after],
            patience=0.5,
            identity="gatekeeper",
        )
        self.processes = [process]
        if has_front(settings):
            behind = {"gatekeeper": (BEHIND, (HEALTH, "/readyz"))}
            self.processes.append(fronts.start(site, ADDRESS, behind, parent=self, after=[process]))
        self.register_outputs({"url": self.url})

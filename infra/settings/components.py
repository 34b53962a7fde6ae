"""Settings of the cluster and of what runs in it: Gatekeeper, Ratify, monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from infra.settings.declaring import QUANTITY, VERSION, VM_SIZE, setting
from workloads.sizes import SYSTEM_NODES


@dataclass(frozen=True)
class Cluster:
    """The control plane and its nodes."""

    nodes: int | None = setting(
        None,
        "Nodes, those of the system too; null for as many as the pods need.",
        unit="nodes",
        minimum=1,
        maximum=5_000,
    )
    systemNodes: int = setting(
        SYSTEM_NODES,
        "Nodes of AKS that carry no load, but Gatekeeper, Ratify and Prometheus.",
        unit="nodes",
        minimum=1,
        maximum=1_000,
    )
    maxPods: int = setting(40, "Pods that a node takes.", unit="pods", minimum=1, maximum=250)
    version: str | None = setting(None, "Kubernetes version of AKS; null for its default.", form=VERSION)
    vmSize: str = setting("Standard_D4s_v3", "VM size of the nodes of AKS that carry the load.", form=VM_SIZE)
    systemVmSize: str = setting("Standard_D8s_v3", "VM size of the system's nodes of AKS.", form=VM_SIZE)
    zones: tuple[str, ...] = setting((), "Availability zones of AKS' nodes, such as [1, 2, 3]; empty for none.")
    networkPlugin: Literal["overlay", "azure", "kubenet"] = setting(
        "overlay", "Network of AKS: Azure CNI overlay, Azure CNI with addresses of the subnet, or kubenet."
    )
    tier: Literal["auto", "Free", "Standard", "Premium"] = setting(
        "auto", "Tier of AKS' API server: auto is Free up to 10 nodes, Standard for more."
    )
    kubeconfig: str | None = setting(
        None, "File of platform kubeconfig; null for $KUBECONFIG, or ~/.kube/config where that is not set."
    )
    context: str | None = setting(None, "Context in that file; null for its current one.")
    nodeCpu: str = setting("64", "Allocatable CPU of a simulated node.", unit="cores", form=QUANTITY)
    nodeMemory: str = setting("256Gi", "Allocatable memory of a simulated node.", unit="quantity", form=QUANTITY)
    apiServerPort: int = setting(0, "Port of the local kube-apiserver; 0 for a free one.", minimum=0, maximum=65_535)


@dataclass(frozen=True)
class Gatekeeper:
    """Gatekeeper, the admission webhook."""

    install: bool = setting(
        True, "Whether its chart is installed on a cluster; off for the Gatekeeper that is there (platform kubeconfig)."
    )
    version: str = setting("3.23.1", "Release of Gatekeeper on a cluster, and of its chart.", form=VERSION)
    replicas: int = setting(3, "Pods of Gatekeeper's webhook on a cluster.", unit="pods", minimum=1, maximum=100)
    memoryLimit: str = setting("512Mi", "Memory limit of a pod on a cluster.", unit="quantity", form=QUANTITY)
    auditInterval: int = setting(0, "Seconds between audits; 0 turns audit off.", unit="s", minimum=0)
    auditFromCache: bool = setting(False, "Whether audit reads Gatekeeper's cache instead of the API server.")
    auditChunkSize: int = setting(500, "Objects that audit lists at a time; 0 for all.", minimum=0)
    emitAdmissionEvents: bool = setting(False, "Whether denials are emitted as Kubernetes events.")
    emitAuditEvents: bool = setting(False, "Whether audit's violations are emitted as Kubernetes events.")
    externalData: bool = setting(True, "Whether external data providers are asked, without which nothing is verified.")
    responseCacheSeconds: int = setting(
        180, "How long an answer of Ratify is reused for the same image; 0 asks every time.", unit="s", minimum=0
    )
    validationTimeoutSeconds: int = setting(
        5, "Deadline of the validating webhook and of Ratify's provider.", unit="s", minimum=1, maximum=30
    )
    mutationTimeoutSeconds: int = setting(
        2, "Deadline of the mutating webhook and of Ratify's mutation provider.", unit="s", minimum=1, maximum=30
    )
    mutation: bool = setting(True, "Whether tags are resolved to digests at admission.")
    maxServingThreads: int = setting(-1, "Validations that run at once; -1 for as many as there are cores.", minimum=-1)
    logDenies: bool = setting(False, "Whether every denial is logged.")
    logLevel: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting("INFO", "Level of Gatekeeper's log.")
    excludedNamespaces: tuple[str, ...] = setting(
        ("kube-*", "gatekeeper-*", "cluster-loader", "monitoring"), "Namespaces that Gatekeeper leaves alone."
    )
    port: int = setting(0, "Port of the local webhook; 0 for a free one.", minimum=0, maximum=65_535)


@dataclass(frozen=True)
class Ratify:
    """Ratify, the verifier behind Gatekeeper."""

    install: bool = setting(
        True, "Whether its chart is installed on a cluster; off for the Ratify that is there (platform kubeconfig)."
    )
    version: str = setting("1.4.6", "Release of Ratify on a cluster.", form=VERSION)
    chart: str = setting("1.15.7", "Version of Ratify's chart.", form=VERSION)
    mode: Literal["regular", "ha-without-dapr", "ha"] = setting(
        "regular",
        "How Ratify is deployed: regular, one replica; ha-without-dapr, several behind one address; ha, several that "
        "share a cache by Dapr and Redis (on a cluster).",
    )
    replicas: int = setting(
        1, "Processes or pods of Ratify: 1 in mode regular, 2 to 20 in the others.", minimum=1, maximum=20
    )
    cpuLimit: str = setting("1000m", "CPU limit of a pod on a cluster.", unit="quantity", form=QUANTITY)
    memoryLimit: str = setting("512Mi", "Memory limit of a pod on a cluster.", unit="quantity", form=QUANTITY)
    cache: bool = setting(
        True,
        "Ratify's caches of results; off turns off Gatekeeper's response cache too: every verification asks anew.",
        unit="on|off",
    )
    cacheTtlSeconds: int = setting(10, "How long a verification result or referrers list is kept.", unit="s", minimum=1)
    cacheSizeMb: int = setting(256, "Size of the result cache.", unit="MB", minimum=1)
    verificationTimeoutMs: int = setting(4_900, "Deadline of a verification request.", unit="ms", minimum=1)
    mutationTimeoutMs: int = setting(1_950, "Deadline of a mutation request.", unit="ms", minimum=1)
    logLevel: Literal["debug", "info", "warn", "error"] = setting("info", "Level of Ratify's log.")
    port: int = setting(0, "Port of the local Ratify; 0 for a free one.", minimum=0, maximum=65_535)


@dataclass(frozen=True)
class Monitoring:
    """How metrics are had."""

    prometheus: Literal["auto", "on", "off"] = setting(
        "auto",
        "A Prometheus beside the harness's own scraper: auto where the binary is already there, and on AKS; on a "
        "cluster it is kube-prometheus-stack.",
    )
    prometheusUrl: str | None = setting(
        None, "A Prometheus that is there already and scrapes Ratify and Gatekeeper; null for the stack's own."
    )
    prometheusHttpConfig: str | None = setting(
        None,
        "File with the login to prometheusUrl, as promtool takes it: basic_auth, authorization, tls_config; see "
        "metrics.md.",
    )
    profiles: tuple[str, ...] = setting(
        (), "Files with the metrics and alerts that Prometheus is asked for after the load; see metrics.md."
    )
    pages: Mapping[str, str] = setting(
        dict, "Metrics pages to scrape beside those of the pods: target and URL, such as {ratify-0: http://…/metrics}."
    )
    scrapeSeconds: float = setting(2, "Interval of scrapes.", unit="s", minimum=0.1, maximum=600)

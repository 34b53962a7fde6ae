"""The cluster of a run: AKS with a pool for what is measured with, and pools for the load.

The pool of the system has a taint, so that no pod of the load lands beside Gatekeeper and Ratify. A pool takes 1,000
nodes, so that larger loads have several; they are made one after another, as AKS asks of large clusters. Nothing
upgrades itself during a test.
https://learn.microsoft.com/azure/aks/best-practices-performance-scale-large
"""

from __future__ import annotations

import base64
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice, resources

from infra.azure import naming
from infra.azure.tags import tags
from infra.kubernetes.inside import Placement
from infra.settings import Settings
from infra.settings.aks import OUTBOUND_ADDRESSES, load_pools, tier

SYSTEM_MAX_PODS = 110
"""Of a node of the system, which is no dimension of the test."""
ON_SYSTEM = Placement(
    {"kubernetes.azure.com/mode": "system"},
    [{"key": "CriticalAddonsOnly", "operator": "Equal", "value": "true", "effect": "NoSchedule"}],
)
"""Where Gatekeeper, Ratify and Prometheus run: what AKS labels such nodes with, and the taint that they have here."""
POD_CIDR = "10.32.0.0/11"
"""8,192 times the /24 of a node: AKS' own default, a /16, ends at 256 nodes."""
SERVICE_CIDR, DNS_ADDRESS = "10.0.0.0/16", "10.0.0.10"
"""The subnet of the nodes is AKS' own, 10.224.0.0/16."""
GROWING = pulumi.CustomTimeouts(create="2h", update="2h", delete="2h")
QUERIES_PER_SECOND, BURST = 100, 200
"""To the API server, from the one who declares the workloads."""


class Cluster(pulumi.ComponentResource):
    """AKS with its pools. ``inside`` is the provider of what is in it."""

    aks: containerservice.ManagedCluster
    pools: list[containerservice.AgentPool]
    kubelet: pulumi.Output[str | None]
    """The principal that pulls images on the nodes."""
    issuer: pulumi.Output[str | None]
    """Who issues the tokens of service accounts."""
    kubeconfig: pulumi.Output[str]
    inside: k8s.Provider

    def __init__(
        self, name: str, settings: Settings, group: resources.ResourceGroup, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("ratify-perf:azure:Cluster", name, None, opts)
        self.aks = self._aks(settings, group)
        self.pools = self._pools(settings, group)
        self.kubelet = self.aks.identity_profile.apply(
            lambda known: known["kubeletidentity"].object_id if known else None
        )
        self.issuer = self.aks.oidc_issuer_profile.apply(lambda known: known.issuer_url if known else None)
        self.kubeconfig = self._kubeconfig(group)
        self.inside = k8s.Provider(
            "kubernetes",
            kubeconfig=self.kubeconfig,
            cluster_identifier=self.aks.id,
            enable_server_side_apply=True,
            delete_unreachable=True,
            suppress_deprecation_warnings=True,
            suppress_helm_hook_warnings=True,
            kube_client_settings={"qps": QUERIES_PER_SECOND, "burst": BURST, "timeout": 60},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def _aks(self, settings: Settings, group: resources.ResourceGroup) -> containerservice.ManagedCluster:
        cluster = settings.cluster
        options = pulumi.ResourceOptions(parent=self, deleted_with=group, custom_timeouts=GROWING)
        system: Any = {
            "name": naming.name("node pool", ["system"]),
            "mode": "System",
            "count": cluster.systemNodes,
            "vm_size": cluster.systemVmSize,
            "max_pods": SYSTEM_MAX_PODS,
            "node_taints": [f"{taint['key']}={taint['value']}:{taint['effect']}" for taint in ON_SYSTEM.tolerations],
            **_pool(settings),
        }
        words = [pulumi.get_project(), pulumi.get_stack()]
        return containerservice.ManagedCluster(
            "aks",
            resource_name_=naming.name("cluster", words),
            resource_group_name=group.name,
            node_resource_group=naming.unique(
                "node resource group", "nodes", [*words, "nodes"], pulumi.ResourceOptions(parent=self)
            ),
            location=settings.azure.location,
            dns_prefix=naming.name("dns prefix", words),
            kubernetes_version=cluster.version,
            sku={"name": "Base", "tier": tier(settings)},
            identity={"type": containerservice.ResourceIdentityType.SYSTEM_ASSIGNED},
            enable_rbac=True,
            oidc_issuer_profile={"enabled": True},
            security_profile={"workload_identity": {"enabled": True}},
            auto_upgrade_profile={"upgrade_channel": "none", "node_os_upgrade_channel": "None"},
            network_profile=_network(settings),
            agent_pool_profiles=[system],
            tags=tags(settings),
            opts=options,
        )

    def _pools(self, settings: Settings, group: resources.ResourceGroup) -> list[containerservice.AgentPool]:
        pools: list[containerservice.AgentPool] = []
        for index, nodes in enumerate(load_pools(settings)):
            pool = naming.name("node pool", [f"load{index}"])
            pools.append(
                containerservice.AgentPool(
                    pool,
                    agent_pool_name=pool,
                    resource_name_=self.aks.name,
                    resource_group_name=group.name,
                    mode="User",
                    count=nodes,
                    vm_size=settings.cluster.vmSize,
                    max_pods=settings.cluster.maxPods,
                    **_pool(settings),
                    opts=pulumi.ResourceOptions(
                        parent=self, deleted_with=self.aks, depends_on=pools[-1:], custom_timeouts=GROWING
                    ),
                )
            )
        return pools

    def _kubeconfig(self, group: resources.ResourceGroup) -> pulumi.Output[str]:
        """The administrator's, which holds a key: a secret wherever it goes."""
        credentials = containerservice.list_managed_cluster_admin_credentials_output(
            resource_group_name=group.name,
            resource_name=self.aks.name,
            opts=pulumi.InvokeOutputOptions(parent=self, depends_on=[self.aks]),
        )
        return pulumi.Output.secret(
            credentials.apply(lambda known: base64.b64decode(known.kubeconfigs[0].value).decode())
        )


def _pool(settings: Settings) -> dict[str, Any]:
    """What every pool has."""
    cluster = settings.cluster
    chosen = {"availability_zones": list(cluster.zones), "orchestrator_version": cluster.version}
    return {
        "type": "VirtualMachineScaleSets",
        "os_type": "Linux",
        "tags": tags(settings),
        **{key: value for key, value in chosen.items() if value},
    }


def _network(settings: Settings) -> Any:
    plugin = settings.cluster.networkPlugin
    own = (
        {"network_plugin": "azure", "network_plugin_mode": "overlay"}
        if plugin == "overlay"
        else {"network_plugin": plugin}
    )
    return {
        **own,
        **({} if plugin == "azure" else {"pod_cidr": POD_CIDR}),
        "service_cidr": SERVICE_CIDR,
        "dns_service_ip": DNS_ADDRESS,
        "load_balancer_sku": "standard",
        "outbound_type": "managedNATGateway",
        "nat_gateway_profile": {
            "idle_timeout_in_minutes": 4,
            "managed_outbound_ip_profile": {"count": OUTBOUND_ADDRESSES},
        },
    }

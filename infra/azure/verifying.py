"""The identity of Ratify in Azure, and what it may do: pull from the registry in use, read the certificate's chain.

Ratify's pods are it by workload identity: the federated credential says that the cluster's tokens for Ratify's service
account are the identity's. The kubelet's right to pull is given here too, on the same registry and no other.
"""

from __future__ import annotations

import pulumi
from pulumi_azure_native import managedidentity, resources

from infra.azure import naming, roles
from infra.azure.clusters import Cluster
from infra.azure.tags import tags
from infra.kubernetes.inside import NAMESPACE, SERVICE_ACCOUNT
from infra.settings import Settings

SUBJECT = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
AUDIENCE = "api://AzureADTokenExchange"


class Verifier(pulumi.ComponentResource):
    """Ratify's identity. ``granted`` is what has to be there before Ratify starts and pods are pulled."""

    identity: managedidentity.UserAssignedIdentity
    granted: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        settings: Settings,
        group: resources.ResourceGroup,
        cluster: Cluster,
        *,
        registry_id: pulumi.Input[str],
        vault_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("ratify-perf:azure:Verifier", name, None, opts)
        options = pulumi.ResourceOptions(parent=self)
        self.identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_name_=naming.name("identity", [pulumi.get_project(), pulumi.get_stack(), "ratify"]),
            resource_group_name=group.name,
            location=settings.azure.location,
            tags=tags(settings),
            opts=pulumi.ResourceOptions(parent=self, deleted_with=group),
        )
        # Azure takes one change of an identity's credentials at a time: a second one would have to wait for this one.
        credential = managedidentity.FederatedIdentityCredential(
            f"{name}-credential",
            federated_identity_credential_resource_name=naming.name("federated credential", ["ratify"]),
            resource_name_=self.identity.name,
            resource_group_name=group.name,
            issuer=cluster.issuer,
            subject=SUBJECT,
            audiences=[AUDIENCE],
            opts=pulumi.ResourceOptions(parent=self, deleted_with=self.identity),
        )
        grants = {
            f"{name}-pull": (roles.pulling(settings), registry_id, self.identity.principal_id),
            f"{name}-chain": ("Key Vault Secrets User", vault_id, self.identity.principal_id),
            "kubelet-pull": (roles.pulling(settings), registry_id, cluster.kubelet),
        }
        assignments = [
            roles.assign(what, role, scope=scope, principal=principal, principal_type="ServicePrincipal", opts=options)
            for what, (role, scope, principal) in grants.items()
        ]
        self.granted = [credential, *assignments]
        self.register_outputs({})

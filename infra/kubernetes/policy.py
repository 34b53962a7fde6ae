"""The policy: what Gatekeeper leaves alone, and the constraint that asks Ratify about every image.

It is the same on every cluster, whoever installed Gatekeeper and Ratify there. Only the namespaces of the load are
covered: on a cluster that others use too, nobody else's pods are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.settings import Settings
from workloads.ratify.objects import NAMESPACES

NAMESPACE = "gatekeeper-system"
"""Where Gatekeeper is, and Ratify beside it."""
PROVIDERS = ("ratify-provider", "ratify-mutation-provider")
"""Ratify's two endpoints, by the names that its chart gives them: the template and the mutations ask for these."""
TEMPLATE = "RatifyVerification"
REGO = Path(__file__).with_name("verification.rego")

PODS = {"apiGroups": [""], "kinds": ["Pod"]}
WORKLOADS = {
    "apps": ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"],
    "batch": ["Job", "CronJob"],
}


class Policy(pulumi.ComponentResource):
    """Gatekeeper's Config, the constraint template and the constraint, which is the last of them.

    ``own`` has the namespaces of what the stack installs beside Gatekeeper: it leaves them alone too.
    """

    constraint: pulumi.Resource

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        own: Sequence[str] = (),
        opts: pulumi.ResourceOptions,
        children: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("ratify-perf:kubernetes:Policy", name, None, opts)
        options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
        excluded = list(settings.gatekeeper.excludedNamespaces)
        excluded += [name for name in own if not any(fnmatch(name, each) for each in excluded)]
        k8s.apiextensions.CustomResource(
            f"{name}-config",
            api_version="config.gatekeeper.sh/v1alpha1",
            kind="Config",
            metadata={"name": "config", "namespace": NAMESPACE},
            spec={"match": [{"excludedNamespaces": excluded, "processes": ["*"]}]},
            opts=options,
        )
        template = k8s.apiextensions.CustomResource(
            f"{name}-template",
            api_version="templates.gatekeeper.sh/v1",
            kind="ConstraintTemplate",
            metadata={"name": TEMPLATE.lower()},
            spec={
                "crd": {"spec": {"names": {"kind": TEMPLATE}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": REGO.read_text()}],
            },
            opts=options,
        )
        self.constraint = k8s.apiextensions.CustomResource(
            f"{name}-constraint",
            api_version="constraints.gatekeeper.sh/v1beta1",
            kind=TEMPLATE,
            metadata={"name": "ratify"},
            spec={"enforcementAction": "deny", "match": _match(settings)},
            # Gatekeeper makes its kind when it has read the template, and whoever creates it waits for that.
            opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[template])),
        )
        self.register_outputs({})


def _match(settings: Settings) -> dict[str, Any]:
    kinds = [PODS]
    if settings.policy.match == "workloads":
        kinds += [{"apiGroups": [group], "kinds": names} for group, names in WORKLOADS.items()]
    return {"kinds": kinds, "namespaces": [NAMESPACES]}

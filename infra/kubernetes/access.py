"""Least privilege for the components that talk to the API server: roles for Gatekeeper and kwok, and nothing beyond.

A real cluster gets Gatekeeper's from its chart; here it is a process with a client certificate, so its rules are bound
to the certificate's group.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

READ = ["get", "list", "watch"]
WRITE = ["create", "update", "patch", "delete"]


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> Any:
    return {"api_groups": groups, "resources": resources, "verbs": verbs}


RULES: dict[str, list[Any]] = {
    "gatekeeper": [
        # It may be asked to audit any kind, and it generates the CRDs of constraints.
        _rule(["*"], ["*"], READ),
        _rule(
            [
                "config.gatekeeper.sh",
                "connection.gatekeeper.sh",
                "constraints.gatekeeper.sh",
                "expansion.gatekeeper.sh",
                "externaldata.gatekeeper.sh",
                "match.gatekeeper.sh",
                "mutations.gatekeeper.sh",
                "status.gatekeeper.sh",
                "syncset.gatekeeper.sh",
                "templates.gatekeeper.sh",
            ],
            ["*"],
            WRITE,
        ),
        _rule(["apiextensions.k8s.io"], ["customresourcedefinitions"], WRITE),
        _rule(
            ["admissionregistration.k8s.io"],
            ["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
            WRITE,
        ),
        _rule(["", "events.k8s.io"], ["events"], ["create", "patch"]),
    ],
    "kwok": [
        _rule([""], ["nodes", "pods"], READ),
        _rule([""], ["nodes/status", "pods", "pods/status"], ["update", "patch"]),
        _rule([""], ["pods"], ["delete"]),
        _rule(["", "events.k8s.io"], ["events"], ["create", "patch", "update"]),
        _rule(["coordination.k8s.io"], ["leases"], [*READ, *WRITE]),
    ],
}


class Access(pulumi.ComponentResource):
    """The roles of ``RULES``, each bound to the group ``ratify-perf:<name>``. ``bindings`` is what to wait for."""

    bindings: dict[str, pulumi.Resource]

    def __init__(self, name: str, opts: pulumi.ResourceOptions, children: pulumi.ResourceOptions) -> None:
        super().__init__("ratify-perf:kubernetes:Access", name, None, opts)
        self.bindings = {}
        for who, rules in RULES.items():
            options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
            full = f"ratify-perf:{who}"
            role = k8s.rbac.v1.ClusterRole(f"{name}-{who}-role", metadata={"name": full}, rules=rules, opts=options)
            self.bindings[who] = k8s.rbac.v1.ClusterRoleBinding(
                f"{name}-{who}",
                metadata={"name": full},
                role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": full},
                subjects=[{"api_group": "rbac.authorization.k8s.io", "kind": "Group", "name": full}],
                opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[role])),
            )
        self.register_outputs({})

"""Names in the audit log: which pod an admission was about.

The API server writes its audit log with the name that a request asked for, and pods of controllers ask for none: theirs
is generated after that. A validating admission policy sees the name and the uid, since generated names come before
validation, and leaves both as an annotation of the audit event. It validates nothing and can refuse nothing.
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#audit-annotations
"""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from workloads.audit import NAME_ANNOTATION
from workloads.ratify.objects import WORKLOAD_LABEL

POLICY, KEY = NAME_ANNOTATION.split("/")
EXPRESSION = "object.metadata.uid + ' ' + object.metadata.name"


class Trail(pulumi.ComponentResource):
    """The policy and its binding. ``bound`` is the last of its resources."""

    bound: pulumi.Resource

    def __init__(self, name: str, opts: pulumi.ResourceOptions, children: pulumi.ResourceOptions) -> None:
        super().__init__("ratify-perf:kubernetes:Trail", name, None, opts)
        options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
        policy = k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
            f"{name}-policy",
            metadata={"name": POLICY},
            spec={
                "failure_policy": "Ignore",
                "match_constraints": {
                    "resource_rules": [
                        {"api_groups": [""], "api_versions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ],
                    "object_selector": {"match_expressions": [{"key": WORKLOAD_LABEL, "operator": "Exists"}]},
                },
                "audit_annotations": [{"key": KEY, "value_expression": EXPRESSION}],
            },
            opts=options,
        )
        self.bound = k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
            f"{name}-binding",
            metadata={"name": POLICY},
            spec={"policy_name": POLICY, "validation_actions": ["Audit"]},
            opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[policy])),
        )
        self.register_outputs({})

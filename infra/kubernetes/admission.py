"""Admission policy: the webhooks of Gatekeeper, Ratify as its external data provider, the constraint and the mutation.

Written to the contracts that Gatekeeper and Ratify document, for Gatekeeper wherever it runs: ``webhook_url`` and
``provider_url`` are its and Ratify's addresses. Matching and failure policy are settings.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.settings import Settings

NAMESPACE = "gatekeeper-system"
TEMPLATE = "RatifyVerification"
REGO = Path(__file__).with_name("verification.rego")

PODS = {"apiGroups": [""], "kinds": ["Pod"]}
WORKLOADS = {
    "apps": ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"],
    "batch": ["Job", "CronJob"],
}
CONTAINERS = ("containers", "initContainers")


class Admission(pulumi.ComponentResource):
    """The admission policy. ``armed`` is the last of its resources: once it is there, Gatekeeper enforces soon."""

    armed: pulumi.Resource

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        webhook_url: pulumi.Input[str],
        provider_url: pulumi.Input[str],
        ca_pem: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
        children: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("ratify-perf:kubernetes:Admission", name, None, opts)
        self._stem = name
        self._options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
        self._ca_bundle = pulumi.Output.from_input(ca_pem).apply(lambda pem: base64.b64encode(pem.encode()).decode())
        self._config(settings)
        providers = self._external_data(settings, pulumi.Output.from_input(provider_url))
        constraint = self._constraint(settings, providers)
        mutations = self._mutations(settings, providers) if settings.gatekeeper.mutation else []
        # Webhooks come last: with failurePolicy Fail they would hold up the rest while Gatekeeper reads it.
        after = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=[constraint, *mutations]))
        url = pulumi.Output.from_input(webhook_url)
        if settings.gatekeeper.mutation:
            k8s.admissionregistration.v1.MutatingWebhookConfiguration(
                f"{name}-mutating",
                metadata={"name": "gatekeeper-mutating-webhook-configuration"},
                webhooks=[
                    self._webhook(
                        settings,
                        "mutation.gatekeeper.sh",
                        pulumi.Output.concat(url, "/mutate"),
                        timeout_seconds=settings.gatekeeper.mutationTimeoutSeconds,
                        reinvocation_policy="Never",
                    )
                ],
                opts=after,
            )
        self.armed = k8s.admissionregistration.v1.ValidatingWebhookConfiguration(
            f"{name}-validating",
            metadata={"name": "gatekeeper-validating-webhook-configuration"},
            webhooks=[
                self._webhook(
                    settings,
                    "validation.gatekeeper.sh",
                    pulumi.Output.concat(url, "/admit"),
                    timeout_seconds=settings.gatekeeper.validationTimeoutSeconds,
                )
            ],
            opts=after,
        )
        self.register_outputs({})

    def _webhook(self, settings: Settings, webhook: str, url: pulumi.Output[str], **more: Any) -> Any:
        rules: list[dict[str, Any]] = [
            {"api_groups": [""], "api_versions": ["*"], "resources": ["pods", "pods/ephemeralcontainers"]},
            *(
                {"api_groups": [group], "api_versions": ["*"], "resources": [f"{kind.lower()}s" for kind in kinds]}
                for group, kinds in WORKLOADS.items()
            ),
        ]
        return {
            "name": webhook,
            "client_config": {"url": url, "ca_bundle": self._ca_bundle},
            "rules": [{**rule, "operations": ["CREATE", "UPDATE"]} for rule in rules],
            "failure_policy": settings.policy.failurePolicy,
            "match_policy": "Exact",
            "side_effects": "None",
            "admission_review_versions": ["v1"],
            **more,
            "namespace_selector": {
                "match_expressions": [
                    {
                        "key": "kubernetes.io/metadata.name",
                        "operator": "NotIn",
                        "values": ["kube-system", "kube-node-lease", "kube-public", NAMESPACE],
                    }
                ]
            },
        }

    def _custom(
        self, what: str, api_version: str, kind: str, named: str, spec: Any, after: list[pulumi.Resource] | None = None
    ) -> pulumi.Resource:
        """One custom resource of Gatekeeper's."""
        return k8s.apiextensions.CustomResource(
            f"{self._stem}-{what}",
            api_version=api_version,
            kind=kind,
            metadata={"name": named},
            spec=spec,
            opts=pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=after or [])),
        )

    def _config(self, settings: Settings) -> None:
        k8s.apiextensions.CustomResource(
            f"{self._stem}-config",
            api_version="config.gatekeeper.sh/v1alpha1",
            kind="Config",
            metadata={"name": "config", "namespace": NAMESPACE},
            spec={"match": [{"excludedNamespaces": list(settings.gatekeeper.excludedNamespaces), "processes": ["*"]}]},
            opts=self._options,
        )

    def _external_data(self, settings: Settings, url: pulumi.Output[str]) -> list[pulumi.Resource]:
        """Ratify's two endpoints as external data providers."""
        endpoints = {
            "ratify-provider": ("/verify", settings.gatekeeper.validationTimeoutSeconds),
            "ratify-mutation-provider": ("/mutate", settings.gatekeeper.mutationTimeoutSeconds),
        }
        return [
            self._custom(
                provider,
                "externaldata.gatekeeper.sh/v1beta1",
                "Provider",
                provider,
                {"url": pulumi.Output.concat(url, path), "timeout": seconds, "caBundle": self._ca_bundle},
            )
            for provider, (path, seconds) in endpoints.items()
        ]

    def _constraint(self, settings: Settings, providers: list[pulumi.Resource]) -> pulumi.Resource:
        template = self._custom(
            "template",
            "templates.gatekeeper.sh/v1",
            "ConstraintTemplate",
            TEMPLATE.lower(),
            {
                "crd": {"spec": {"names": {"kind": TEMPLATE}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": REGO.read_text()}],
            },
            providers,
        )
        kinds = [PODS]
        if settings.policy.match == "workloads":
            kinds += [{"apiGroups": [group], "kinds": names} for group, names in WORKLOADS.items()]
        return self._custom(
            "constraint",
            "constraints.gatekeeper.sh/v1beta1",
            TEMPLATE,
            "ratify",
            {"enforcementAction": "deny", "match": {"kinds": kinds}},
            [template],
        )

    def _mutations(self, settings: Settings, providers: list[pulumi.Resource]) -> list[pulumi.Resource]:
        """Tags become digests, in pods and in the templates of workloads."""
        places = {
            "pod": ([{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}], "spec"),
            "workload": (
                [
                    {"groups": [group], "versions": ["v1"], "kinds": [kind for kind in kinds if kind != "CronJob"]}
                    for group, kinds in WORKLOADS.items()
                ],
                "spec.template.spec",
            ),
            "cronjob": (
                [{"groups": ["batch"], "versions": ["v1"], "kinds": ["CronJob"]}],
                "spec.jobTemplate.spec.template.spec",
            ),
        }
        return [
            self._custom(
                f"mutate-{place}-{containers.lower()}",
                "mutations.gatekeeper.sh/v1",
                "Assign",
                f"mutate-{place}-image-{containers.lower()}",
                {
                    "applyTo": apply_to,
                    "location": f"{spec}.{containers}[name:*].image",
                    "match": {"excludedNamespaces": list(settings.gatekeeper.excludedNamespaces)},
                    "parameters": {"assign": {"externalData": {"provider": "ratify-mutation-provider"}}},
                },
                providers,
            )
            for place, (apply_to, spec) in places.items()
            for containers in CONTAINERS
        ]

"""Admission where Gatekeeper and Ratify are processes: the webhooks, Ratify as external data provider, the mutations.

On a cluster these come with their charts. Written to the contracts that Gatekeeper and Ratify document; failure policy
and deadlines are settings.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.kubernetes.policy import NAMESPACE, PROVIDERS, WORKLOADS
from infra.settings import Settings

CONTAINERS = ("containers", "initContainers")


def _bundle(pem: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(pem).apply(lambda known: base64.b64encode(known.encode()).decode())


class Providers(pulumi.ComponentResource):
    """Ratify's two endpoints, and the mutations that ask one of them. ``url`` is where Ratify is."""

    resources: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        url: pulumi.Input[str],
        ca_pem: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
        children: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("ratify-perf:local:Providers", name, None, opts)
        self._stem = name
        self._options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
        verification, mutation = PROVIDERS
        deadlines = {
            verification: ("/verify", settings.gatekeeper.validationTimeoutSeconds),
            mutation: ("/mutate", settings.gatekeeper.mutationTimeoutSeconds),
        }
        providers = [
            self._custom(
                provider,
                "externaldata.gatekeeper.sh/v1beta1",
                "Provider",
                provider,
                {"url": pulumi.Output.concat(url, path), "timeout": seconds, "caBundle": _bundle(ca_pem)},
            )
            for provider, (path, seconds) in deadlines.items()
        ]
        self.resources = [*providers, *(self._mutations(settings, providers) if settings.gatekeeper.mutation else ())]
        self.register_outputs({})

    def _custom(
        self, what: str, api_version: str, kind: str, named: str, spec: Any, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.Resource:
        """One custom resource of Gatekeeper's."""
        return k8s.apiextensions.CustomResource(
            f"{self._stem}-{what}",
            api_version=api_version,
            kind=kind,
            metadata={"name": named},
            spec=spec,
            opts=pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=[*after])),
        )

    def _mutations(self, settings: Settings, providers: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
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
                    "parameters": {"assign": {"externalData": {"provider": PROVIDERS[1]}}},
                },
                providers,
            )
            for place, (apply_to, spec) in places.items()
            for containers in CONTAINERS
        ]


class Webhooks(pulumi.ComponentResource):
    """Gatekeeper's webhooks, with ``url`` as its address. They come last: with failurePolicy Fail they would hold up
    everything else while Gatekeeper reads it. ``armed`` is the last of them: once it is there, Gatekeeper enforces
    soon."""

    armed: pulumi.Resource

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        url: pulumi.Output[str],
        ca_pem: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
        children: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("ratify-perf:local:Webhooks", name, None, opts)
        options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
        self._ca_bundle = _bundle(ca_pem)
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
                opts=options,
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
            opts=options,
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

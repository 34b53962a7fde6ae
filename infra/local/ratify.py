"""Ratify as a process, configured by file: the store, the policy and the notation verifier of its chart."""

from __future__ import annotations

import json
from typing import Any

import pulumi

from infra.local.processes import LocalProcess
from infra.local.site import Identities, Site
from infra.settings import Settings

PORTS = ("ratify", "ratify-metrics")
IDENTITIES: Identities = {"ratify": ("ratify", [])}

NOTATION = "application/vnd.cncf.notary.signature"


def configuration(
    settings: Settings, *, cache: str, certificate: str, trust_policy: dict[str, Any], login: str | None = None
) -> dict[str, Any]:
    """Ratify's configuration file. ``cache`` is the folder of its blob cache, ``certificate`` the trust root's file,
    ``login`` the docker config.json with its logins to the registries."""
    ratify = settings.ratify
    return {
        "logger": {"formatter": "json", "level": ratify.logLevel},
        "executor": {
            "verificationRequestTimeout": ratify.verificationTimeoutMs,
            "mutationRequestTimeout": ratify.mutationTimeoutMs,
        },
        "store": {
            "version": "1.0.0",
            "plugins": [
                {
                    "name": "oras",
                    "useHttp": True,  # the registries of a local stack are on loopback
                    "cosignEnabled": False,
                    "localCachePath": cache,
                    "cacheEnabled": ratify.cache,
                    "ttl": ratify.cacheTtlSeconds,
                    **({"authProvider": {"name": "dockerConfig", "configPath": login}} if login else {}),
                }
            ],
        },
        "policy": {
            "version": "1.0.0",
            "plugin": {"name": "configPolicy", "artifactVerificationPolicies": {NOTATION: "any", "default": "all"}},
        },
        "verifier": {
            "version": "1.0.0",
            "plugins": [
                {
                    "name": "notation",
                    "artifactTypes": NOTATION,
                    "verificationCerts": [certificate],
                    "trustPolicyDoc": trust_policy,
                }
            ],
        },
    }


def trust_policy(identity: str) -> dict[str, Any]:
    """The Notary Project trust policy of the stacks: strict, for every repository, trusting one signer.

    ``identity`` is the subject of the signer's certificate (RFC 4514). The trust store may have other certificates.
    """
    return {
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "default",
                "registryScopes": ["*"],
                "signatureVerification": {"level": "strict"},
                "trustStores": ["ca:certs"],
                "trustedIdentities": [f"x509.subject: {identity}"],
            }
        ],
    }


class Ratify(pulumi.ComponentResource):
    """One Ratify. ``url`` is where Gatekeeper's providers find it."""

    url: pulumi.Output[str]
    process: LocalProcess

    def __init__(
        self,
        name: str,
        site: Site,
        settings: Settings,
        *,
        certificate: pulumi.Input[str],
        policy: pulumi.Input[dict[str, Any]],
        login: pulumi.Input[str | None] = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ratify-perf:local:Ratify", name, None, opts)
        text = pulumi.Output.all(policy, login).apply(
            lambda known: json.dumps(
                configuration(
                    settings,
                    cache=site.file("ratify/blobs"),
                    certificate=site.file("ratify/trust.crt"),
                    trust_policy=known[0],
                    login=known[1],
                ),
                indent=2,
                sort_keys=True,
            )
        )
        files = [
            site.write("ratify/trust.crt", certificate, parent=self),
            site.write("ratify/config.json", text, parent=self),
        ]
        cert, _ = site.certificate("ratify")
        self.url = site.url("https", "ratify", "/ratify/gatekeeper/v1")
        self.process = site.start(
            "ratify-0",
            "ratify",
            [
                "serve",
                f"--config={site.file('ratify/config.json')}",
                pulumi.Output.concat("--http=127.0.0.1:", site.ports.of("ratify").apply(str)),
                f"--cert-dir={cert.rpartition('/')[0]}",
                f"--ca-cert-file={site.ca}",
                f"--cache-enabled={str(settings.ratify.cache).lower()}",
                f"--cache-ttl={settings.ratify.cacheTtlSeconds}s",
                f"--cache-size={settings.ratify.cacheSizeMb}",
                "--metrics-enabled",
                pulumi.Output.concat("--metrics-port=", site.ports.of("ratify-metrics").apply(str)),
            ],
            env={"HOME": site.file("ratify"), "RATIFY_LOG_LEVEL": settings.ratify.logLevel},
            parent=self,
            # Ratify asks for a client certificate, so a plain connection is the most that a probe can make of it.
            ready={"tcp": site.ports.of("ratify")},
            metrics=site.url("http", "ratify-metrics", "/metrics"),
            after=files,
            patience=1,
        )
        self.register_outputs({"url": self.url})

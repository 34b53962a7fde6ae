"""Ratify as processes, configured by file: the store, the policy and the notation verifier of its chart.

In high availability without Dapr every replica has ports, caches, log and metrics page of its own, as pods have, and a
front is the one address that Gatekeeper is given.
"""

from __future__ import annotations

import json
from typing import Any

import pulumi

from infra.local import fronts
from infra.local.files import LocalFile
from infra.local.processes import LocalProcess
from infra.local.site import Identities, Site
from infra.settings import Settings
from workloads.ratify.configuration import configuration

ADDRESS = "ratify"
"""The name of the port that Gatekeeper's providers are given."""


def configured(
    settings: Settings, *, cache: str, certificate: str, trust_policy: dict[str, Any], login: str | None = None
) -> dict[str, Any]:
    """Ratify's configuration file, as the settings have it (workloads/ratify/configuration.py)."""
    ratify = settings.ratify
    return configuration(
        cache=cache,
        certificate=certificate,
        trust_policy=trust_policy,
        login=login,  # plain HTTP, as the registries of a local stack are on loopback
        level=ratify.logLevel,
        verification_ms=ratify.verificationTimeoutMs,
        mutation_ms=ratify.mutationTimeoutMs,
        caches=ratify.cache,
        ttl_seconds=ratify.cacheTtlSeconds,
    )


def has_front(settings: Settings) -> bool:
    """Whether a front stands between Gatekeeper and Ratify: where there are several replicas, and only there."""
    return settings.ratify.mode != "regular"


def replicas(settings: Settings) -> list[str]:
    """The names of the processes, which are those of their ports, folders and identities too."""
    return [f"ratify-{number}" for number in range(settings.ratify.replicas)]


def ports(settings: Settings) -> list[str]:
    """The names of the ports that are needed."""
    own = [port for name in replicas(settings) for port in (_port(name, settings), _metrics(name))]
    return [*dict.fromkeys([ADDRESS, *own]), *(fronts.ports_of(ADDRESS) if has_front(settings) else ())]


def identities(settings: Settings) -> Identities:
    """Each replica has a certificate of its own, so that one of them can be made invalid."""
    return {name: ("ratify", []) for name in replicas(settings)}


def _port(name: str, settings: Settings) -> str:
    return name if has_front(settings) else ADDRESS


def _metrics(name: str) -> str:
    return f"{name}-metrics"


class Ratify(pulumi.ComponentResource):
    """Ratify, one process or several behind one address. ``url`` is where Gatekeeper's providers find it."""

    url: pulumi.Output[str]
    processes: list[LocalProcess]

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
        self._site = site
        self._settings = settings
        roots = site.write("ratify/trust.crt", certificate, parent=self)
        self.url = site.url("https", ADDRESS, "/ratify/gatekeeper/v1")
        self.processes = [
            self._replica(replica, [roots, self._configured(replica, roots, policy, login)])
            for replica in replicas(settings)
        ]
        if has_front(settings):
            behind = {replica: (replica, None) for replica in replicas(settings)}
            self.processes.append(fronts.start(site, ADDRESS, behind, parent=self, after=list(self.processes)))
        self.register_outputs({"url": self.url})

    def _configured(
        self, replica: str, roots: LocalFile, policy: pulumi.Input[dict[str, Any]], login: pulumi.Input[str | None]
    ) -> LocalFile:
        text = pulumi.Output.all(policy, roots.path, login).apply(
            lambda known: json.dumps(
                configured(
                    self._settings,
                    cache=self._site.file(f"{replica}/blobs"),
                    certificate=known[1],
                    trust_policy=known[0],
                    login=known[2],
                ),
                indent=2,
                sort_keys=True,
            )
        )
        return self._site.write(f"{replica}/config.json", text, parent=self)

    def _replica(self, name: str, files: list[LocalFile]) -> LocalProcess:
        site, settings = self._site, self._settings
        cert, _ = site.certificate(name)
        port = _port(name, settings)
        return site.start(
            name,
            "ratify",
            [
                "serve",
                f"--config={site.file(f'{name}/config.json')}",
                pulumi.Output.concat("--http=127.0.0.1:", site.ports.of(port).apply(str)),
                f"--cert-dir={cert.rpartition('/')[0]}",
                f"--ca-cert-file={site.ca}",
                f"--cache-enabled={str(settings.ratify.cache).lower()}",
                f"--cache-ttl={settings.ratify.cacheTtlSeconds}s",
                f"--cache-size={settings.ratify.cacheSizeMb}",
                "--metrics-enabled",
                pulumi.Output.concat("--metrics-port=", site.ports.of(_metrics(name)).apply(str)),
            ],
            env={"HOME": site.file(name), "RATIFY_LOG_LEVEL": settings.ratify.logLevel},
            parent=self,
            ready=site.handshake_probe(port),
            metrics=site.url("http", _metrics(name), "/metrics"),
            after=files,
            patience=1,
            identity=name,
        )

"""The registries of a local shared stack: one process per region, the emulator of ACR or the CNCF registry."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pulumi
import yaml

from infra.local.credentials import RegistryCredentials
from infra.local.site import Site
from infra.local.tools import MODULES
from infra.settings import Region, Settings


def port_name(region: Region) -> str:
    """The name of a region's port, and of its process."""
    return f"registry-{region.name}"


def data_port_name(region: Region) -> str:
    """The name of the port of a region's data endpoint."""
    return f"registry-{region.name}-data"


def ports(settings: Settings) -> list[str]:
    """The names of all ports."""
    regions, emulated = settings.registry.regions, settings.registry_kind == "emulator"
    names = [port_name(region) for region in regions]
    return names + [data_port_name(region) for region in regions if emulated and settings.registry.dataEndpoint]


def fixed_ports(settings: Settings) -> dict[str, int]:
    """The ports that the user chose: ``registry.port`` for the first region, the next ones for the others."""
    first = settings.registry.port
    return {port_name(r): first and first + i for i, r in enumerate(settings.registry.regions)}


class Registries(pulumi.ComponentResource):
    """A registry per region. ``hosts`` has each one's region, size and host as in an image reference, ``credentials``
    the files with the logins; None where nobody has to log in."""

    hosts: list[dict[str, pulumi.Input[str]]]
    credentials: RegistryCredentials | None = None

    def __init__(self, name: str, site: Site, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ratify-perf:local:Registries", name, None, opts)
        self.hosts = [
            {
                "region": region.name,
                "size": region.size,
                "host": pulumi.Output.concat("127.0.0.1:", site.ports.of(port_name(region)).apply(str)),
            }
            for region in settings.registry.regions
        ]
        emulated = settings.registry_kind == "emulator"
        if emulated and settings.registry.login:
            self.credentials = RegistryCredentials(
                "registry-credentials",
                folder=Path(site.file("registry-credentials")),
                hosts=[each["host"] for each in self.hosts],
                pushers=settings.registry.pushers,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[site.folder]),
            )
        for region in settings.registry.regions:
            if emulated:
                self._emulator(site, region, settings)
            else:
                self._distribution(site, region)
        self.register_outputs({"hosts": self.hosts})

    def _emulator(self, site: Site, region: Region, settings: Settings) -> None:
        registry = settings.registry
        arguments: list[pulumi.Input[str]] = [
            "-m",
            "infra.local.registry",
            f"--size={region.size}",
            f"--region={region.name}",
            self._port("--port=", site, port_name(region)),
            f"--referrers-page={registry.referrersPage if registry.referrersApi else 0}",
        ]
        if self.credentials:
            arguments += [
                pulumi.Output.concat("--identities=", self.credentials.identities),
                f"--token-seconds={registry.tokenSeconds}",
                *(["--anonymous-pull"] if registry.anonymousPull else []),
            ]
        if registry.dataEndpoint:
            arguments.append(self._port("--data-port=", site, data_port_name(region)))
        if registry.latencyMs:
            arguments.append(f"--latency-ms={registry.latencyMs:f}")
        if registry.bandwidthMbps is not None:
            arguments.append(f"--bandwidth-mbps={registry.bandwidthMbps:f}")
        if registry.storage == "disk":
            arguments.append(f"--storage={site.file(f'registry-{region.name}.sqlite')}")
        self._start(site, region, sys.executable, arguments, env={"PYTHONPATH": str(MODULES.parent)})

    def _distribution(self, site: Site, region: Region) -> None:
        text = site.ports.of(port_name(region)).apply(
            lambda port: yaml.safe_dump(
                {
                    "version": "0.1",
                    "log": {"level": "warn"},
                    "storage": {"inmemory": {}, "delete": {"enabled": True}},
                    "http": {"addr": f"127.0.0.1:{port}", "net": "tcp"},
                }
            )
        )
        written = site.write(f"distribution-{region.name}.yaml", text, parent=self)
        self._start(
            site,
            region,
            "registry",
            ["serve", site.file(f"distribution-{region.name}.yaml")],
            env={"OTEL_TRACES_EXPORTER": "none"},
            after=[written],
        )

    def _start(
        self,
        site: Site,
        region: Region,
        binary: str,
        arguments: Sequence[pulumi.Input[str]],
        *,
        env: dict[str, pulumi.Input[str]] | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        name = port_name(region)
        emulated = binary == sys.executable
        site.start(
            name,
            binary,
            arguments,
            parent=self,
            # The emulator charges what is asked of /v2/ to its token buckets; its metrics page is free.
            ready={"http": site.url("http", name, "/metrics" if emulated else "/v2/")},
            metrics=site.url("http", name, "/metrics") if emulated else None,
            env=env,
            after=after,
            patience=1,
        )

    @staticmethod
    def _port(flag: str, site: Site, name: str) -> pulumi.Output[str]:
        return pulumi.Output.concat(flag, site.ports.of(name).apply(str))

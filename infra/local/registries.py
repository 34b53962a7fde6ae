"""The registries of a local shared stack: one process per region, the emulator of ACR or the CNCF registry."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pulumi
import yaml

from infra.local.site import Site
from infra.local.tools import MODULES
from infra.settings import Region, Settings


def port_name(region: Region) -> str:
    """The name of a region's port, and of its process."""
    return f"registry-{region.name}"


def fixed_ports(settings: Settings) -> dict[str, int]:
    """The ports that the user chose: ``registry.port`` for the first region, the next ones for the others."""
    first = settings.registry.port
    return {port_name(r): first and first + i for i, r in enumerate(settings.registry.regions)}


class Registries(pulumi.ComponentResource):
    """A registry per region. ``hosts`` has each one's region, size and host as in an image reference."""

    hosts: list[dict[str, pulumi.Input[str]]]

    def __init__(self, name: str, site: Site, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ratify-perf:local:Registries", name, None, opts)
        start = {"emulator": self._emulator, "distribution": self._distribution}[settings.registry.kind]
        self.hosts = []
        for region in settings.registry.regions:
            start(site, region)
            host = pulumi.Output.concat("127.0.0.1:", site.ports.of(port_name(region)).apply(str))
            self.hosts.append({"region": region.name, "size": region.size, "host": host})
        self.register_outputs({"hosts": self.hosts})

    def _emulator(self, site: Site, region: Region) -> None:
        self._start(
            site,
            region,
            sys.executable,
            [
                "-m",
                "infra.local.registry",
                f"--size={region.size}",
                f"--region={region.name}",
                self._port(site, region),
            ],
            env={"PYTHONPATH": str(MODULES.parent)},
        )

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
    def _port(site: Site, region: Region) -> pulumi.Output[str]:
        return pulumi.Output.concat("--port=", site.ports.of(port_name(region)).apply(str))

"""Ports of a local stack as a Pulumi resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource

from infra.local.files import Replaced
from infra.local.sockets import free_ports, is_free
from workloads.errors import ProcessError


class _PortsProvider(Replaced):
    inputs = ("names", "fixed")

    def create(self, props: dict[str, Any]) -> CreateResult:
        fixed = {name: int(port) for name, port in props["fixed"].items()}  # the CLI hands numbers on as floats
        for name, port in fixed.items():
            if not is_free(port):
                raise ProcessError(f"Port {port}, which is set for {name}, is busy on 127.0.0.1; set another, or 0.")
        count = len(props["names"]) + len(fixed)
        free = iter([port for port in free_ports(count) if port not in fixed.values()])
        return CreateResult("ports", {**props, "ports": {n: fixed.get(n) or next(free) for n in props["names"]}})


class LocalPorts(Resource, module="local", name="Ports"):
    """Ports of 127.0.0.1, chosen free once and kept for as long as the stack lives."""

    ports: pulumi.Output[dict[str, int]]

    def __init__(
        self,
        resource_name: str,
        names: Sequence[str],
        fixed: Mapping[str, int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``fixed`` has the ports that the user chose; those that are 0 or absent are free ones."""
        chosen = {name: port for name, port in fixed.items() if port}
        props = {"names": list(names), "fixed": chosen, "ports": None}
        super().__init__(_PortsProvider(), resource_name, props, opts)

    def of(self, name: str) -> pulumi.Output[int]:
        """The port of one name."""
        return self.ports.apply(lambda ports: int(ports[name]))

"""Ports of a local stack as a Pulumi resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource

from infra.local.files import Replaced
from infra.local.sockets import release, reserve


class _PortsProvider(Replaced):
    inputs = ("names", "fixed", "folder")

    def create(self, props: dict[str, Any]) -> CreateResult:
        fixed = {name: int(port) for name, port in props["fixed"].items()}  # the CLI hands numbers on as floats
        return CreateResult("ports", {**props, "ports": reserve(Path(props["folder"]), props["names"], fixed)})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        release(Path(props["folder"]))


class LocalPorts(Resource, module="local", name="Ports"):
    """Ports of 127.0.0.1, chosen free once and reserved for as long as the stack lives."""

    ports: pulumi.Output[dict[str, int]]

    def __init__(
        self,
        resource_name: str,
        names: Sequence[str],
        fixed: Mapping[str, int],
        folder: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``fixed`` has the ports that the user chose; those that are 0 or absent are free ones.

        ``folder`` is the stack's, which has to be there first: a reservation counts for as long as it is.
        """
        chosen = {name: port for name, port in fixed.items() if port}
        props = {"names": list(names), "fixed": chosen, "folder": folder, "ports": None}
        super().__init__(_PortsProvider(), resource_name, props, opts)

    def of(self, name: str) -> pulumi.Output[int]:
        """The port of one name."""
        return self.ports.apply(lambda ports: int(ports[name]))

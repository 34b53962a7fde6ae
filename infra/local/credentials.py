"""Logins to a local stack's registries as a Pulumi resource.

The passwords are made where they are used: they go from here into files of mode 0600 and never through inputs, outputs,
state or arguments, which hold only paths.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource

from infra.local.files import ReplacedFolder, write

PULL = ["pull", "metadata_read"]
IDENTITIES = {"push": [*PULL, "push", "delete", "catalog"], "pull": PULL, "pull-2": PULL}
"""Name → what it may do (:mod:`infra.local.registry.identities`). The second pull identity is for whoever must not
share Ratify's buckets."""


class _CredentialsProvider(ReplacedFolder):
    inputs = ("folder", "hosts")

    def create(self, props: dict[str, Any]) -> CreateResult:
        folder = Path(props["folder"])
        known = {
            name: {"password": secrets.token_urlsafe(24), "aadToken": secrets.token_urlsafe(48), "actions": actions}
            for name, actions in IDENTITIES.items()
        }
        write(folder / "identities.json", json.dumps(known, indent=2))
        for name, identity in known.items():
            auth = b64encode(f"{name}:{identity['password']}".encode()).decode()
            config = {"auths": {host: {"auth": auth} for host in props["hosts"]}}
            write(folder / name / "config.json", json.dumps(config, indent=2))
        outs = {name: str(folder / name / "config.json") for name in ("push", "pull")}
        return CreateResult(str(folder), {**props, **outs, "identities": str(folder / "identities.json")})


class RegistryCredentials(Resource, module="local", name="RegistryCredentials"):
    """The identities file of registries, and for each identity a docker ``<name>/config.json`` with its logins."""

    identities: pulumi.Output[str]
    push: pulumi.Output[str]
    pull: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        folder: Path,
        hosts: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"folder": str(folder), "hosts": list(hosts), "identities": None, "push": None, "pull": None}
        super().__init__(_CredentialsProvider(), resource_name, props, opts)

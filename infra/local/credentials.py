"""Logins to a local stack's registries as a Pulumi resource.

The passwords are made where they are used: they go from here into files of mode 0600 and never through inputs, outputs,
state or arguments, which hold only paths.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource

from infra.local.files import ReplacedFolder, write

PULL = ["pull", "metadata_read"]
PUSH = [*PULL, "push", "delete", "catalog"]
PULLERS = {"pull": PULL, "pull-2": PULL}
"""Name → what it may do (:mod:`infra.local.registry.identities`). The second pull identity is for whoever must not
share Ratify's buckets."""


def identities(pushers: int) -> dict[str, list[str]]:
    """Name → what it may do, with so many who push: ``push``, ``push-2`` and so on, each with its own buckets."""
    names = ["push", *(f"push-{number}" for number in range(2, pushers + 1))]
    return {**dict.fromkeys(names, PUSH), **PULLERS}


def _told(names: Iterable[str]) -> list[str]:
    """The identities that a stack has outputs of."""
    return [name for name in names if name != "pull-2"]


class _CredentialsProvider(ReplacedFolder):
    inputs = ("folder", "hosts", "pushers")

    def create(self, props: dict[str, Any]) -> CreateResult:
        folder = Path(props["folder"])
        known = {
            name: {"password": secrets.token_urlsafe(24), "aadToken": secrets.token_urlsafe(48), "actions": actions}
            for name, actions in identities(int(props["pushers"])).items()
        }
        write(folder / "identities.json", json.dumps(known, indent=2))
        for name, identity in known.items():
            auth = b64encode(f"{name}:{identity['password']}".encode()).decode()
            config = {"auths": {host: {"auth": auth} for host in props["hosts"]}}
            write(folder / name / "config.json", json.dumps(config, indent=2))
        files = {name: str(folder / name / "config.json") for name in _told(known)}
        return CreateResult(str(folder), {**props, **files, "identities": str(folder / "identities.json")})


class RegistryCredentials(Resource, module="local", name="RegistryCredentials"):
    """The identities file of registries, and for each identity a docker ``<name>/config.json`` with its logins."""

    identities: pulumi.Output[str]
    files: dict[str, pulumi.Output[str]]
    """By the name of the identity: ``pull``, and all who push."""

    def __init__(
        self,
        resource_name: str,
        *,
        folder: Path,
        hosts: Sequence[pulumi.Input[str]],
        pushers: int = 1,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        names = _told(identities(pushers))
        props = {"folder": str(folder), "hosts": list(hosts), "pushers": pushers, "identities": None}
        super().__init__(_CredentialsProvider(), resource_name, {**props, **dict.fromkeys(names)}, opts)
        self.files = {name: getattr(self, name) for name in names}

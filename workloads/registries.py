"""Registry sizes: what a registry admits per minute before it answers 429.

Azure Container Registry throttles with token buckets per category of request, for the registry and for each identity.
The figures, their sources and what is a model are in registries.yaml, next to this file; it is read when a size is
asked for. Every report names the size that was used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, get_args

from workloads.errors import UsageError

Category = Literal["read", "write", "delete", "list_referrers", "oauth"]
"""What a request is charged to. Listing referrers is charged to ``read`` as well."""

SizeName = Literal["XS", "S", "M", "L"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
SIZE_NAMES: tuple[SizeName, ...] = get_args(SizeName)
PUBLIC_HOSTS = (
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "k8s.io",
    "mcr.microsoft.com",
    "nvcr.io",
    "pkg.dev",
    "public.ecr.aws",
    "quay.io",
    "registry.gitlab.com",
    "registry.hub.docker.com",
)
"""Registries that everybody shares, themselves and whatever is below them: no load goes there."""
FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Limit:
    """Requests per minute of one category."""

    registry: int
    """For all callers together."""
    identity: int | None = None
    """For each identity; None where there is no such limit."""


@dataclass(frozen=True)
class RegistrySize:
    """What a registry of one size admits."""

    name: SizeName
    limits: Mapping[Category, Limit]
    charge_challenges: bool = False
    """Whether a request that is answered 401 is charged too."""


@cache
def sizes() -> Mapping[SizeName, RegistrySize]:
    """The sizes by name."""
    known = _content()
    return {
        name: RegistrySize(
            name, _limits(known["skus"][row["sku"]], row["factor"]), charge_challenges=known["chargeChallenges"]
        )
        for name, row in known["sizes"].items()
    }


def published(sku: str) -> Mapping[Category, Limit]:
    """The row that is published for a SKU: Basic, Standard or Premium."""
    return _limits(_content()["skus"]["premium" if sku == "Premium" else "standard"], 1)


@cache
def _content() -> Any:
    import yaml

    return yaml.safe_load(FILE.read_text())


def _limits(sku: Mapping[Category, Mapping[str, int]], factor: int) -> Mapping[Category, Limit]:
    """A SKU's row times a factor, in the order of CATEGORIES."""
    return {
        category: Limit(**{scope: count * factor for scope, count in sku[category].items()}) for category in CATEGORIES
    }


def public_host(host: str) -> bool:
    """Whether a host, as in an image reference, is a registry that everybody shares."""
    name = host.partition(":")[0].lower().rstrip(".")
    return any(name == public or name.endswith(f".{public}") for public in PUBLIC_HOSTS)


def registry_of(registries: Sequence[Mapping[str, str]], size: str, stack: str) -> Mapping[str, str]:
    """The registry of a size among those of the shared ``stack``. Raises UsageError if there is none."""
    for registry in registries:
        if registry["size"] == size:
            return registry
    sizes = ", ".join(registry["size"] for registry in registries)
    raise UsageError(
        f"{stack} has no registry of size {size}: it has {sizes}. Set registry.size to one of these, or add a region "
        "to registry.regions."
    )


def is_loopback(host: str) -> bool:
    """Whether a host, as in an image reference, is this machine: its registries speak plain HTTP, all others TLS."""
    name = host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def host_of(registries: Sequence[Mapping[str, str]], size: str, stack: str) -> str:
    """The host of that registry."""
    return registry_of(registries, size, stack)["host"]

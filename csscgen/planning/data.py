"""The files beside this module as types: limits, prices, machines, and the model's own figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_SIZE = re.compile(r"Standard_(?P<family>[A-Z]+)(?P<cores>[0-9]+)(?P<features>[a-z]*_v[0-9]+)")


@dataclass(frozen=True)
class Aks:
    """Limits of Azure Kubernetes Service."""

    pods: int
    put_burst: int
    put_per_minute: int
    scale_step_nodes: int
    scale_pause_seconds: int


@dataclass(frozen=True)
class Arm:
    """Limits of Azure Resource Manager, for one principal."""

    write_burst: int
    writes_per_second: int


@dataclass(frozen=True)
class Scalability:
    """Thresholds that SIG Scalability tests."""

    nodes: int
    pods: int
    containers: int
    pods_per_node: int
    pods_per_core: int
    namespaces: int
    pods_per_namespace: int
    deployments_per_namespace: int
    events: int
    bytes_of_a_type: int
    churn_per_second: int


@dataclass(frozen=True)
class Limits:
    """limits.yaml"""

    as_of: str
    aks: Aks
    arm: Arm
    kubernetes: Scalability
    etcd_bytes: int


@dataclass(frozen=True)
class Prices:
    """prices.yaml"""

    as_of: str
    region: str
    aks_per_hour: Mapping[str, float]
    registry_per_day: Mapping[str, float]
    key_vault_per_10000_operations: float
    nat_gateway_per_hour: float
    public_address_per_hour: float
    os_disk_per_hour: float


@dataclass(frozen=True)
class Machine:
    """A VM size."""

    name: str
    cores: int
    quota: str
    gib: int
    usd_per_hour: float


@dataclass(frozen=True)
class Model:
    """model.yaml: what was measured here, and what is guessed."""

    signatures_per_core_second: float
    verification_seconds: float
    cached_pods_per_second: float
    job_updates: float
    refusals_per_throttled: float
    pods_under_way: int
    full_pressure: float
    wasted_by_pressure: float
    cluster_verification_seconds: float
    cluster_pods_per_second: float
    gatekeeper_cores: int
    layer_bytes: int
    config_bytes: int
    signature_bytes: Mapping[str, Mapping[str, int]]
    """By form (``jws``, ``cose``, with ``_chain`` where there is an intermediate authority) and algorithm."""
    entry_bytes: int
    index_bytes: int
    local_requests_per_second: float
    requests_per_second: float
    provision_seconds: float
    remove_seconds: float
    bytes_per_pod: int
    bytes_per_container: int
    bytes_per_event: int
    writes_per_pod: int
    revisions_per_pod: int
    arm_writes: int


def read(name: str) -> Any:
    """The content of a file beside this module."""
    import yaml

    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


@cache
def limits() -> Limits:
    content = read("limits.yaml")
    return Limits(
        as_of=str(content["as_of"]),
        aks=Aks(**content["aks"]),
        arm=Arm(**content["arm"]),
        kubernetes=Scalability(**content["kubernetes"]),
        etcd_bytes=content["etcd"]["bytes"],
    )


@cache
def prices() -> Prices:
    content = read("prices.yaml")
    return Prices(**{**content, "as_of": str(content["as_of"])})


@cache
def model() -> Model:
    content = read("model.yaml")
    return Model(**content["measured"], **content["guessed"])


@cache
def _series() -> Mapping[str, Mapping[str, Any]]:
    series: Mapping[str, Mapping[str, Any]] = read("machines.yaml")["series"]
    return series


def machine(size: str) -> Machine | None:
    """The VM size of a name; None for one of a series that machines.yaml does not have."""
    match = _SIZE.fullmatch(size)
    series = _series().get(f"{match['family']}{match['features']}") if match else None
    if match is None or series is None:
        return None
    cores = int(match["cores"])
    return Machine(size, cores, series["quota"], cores * series["gib_per_core"], cores * series["usd_per_core_hour"])

"""What a run takes of Azure: cores against quotas, requests against the throttles of AKS and ARM, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from csscgen.planning.data import Machine, limits, machine, model, prices
from csscgen.planning.objects import Nodes
from infra.settings import Settings
from infra.settings.aks import OUTBOUND_ADDRESSES, tier

REGIONAL = "cores"
"""The quota of all cores of a region ("Total Regional vCPUs") by the name that the usage list gives it."""


@dataclass(frozen=True)
class Quota:
    """Cores that are counted against one quota; ``cores`` is None for a VM size that is not known."""

    name: str
    cores: int | None
    nodes: int
    command: str
    """Shows what is used of it and what there is."""


@dataclass(frozen=True)
class Throttles:
    """Requests of a run's making and removing."""

    pool_puts: int
    """PUT ManagedCluster and AgentPool; each cluster and pool has a bucket of its own."""
    pool_put_burst: int
    pool_puts_per_minute: int
    scale_steps: int
    """Steps in which AKS advises to reach the nodes."""
    scale_pause_seconds: int
    arm_writes: int
    arm_write_burst: int
    arm_writes_per_second: int
    addresses: int
    """Addresses of the subnet; pods have some of their own where the network is not an overlay."""
    pod_cidr_prefix: int | None
    """The least range that has a /24 for each node; None where pods have addresses of the subnet."""


@dataclass(frozen=True)
class Cost:
    """List prices; None where a VM size has no known price."""

    as_of: str
    region: str
    usd_per_hour: float | None
    """What runs during a run: nodes, API server, NAT gateway, disks."""
    nodes_usd_per_hour: float | None
    shared_usd_per_day: float
    """The registries of the shared stack, which stay."""
    signing_usd: float
    """Once for each registry: a signature is an operation of the Key Vault."""
    hours: float
    """From the first resource to the last one's removal."""
    run_usd: float | None
    unknown: tuple[str, ...]
    """VM sizes without a price."""


def quotas(settings: Settings, nodes: Nodes) -> list[Quota]:
    """What is needed of each quota: a row per family, and one for the region."""
    location = settings.azure.location
    by_name: dict[str, tuple[int | None, int]] = {}
    regional: int | None = 0
    for found, size, count in _machines(settings, nodes):
        name = found.quota if found else f"the family of {size}"
        cores = found.cores * count if found else None
        before = by_name.get(name, (0, 0))
        by_name[name] = (None if cores is None or before[0] is None else before[0] + cores, before[1] + count)
        regional = None if cores is None or regional is None else regional + cores
    listed = {**by_name, REGIONAL: (regional, nodes.total)}
    everything = f"az vm list-usage -l {location} -o table"
    return [
        Quota(name, cores, count, everything if cores is None else f"{everything} --query \"[?name.value=='{name}']\"")
        for name, (cores, count) in listed.items()
    ]


def throttles(settings: Settings, nodes: Nodes) -> Throttles:
    """What making the stack asks of AKS and ARM."""
    known = limits()
    pods = nodes.load * settings.cluster.maxPods
    plugin = settings.cluster.networkPlugin
    return Throttles(
        pool_puts=1 + len(nodes.load_pools),
        pool_put_burst=known.aks.put_burst,
        pool_puts_per_minute=known.aks.put_per_minute,
        scale_steps=max(1, ceil(nodes.load / known.aks.scale_step_nodes)),
        scale_pause_seconds=known.aks.scale_pause_seconds,
        arm_writes=model().arm_writes + len(nodes.load_pools),
        arm_write_burst=known.arm.write_burst,
        arm_writes_per_second=known.arm.writes_per_second,
        addresses=nodes.total + (pods if plugin == "azure" else 0),
        pod_cidr_prefix=None if plugin == "azure" else 24 - (nodes.total - 1).bit_length(),
    )


def registries_per_day(shared: Settings) -> float:
    """What the registries of a shared stack cost a day, in USD."""
    return len(shared.registry.regions) * prices().registry_per_day[shared.registry.sku]


def cost(settings: Settings, shared: Settings, nodes: Nodes, signatures: int, run_seconds: float) -> Cost:
    """What a run of so many seconds costs, with its making and removing, and the signatures for it."""
    known = prices()
    machines = list(_machines(settings, nodes))
    unknown = tuple(dict.fromkeys(size for found, size, _ in machines if found is None))
    own = sum(found.usd_per_hour * count for found, _, count in machines if found)
    rest = (
        known.aks_per_hour[tier(settings)]
        + known.nat_gateway_per_hour
        + OUTBOUND_ADDRESSES * known.public_address_per_hour
        + nodes.total * known.os_disk_per_hour
    )
    pauses = (throttles(settings, nodes).scale_steps - 1) * limits().aks.scale_pause_seconds
    hours = (model().provision_seconds + pauses + run_seconds + model().remove_seconds) / 3600
    signing = signatures / 10_000 * known.key_vault_per_10000_operations
    hourly = None if unknown else round(own + rest, 2)
    return Cost(
        as_of=known.as_of,
        region=known.region,
        usd_per_hour=hourly,
        nodes_usd_per_hour=None if unknown else round(own, 2),
        shared_usd_per_day=round(registries_per_day(shared), 2),
        signing_usd=round(signing, 2),
        hours=round(hours, 2),
        run_usd=None if hourly is None else round(hourly * hours + signing, 2),
        unknown=unknown,
    )


def _machines(settings: Settings, nodes: Nodes) -> list[tuple[Machine | None, str, int]]:
    cluster = settings.cluster
    return [
        (machine(size), size, count)
        for size, count in ((cluster.vmSize, nodes.load), (cluster.systemVmSize, nodes.system))
    ]

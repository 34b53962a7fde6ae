"""What the artifacts commands work on: images, and the registries that are to have them, of a stack or by options.

Of a stack everything is in the outputs of its shared stack; without one, whoever gives the command names registries,
logins and what the registries admit. Nothing is asked or touched here, and no registry is let through that load may not
go to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from csscgen.context import Context
from workloads.errors import UsageError
from workloads.naming import ImageSet
from workloads.negatives import MOST_SHARDS
from workloads.registries import SIZE_NAMES, Category, Limit, SizeName, published, registry_of, sizes

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from csscgen.artifacts.logins import LoginSource
    from csscgen.artifacts.targets import Target

PROFILES = ("premium", "standard", *SIZE_NAMES, "none")
"""What a registry admits: a SKU of Azure Container Registry, a size of workloads/registries.yaml, or anything."""
AZURE = ".azurecr.io"
MOST_IMAGES = 100_000
MOST_SIGNATURES = 1_000


@dataclass(frozen=True)
class Assignment:
    """Images, and the registries that are to have them."""

    sets: Sequence[ImageSet]
    targets: Sequence[Target]


def of_stack(
    context: Context,
    *,
    every: bool = False,
    credentials: Sequence[Path] = (),
    profile: str | None = None,
    who: TokenCredential | None = None,
) -> Assignment:
    """A stack's images, and the registry of its size, or every one of its shared stack.

    ``credentials`` are docker config.json files with logins in place of the stack's own, ``profile`` what the
    registries admit; ``who`` logs in where the stack is in Azure. Raises UsageError if the shared stack is not up, or
    its outputs or the files cannot be used.
    """
    from csscgen.artifacts.targets import Target

    shared, stack = context.shared_outputs(), context.stack.shared or context.stack
    known: Sequence[Mapping[str, Any]] = shared["registries"]
    hosts = [registry["host"] for registry in known]
    chosen = known if every else [registry_of(known, context.settings.registry.size, stack.name)]
    own = shared.get("credentials") or {}
    files = credentials or [Path(file) for name, file in own.items() if name.startswith("push")]
    kind = stack.settings.registry_kind

    def target(registry: Mapping[str, Any]) -> Target:
        host = _own(registry["host"], hosts)
        logins = logins_of(files, host)
        if who is not None and not files:
            from csscgen.azure import registries

            logins = [registries.EntraLogin(host, who, allowed=hosts, tenant=shared.get("tenantId"))]
        admits = {"emulator": registry["size"], "acr": stack.settings.registry.sku.lower()}.get(kind)
        return Target(host, hosts, logins, limits_of(profile or admits, host), journal_file(context.files(stack), host))

    return Assignment(context.settings.plan.image_sets, [target(registry) for registry in chosen])


def of_options(
    hosts: Sequence[str],
    sets: Sequence[ImageSet],
    state: Path,
    *,
    credentials: Sequence[Path] = (),
    profile: str | None = None,
) -> Assignment:
    """Images in registries that the caller names; the journals are below the folder of all states, ``state``.

    Raises UsageError for a registry that everybody shares, or files that have no login to one of them.
    """
    from csscgen.artifacts.targets import Target

    def target(host: str) -> Target:
        logins = logins_of(credentials, _own(host, hosts))
        return Target(host, hosts, logins, limits_of(profile, host), journal_file(state, host))

    return Assignment(sets, [target(host) for host in dict.fromkeys(hosts)])


def image_sets(containers: int, signatures: int, shards: int, *, unique: bool) -> list[ImageSet]:
    """The images of workloads that share them, or with ``unique`` have sets of their own.

    Raises UsageError for none, or for more than a test can mean.
    """
    if containers < 1:
        raise UsageError(f"There are no images to work on with --num-containers {containers}: give 1 or more.")
    if not 0 <= signatures <= MOST_SIGNATURES:
        raise UsageError(
            f"--num-referrers {signatures} is not from 0 to {MOST_SIGNATURES:,}: a verifier reads every signature of "
            "an image each time."
        )
    if not 1 <= shards <= MOST_SHARDS:
        raise UsageError(f"--shards {shards} is not from 1 to {MOST_SHARDS:,}, the most workloads of a scenario.")
    total = containers * (shards if unique else 1)
    if total > MOST_IMAGES:
        raise UsageError(
            f"These are {total:,} images, more than the {MOST_IMAGES:,} that are seeded at once. Give fewer "
            "--num-containers or --shards."
        )
    return [ImageSet(containers, signatures, shard) for shard in (range(shards) if unique else [None])]


def limits_of(profile: str | None, host: str) -> Mapping[Category, Limit] | None:
    """What a registry admits in a minute, by a profile, or by its host if that is None; None if nothing is known."""
    if profile is None:
        profile = "premium" if host.partition(":")[0].endswith(AZURE) else "none"
    if profile == "none":
        return None
    if profile in get_args(SizeName):
        return sizes()[profile].limits  # type: ignore[index]  # it is a SizeName
    return published(profile.capitalize())


def logins_of(files: Sequence[Path], host: str) -> list[LoginSource]:
    """The login to a registry in each docker config.json. Raises UsageError for a file that has none."""
    from csscgen.artifacts.logins import read_login

    return [read_login(file, host) for file in files]


def journal_file(folder: Path, registry: str) -> Path:
    """Where the journal of a registry is, below the folder of a stack's files or of all states."""
    return folder / "seeded" / f"{registry.replace(':', '_')}.jsonl"


def _own(host: str, allowed: Sequence[str]) -> str:
    """The host; UsageError if load may not go to it."""
    from csscgen.artifacts.addresses import own_registry

    own_registry(host, allowed)
    return host

"""What a registry can do, so far as it changes what is sent to it: known of the emulator and of distribution.

Of ACR and of registries that are there already it is what they are taken for: they want two requests for a blob, and
have the referrers API.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.settings import Settings


@dataclass(frozen=True)
class Abilities:
    """A kind of registry as those see it who push."""

    whole_blobs: bool = False
    """Whether it takes a small blob in one request."""
    mounts: bool = True
    """Whether it lets a repository have a blob of another one."""
    referrers_api: bool = True
    referrers_page: int = 100
    """Referrers on a page; of ACR's nothing is published, and the lists are short."""
    login: bool = False
    """Whether it wants to know who asks."""


def pushers(shared: Settings) -> int:
    """How many identities push in turn to the registries of a shared stack; 0 where nobody logs in."""
    if not abilities(shared).login:
        return 0
    return shared.registry.pushers if shared.registry_kind == "emulator" else 1


def abilities(shared: Settings) -> Abilities:
    """Those of the registries of a shared stack."""
    registry = shared.registry
    match shared.registry_kind:
        case "emulator":
            return Abilities(
                whole_blobs=True,
                referrers_api=registry.referrersApi,
                referrers_page=registry.referrersPage,
                login=registry.login,
            )
        case "distribution":
            return Abilities(referrers_api=False)
        case "existing":
            return Abilities(login=registry.credentials is not None)
        case _:
            return Abilities(login=True)

"""Which registries load may go to: those on this machine, and those that are the caller's own.

Whoever names them: one that everybody shares is refused even if a stack's outputs have it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from csscgen.connections import Origin
from workloads.errors import UsageError, named, quoted
from workloads.registries import is_loopback, public_host

LONGEST_HOST = 253
"""Characters of a name of the DNS."""
ADDRESS = re.compile(r"(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(:(?P<port>[0-9]{1,5}))?", re.IGNORECASE)


def own_registry(registry: str, allowed: Collection[str] = ()) -> Origin:
    """The origin of a registry that load may go to; UsageError for any other.

    ``allowed`` has the hosts of the stack's own registries, spelled as ``registry`` is.
    """
    match = ADDRESS.fullmatch(registry)
    if match is None or int(match["port"] or 0) > 65535 or len(match["host"]) > LONGEST_HOST:
        told = registry.rpartition("@")[2]  # somebody may have put a password before the host
        raise UsageError(f"{quoted(told)} is not the address of a registry. Give a host, or host:port.")
    local = is_loopback(match["host"])
    origin = Origin(
        not local, match["host"].strip("[]").lower(), int(match["port"] or (80 if local else 443)), registry
    )
    if local:
        return origin
    if public_host(registry):
        raise UsageError(
            f"The registry {named(registry)} is one that everybody shares: no place for load, name your own."
        )
    if registry in allowed:
        return origin
    own = ", ".join(sorted(allowed)) or "none beside those on loopback"
    raise UsageError(
        f"The registry {named(registry)} is not one of this stack's registries ({own}), and load goes to no other. "
        "Name a registry of the stack."
    )

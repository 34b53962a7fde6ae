"""Negative artifacts: the kinds of image that Ratify must refuse, and which workloads of a scenario run them.

Settings name the kinds, names and seeder make the images, the program makes the certificates of those who sign them.
The same shares, shards and seed give the same workloads on every machine and with every version of Python: shares are
exact fractions of the decimals that were written, and the order of the workloads comes from a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction

from workloads.errors import named

MOST_SHARDS = 1000
"""The most workloads that a scenario has."""

KINDS: dict[str, str] = {
    "unsigned": "Nothing is attached to the image.",
    "tampered-manifest": "The image's manifest was changed after signing, and the signature attached to it again.",
    "tampered-envelope": "One byte of a genuine signature was changed.",
    "expired": "The genuine signer's signature, which was to be good until yesterday.",
    "expired-certificate": "Signed with an older certificate of the genuine signer, trusted, which ended yesterday.",
    "wrong-ca": "Signed with a certificate that has the genuine signer's name and is not in the trust store.",
    "wrong-subject": "The genuine signature of another image, attached to this one.",
    "revoked": "Signed with a certificate of the trust store whose identity the trust policy does not list.",
    "missing-blob": "A genuine signature whose envelope was deleted from the registry after the push.",
    "sbom": "An SBOM (application/spdx+json) is attached, and no signature.",
}
"""Every kind with its meaning."""


@dataclass(frozen=True)
class RefusedSigner:
    """Whoever signs the images of a kind, other than the genuine signer."""

    in_trust_store: bool
    """Whether the trust store has the certificate."""
    has_genuine_name: bool
    """Whether its subject is the genuine signer's, which is the identity that the trust policy lists."""
    expired: bool = False
    """Whether the certificate has ended."""


REFUSED_SIGNERS: dict[str, RefusedSigner] = {
    "expired-certificate": RefusedSigner(in_trust_store=True, has_genuine_name=True, expired=True),
    "revoked": RefusedSigner(in_trust_store=True, has_genuine_name=False),
    "wrong-ca": RefusedSigner(in_trust_store=False, has_genuine_name=True),
}
"""The signers by the kind that they sign."""


def variants(shares: Mapping[str, float], shards: int, seed: int) -> list[str | None]:
    """The kind that each workload runs; None for genuine images."""
    if not shares:  # no order is needed, and there may be a million
        return [None] * shards
    counts = apportion(shares, shards)
    genuine = shards - sum(counts.values())
    kinds = [kind for kind, count in counts.items() for _ in range(count)] + [None] * genuine
    order = sorted(range(shards), key=lambda shard: hashlib.sha256(f"{seed}/{shard}".encode()).digest())
    return [kind for _, kind in sorted(zip(order, kinds, strict=True), key=lambda placed: placed[0])]


def apportion(shares: Mapping[str, float], shards: int) -> dict[str, int]:
    """How many of the workloads run each kind, by largest remainder; genuine ones take part with what is left.

    Of equal remainders the first kind of ``KINDS`` comes first, and genuine images last.
    """
    # By way of text, which makes 0.1 a tenth.
    exact: dict[str | None, Fraction] = {kind: Fraction(str(shares[kind])) for kind in KINDS if kind in shares}
    exact[None] = 1 - sum(exact.values(), Fraction())
    counts = {kind: int(share * shards) for kind, share in exact.items()}
    behind = sorted(exact, key=lambda kind: counts[kind] - exact[kind] * shards)
    for kind in behind[: shards - sum(counts.values())]:
        counts[kind] += 1
    return {kind: count for kind, count in counts.items() if kind is not None}


def problems(shares: Mapping[str, float], shards: int) -> list[str]:
    """What is wrong with the shares of a scenario with so many workloads: a sentence for each problem."""
    found = [_unknown(kind) for kind in shares if kind not in KINDS]
    found += [
        f"the share of {kind} is {share:g}; a share goes from 0 to 1."
        for kind, share in shares.items()
        if kind in KINDS and not 0 <= share <= 1
    ]
    total = sum(Fraction(str(share)) for share in shares.values())
    if not found and total > 1:
        found.append(f"the shares add up to {float(total):g}; together they can be 1 at most.")
    if found or not (idle := _idle(shares, shards)):
        return found
    enough = next((count for count in range(shards, MOST_SHARDS + 1) if not _idle(shares, count)), None)
    advice = f"{enough} shards would do" if enough else f"not even {MOST_SHARDS} shards would do: raise the shares"
    return [f"of {shards} workloads the share of {', '.join(idle)} comes to none; {advice}."]


def _idle(shares: Mapping[str, float], shards: int) -> list[str]:
    """The kinds that have a share and come to no workload."""
    return [kind for kind, count in apportion(shares, shards).items() if shares[kind] and not count]


def _unknown(kind: str) -> str:
    near = get_close_matches(named(kind), KINDS, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(KINDS)}."
    return f"there is no kind {named(kind)}; {advice}"

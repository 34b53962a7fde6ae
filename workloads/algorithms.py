"""The signature algorithms of the Notary Project, as data: settings choose one, keys are made and signed with for it.

Sources: the Notary Project's signature-specification.md, "Algorithm Selection" (which key has which algorithm);
RFC 7518, 3.1 and RFC 9053, 2.1 with RFC 8230, 2 (names and numbers of JOSE and COSE); learn.microsoft.com, "Azure Key
Vault service limits" (transactions in ten seconds by software-protected keys of a vault).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

AlgorithmName = Literal["ES256", "ES384", "ES512", "PS256", "PS384", "PS512"]
EnvelopeName = Literal["jws", "cose"]
KeyKind = Literal["EC", "RSA"]


@dataclass(frozen=True)
class Algorithm:
    """A signature algorithm and the one kind of key that it is made with."""

    name: AlgorithmName
    kind: KeyKind
    bits: int
    """Of the curve's field, or of the modulus."""
    hash_bits: int
    """Of the SHA-2 that is signed; the salt of PSS is as long."""
    cose: int
    """The algorithm's number in COSE."""
    vault_limit: int
    """Signatures in ten seconds that a Key Vault admits."""

    @property
    def key(self) -> str:
        """The kind of key in words: EC P-256, RSA 2048."""
        return key_in_words(self.kind, self.bits)

    @property
    def hash(self) -> str:
        """The hash as :mod:`hashlib` calls it."""
        return f"sha{self.hash_bits}"


ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("ES256", "EC", 256, 256, -7, 4_000),
        Algorithm("ES384", "EC", 384, 384, -35, 4_000),
        Algorithm("ES512", "EC", 521, 512, -36, 4_000),
        Algorithm("PS256", "RSA", 2048, 256, -37, 4_000),
        Algorithm("PS384", "RSA", 3072, 384, -38, 1_000),
        Algorithm("PS512", "RSA", 4096, 512, -39, 500),
    )
}
assert tuple(ALGORITHMS) == get_args(AlgorithmName)

SUPPORTED_KEYS = "EC P-256, P-384 and P-521, and RSA 2048, 3072 and 4096"
"""In words, for messages."""


def algorithm_for(kind: KeyKind, bits: int) -> Algorithm | None:
    """The algorithm of such keys; None if there is none."""
    return next((each for each in ALGORITHMS.values() if (each.kind, each.bits) == (kind, bits)), None)


def key_in_words(kind: KeyKind, bits: int) -> str:
    return f"EC P-{bits}" if kind == "EC" else f"RSA {bits}"

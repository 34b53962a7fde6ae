"""What the table of signature algorithms comes to with keys: which one a key has, how bytes are signed and verified.

The table is workloads/algorithms.py, because settings and the program need it as well. The algorithm follows from the
key and cannot be chosen: verifiers derive it from the certificate.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from workloads.algorithms import Algorithm, algorithm_for, key_in_words

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
NIST = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
"""The curves that there is an algorithm for; others have fields of 256 bits too."""
HASHES: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}


def algorithm_of(key: object) -> Algorithm | None:
    """The algorithm that a public key verifies; None if there is none."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return algorithm_for("EC", key.key_size) if key.curve.name in NIST else None
    return algorithm_for("RSA", key.key_size) if isinstance(key, rsa.RSAPublicKey) else None


def kind_of(key: object) -> str:
    """What kind of key it is, in words."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {NIST.get(key.curve.name, key.curve.name)}"
    return key_in_words("RSA", key.key_size) if isinstance(key, rsa.RSAPublicKey) else "of another kind"


def signing(key: PrivateKey, algorithm: Algorithm) -> Callable[[bytes], bytes]:
    """What signs bytes with ``key``: in the form of RFC 7518, which is COSE's (RFC 9053) too."""
    digest = HASHES[algorithm.hash_bits]
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = _pss(algorithm)
        return lambda message: key.sign(message, scheme, digest)
    ecdsa, octets = ec.ECDSA(digest), _octets(algorithm)

    def signed(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ecdsa))
        return r.to_bytes(octets, "big") + s.to_bytes(octets, "big")

    return signed


def verify(key: PublicKey, algorithm: Algorithm, signature: bytes, message: bytes) -> None:
    """Raises InvalidSignature unless ``signature``, in the form of RFC 7518, is the key's of ``message``."""
    digest = HASHES[algorithm.hash_bits]
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, _pss(algorithm), digest)
        return
    octets = _octets(algorithm)
    r, s = int.from_bytes(signature[:octets], "big"), int.from_bytes(signature[octets:], "big")
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))


def _pss(algorithm: Algorithm) -> padding.PSS:
    digest = HASHES[algorithm.hash_bits]
    return padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)


def _octets(algorithm: Algorithm) -> int:
    """How long each of r and s is."""
    return (algorithm.bits + 7) // 8

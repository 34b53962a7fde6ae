"""Certificate chains, and the Notary Project's rules for those that images are signed with.

Verifiers refuse every signature by a chain that breaks a rule, so the rules are looked at before anything is signed or
pushed. Sources: signature-specification.md of the Notary Project, "Certificate Requirements", and what its library
checks beyond that (notation-core-go, x509/codesigning_cert_validations.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from csscgen.artifacts.algorithms import PublicKey, algorithm_of, kind_of
from workloads.algorithms import SUPPORTED_KEYS, Algorithm
from workloads.errors import UsageError, brief, quoted

NOT_TOGETHER = {
    Usage.ANY_EXTENDED_KEY_USAGE,
    Usage.SERVER_AUTH,
    Usage.CLIENT_AUTH,
    Usage.EMAIL_PROTECTION,
    Usage.TIME_STAMPING,
    Usage.OCSP_SIGNING,
}
"""Extended key usages that a signing certificate must not have."""
NOT_BESIDE = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
"""Key usages that it must not have; encipher_only and decipher_only come with key_agreement alone."""
Kind = TypeVar("Kind", bound=x509.ExtensionType)
WEAK = (hashes.SHA1, hashes.MD5)


@dataclass(frozen=True)
class Chain:
    """A chain that keeps the rules."""

    certificates: tuple[x509.Certificate, ...]
    """From leaf to root; a self-signed certificate is leaf and root."""
    key: PublicKey
    """The leaf's."""
    algorithm: Algorithm

    @property
    def der(self) -> list[bytes]:
        return [certificate.public_bytes(Encoding.DER) for certificate in self.certificates]


def read(pem: str) -> list[x509.Certificate]:
    """The certificates in ``pem``, in its order. Raises UsageError if there are none, or one cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        for certificate in found:
            _ = certificate.subject, certificate.extensions, certificate.public_key()  # parsed when asked for
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(
            "The certificate chain cannot be read. Give one or more certificates in PEM form, from leaf to root."
        ) from None
    return found


def checked(pem: str, *, at: datetime | None) -> Chain:
    """The chain in ``pem``, from leaf to root.

    ``at`` is when it has to be good; None if that does not matter, as for images whose certificate is to have ended.
    Raises UsageError that names the first certificate that breaks a rule, with all that is wrong with it.
    """
    certificates = read(pem)
    for certificate, wrong in problems(certificates, at=at):
        raise UsageError(
            f"Verifiers would refuse all signatures with the certificate of {named(certificate)} in their chain: "
            f"{'; '.join(wrong)}. Give a chain that keeps the Notary Project's rules for signing certificates, from "
            "leaf to self-signed root."
        )
    key = certificates[0].public_key()
    algorithm = algorithm_of(key)
    assert algorithm
    return Chain(tuple(certificates), key, algorithm)  # type: ignore[arg-type]  # an algorithm is of these kinds only


def problems(
    certificates: Sequence[x509.Certificate], *, at: datetime | None
) -> Iterator[tuple[x509.Certificate, list[str]]]:
    """Each certificate that breaks a rule, and what is wrong with it; ``at`` as in :func:`checked`."""
    for depth, certificate in enumerate(certificates):
        above = certificates[depth + 1] if depth + 1 < len(certificates) else None
        wrong = [*_issuer(certificate, above)]
        wrong += leaf_problems(certificate) if depth == 0 else _authority_problems(certificate, depth - 1)
        if at:
            wrong += validity_problems(certificate, at)
        if wrong:
            yield certificate, wrong


def leaf_problems(certificate: x509.Certificate) -> Iterator[str]:
    """What is wrong with a certificate as one that signs, its time and its issuer aside."""
    if algorithm_of(key := certificate.public_key()) is None:
        yield f"its key is {kind_of(key)}, and signatures are made with {SUPPORTED_KEYS}"
    yield from _hash(certificate)
    if (constraints := _extension(certificate, x509.BasicConstraints)) and constraints.value.ca:
        yield "it is an authority's (basic constraints)"
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None:
        yield "it has no key usage"
    else:
        names = [name for name in ("digital_signature", *NOT_BESIDE) if getattr(usage.value, name)]
        if names != ["digital_signature"]:
            yield f"its key usage is {', '.join(names) or 'nothing'} and not digital_signature alone"
        elif not usage.critical:
            yield "its key usage is not critical"
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended and set(extended.value) & NOT_TOGETHER:
        told = ", ".join(sorted(each.dotted_string for each in extended.value))
        yield f"its extended key usage is {told} and not {Usage.CODE_SIGNING.dotted_string} (code signing)"


def validity_problems(certificate: x509.Certificate, at: datetime) -> Iterator[str]:
    """What is wrong with a certificate that has to be good ``at`` a time (aware)."""
    if certificate.not_valid_before_utc > at:
        yield f"it is good from {certificate.not_valid_before_utc:%Y-%m-%d} only"
    if certificate.not_valid_after_utc < at:
        yield f"it ended on {certificate.not_valid_after_utc:%Y-%m-%d}"


def named(certificate: x509.Certificate) -> str:
    """A certificate's subject as messages have it."""
    return quoted(certificate.subject.rfc4514_string())


def _issuer(certificate: x509.Certificate, above: x509.Certificate | None) -> Iterator[str]:
    """What is wrong with who issued a certificate; ``above`` is the next one of the chain, None for the last."""
    if above is None and not _issued(certificate, certificate):
        issuer = quoted(certificate.issuer.rfc4514_string())
        yield f"it is the last one and was issued by {issuer}, so the chain lacks its self-signed root"
    elif above and _issued(certificate, certificate):
        yield f"it is self-signed, and {named(above)} follows it"
    elif above and not _issued(certificate, above):
        yield f"it was not issued by the next one, {named(above)}"


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _authority_problems(certificate: x509.Certificate, below: int) -> Iterator[str]:
    """What is wrong with an authority's certificate with so many others between it and the leaf."""
    yield from _hash(certificate)
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca:
        yield "it is no authority's (basic constraints)"
    elif not constraints.critical:
        yield "its basic constraints are not critical"
    elif constraints.value.path_length is not None and constraints.value.path_length < below:
        yield f"its path length is {constraints.value.path_length}, and {below} authorities are below it"
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.value.key_cert_sign:
        yield "its key usage lacks key_cert_sign"
    elif not usage.critical:
        yield "its key usage is not critical"


def _hash(certificate: x509.Certificate) -> Iterator[str]:
    try:
        made_with = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm as error:
        yield f"its signature cannot be looked at ({brief(error)})"
        return
    if isinstance(made_with, WEAK):
        yield f"its signature is over {made_with.name.upper()}, which verifiers refuse"


def _extension(certificate: x509.Certificate, kind: type[Kind]) -> x509.Extension[Kind] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None

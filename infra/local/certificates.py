"""Certificates of a local stack: one to sign images with, and an authority for TLS.

Nothing here is kept: each call makes new keys and returns PEM text, and whoever calls decides
where it goes (files with mode 0600, state as a secret). Signing certificates are self-signed, which
Notary Project accepts as a trust root (signature-specification.md, "Certificate Requirements"), or the
end of a chain with an intermediate authority. Certificates for production are not made here: those come
from a key vault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from workloads.algorithms import ALGORITHMS
from workloads.errors import UsageError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

BACKDATED = timedelta(minutes=5)  # so that a clock that lags behind this one accepts them
AUTHORITY_VALID = timedelta(days=30)
SIGNING_VALID = timedelta(days=365)
ORGANIZATION = "ratify-perf"
"""Of those who sign."""


@dataclass(frozen=True)
class CertificateAuthority:
    """An authority that issues the certificates of one local stack."""

    key_pem: str = field(repr=False)
    """Private key, PKCS#8 PEM. A secret."""
    cert_pem: str
    """Its own, self-signed certificate: what clients and servers trust."""

    def issue(
        self,
        common_name: str,
        *,
        organization: Sequence[str] = (),
        ip: Sequence[str] = ("127.0.0.1",),
        dns: Sequence[str] = ("localhost",),
        server: bool = True,
        client: bool = True,
        key_pem: str | None = None,
        after: timedelta = timedelta(),
    ) -> tuple[str, str]:
        """A new EC P-256 key and its certificate, as PEM: ``(key_pem, cert_pem)``.

        ``organization`` holds the groups of a Kubernetes user (``system:masters``); ``ip`` and
        ``dns`` are the names that a server answers to, and are left out of a certificate that is
        for clients only. ``key_pem`` is a key that is there already; the certificate is valid
        only ``after`` a while.
        """
        issuer = x509.load_pem_x509_certificate(self.cert_pem.encode())
        issuer_key = _ec_key(self.key_pem)
        key = _ec_key(key_pem)
        subject = _name(organizations=organization, common_name=common_name)
        builder = _builder(subject, issuer.subject, key.public_key(), AUTHORITY_VALID, -after)
        builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        usages = [
            usage
            for usage, wanted in (
                (ExtendedKeyUsageOID.SERVER_AUTH, server),
                (ExtendedKeyUsageOID.CLIENT_AUTH, client),
            )
            if wanted
        ]
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
        names += [x509.IPAddress(ip_address(address)) for address in ip]
        if server and names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _key_pem(key), _cert_pem(builder.sign(issuer_key, hashes.SHA256()))


def authority(common_name: str) -> CertificateAuthority:
    """A new authority with an EC P-256 key. What it issues cannot issue anything in turn."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name=common_name)
    builder = _builder(name, name, key.public_key(), AUTHORITY_VALID)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(
        _key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True), critical=True
    )
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    return CertificateAuthority(_key_pem(key), _cert_pem(builder.sign(key, hashes.SHA256())))


def signing_certificate(
    algorithm: str,
    common_name: str,
    *,
    organization: str = ORGANIZATION,
    expired: bool = False,
    intermediate: bool = False,
    valid: timedelta = SIGNING_VALID,
) -> tuple[str, str]:
    """A new signing key and its certificate with those above it, as PEM: ``(key_pem, chain_pem)``.

    See :func:`signing_chain`; the subject is that of :func:`signing_subject`.
    """
    subject = signing_subject(common_name, organization)
    return signing_chain(algorithm, subject, expired=expired, intermediate=intermediate, valid=valid)


def signing_chain(
    algorithm: str,
    subject: x509.Name,
    *,
    expired: bool = False,
    intermediate: bool = False,
    valid: timedelta = SIGNING_VALID,
) -> tuple[str, str]:
    """A new key for ``algorithm`` and its chain, as PEM, from leaf to root: ``(key_pem, chain_pem)``.

    The leaf keeps the rules of Notary Project's signature specification for a signing certificate: critical key usage
    with digitalSignature only, extended key usage codeSigning only, not a CA. It is self-signed, leaf and trust root at
    once; with ``intermediate`` an intermediate authority issued it and that a root, whose keys are thrown away.
    One that is ``expired`` has ended a day ago; the authorities above it have not.
    """
    key = _new_key(algorithm)
    age = valid + timedelta(days=1) if expired else timedelta()
    issuer, issuer_key, above = (subject, key, "") if not intermediate else _authorities(subject, valid)
    builder = _builder(subject, issuer, key.public_key(), valid, age)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return _key_pem(key), _cert_pem(builder.sign(issuer_key, hashes.SHA256())) + above


def root_of(chain_pem: str) -> str:
    """The last certificate of a chain, which is what a trust store takes."""
    return _cert_pem(x509.load_pem_x509_certificates(chain_pem.encode())[-1])


def signing_subject(common_name: str, organization: str = ORGANIZATION) -> x509.Name:
    """The subject of a signing certificate."""
    return _name(country="US", state="WA", organizations=[organization], common_name=common_name)


def trusted_identity(subject: x509.Name) -> str:
    """The subject as a trust policy lists it (RFC 4514). Raises UsageError for one that no policy can list.

    Source: trust-store-trust-policy.md, "Trusted Identities Constraints".
    """
    needed = {"C": NameOID.COUNTRY_NAME, "ST": NameOID.STATE_OR_PROVINCE_NAME, "O": NameOID.ORGANIZATION_NAME}
    if lacking := [name for name, oid in needed.items() if not subject.get_attributes_for_oid(oid)]:
        raise UsageError(
            f"The signing certificate's subject, {subject.rfc4514_string() or 'which is empty'}, lacks "
            f"{' and '.join(lacking)}: a trust policy can list only subjects with C, ST and O. Use another certificate."
        )
    return subject.rfc4514_string()


def _authorities(subject: x509.Name, valid: timedelta) -> tuple[x509.Name, PrivateKey, str]:
    """A root and an intermediate authority: the intermediate's name and key, and the certificates of both as PEM.

    Their keys are EC P-256 whatever the leaf has: three keys of RSA 4096 for each signer would take long to make.
    """
    organizations = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    root, intermediate = (
        (_name(organizations=organizations, common_name=f"{ORGANIZATION} {what}"), _new_key("ES256"))
        for what in ("root", "intermediate")
    )

    def certificate(of: tuple[x509.Name, PrivateKey], below: int) -> str:
        builder = _builder(of[0], root[0], of[1].public_key(), valid)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
        builder = builder.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        return _cert_pem(builder.sign(root[1], hashes.SHA256()))

    return *intermediate, certificate(intermediate, 0) + certificate(root, 1)


def _new_key(algorithm: str) -> PrivateKey:
    chosen = ALGORITHMS[algorithm]
    if chosen.kind == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=chosen.bits)
    curves: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
    return ec.generate_private_key(curves[chosen.bits])


def _name(
    *,
    common_name: str,
    organizations: Sequence[str] = (),
    state: str | None = None,
    country: str | None = None,
) -> x509.Name:
    attributes = []
    if country is not None:
        attributes.append(x509.NameAttribute(NameOID.COUNTRY_NAME, country))
    if state is not None:
        attributes.append(x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, state))
    attributes += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    valid: timedelta,
    age: timedelta = timedelta(),
) -> x509.CertificateBuilder:
    """What every certificate here has: names, serial, time, and the subject key identifier."""
    now = datetime.now(UTC) - age
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _ec_key(pem: str | None) -> ec.EllipticCurvePrivateKey:
    """The key in this PEM; a new one if there is none."""
    if pem is None:
        return ec.generate_private_key(ec.SECP256R1())
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _cert_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()

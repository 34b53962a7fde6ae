"""Certificates of a local stack: one to sign images with, and an authority for TLS.

Nothing here is kept: each call makes new keys and returns PEM text, and whoever calls decides
where it goes (files with mode 0600, state as a secret). Signing certificates are self-signed, which
Notary Project accepts as a trust root (signature-specification.md, "Certificate Requirements").
Certificates for production are not made here: those come from a key vault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KeyType = Literal["ec-p256", "rsa-2048"]
"""Kinds of signing key; Notary Project derives ES256 and PS256 from them."""

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
    key_type: KeyType,
    common_name: str,
    *,
    organization: str = ORGANIZATION,
    expired: bool = False,
) -> tuple[str, str]:
    """A new signing key and its self-signed certificate, as PEM: ``(key_pem, chain_pem)``.

    The chain is the one certificate, which is leaf and trust root at once. It keeps the rules of
    Notary Project's signature specification for a signing certificate: critical key usage with
    digitalSignature only, extended key usage codeSigning only, not a CA, and a subject with C, ST,
    O and CN, which a trust policy may name. One that is ``expired`` has ended a day ago.
    """
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if key_type == "ec-p256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = signing_subject(common_name, organization)
    age = SIGNING_VALID + timedelta(days=1) if expired else timedelta()
    builder = _builder(name, name, key.public_key(), SIGNING_VALID, age)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return _key_pem(key), _cert_pem(builder.sign(key, hashes.SHA256()))


def signing_subject(common_name: str, organization: str = ORGANIZATION) -> x509.Name:
    """The subject of a signing certificate."""
    return _name(country="US", state="WA", organizations=[organization], common_name=common_name)


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


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _cert_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()

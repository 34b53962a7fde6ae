"""The signing certificate in Key Vault: made once by the policy that the Notary Project demands, then taken as it is.

It is self-signed, its key never leaves the vault, and it is for signing code alone: the vault's own default would be
for TLS, which verifiers refuse. It is not renewed by itself, because a renewed one is another certificate and what the
old one signed would be refused. One that is there and does not fit is never replaced, for the same reason: what differs
is told. Its subject is the identity that the stack's trust policy lists, so there is one source for both.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from csscgen.artifacts import chains
from csscgen.artifacts.algorithms import kind_of
from csscgen.azure.credentials import RETRIES, Tell, code_of, patiently, told
from infra.settings import Signing
from workloads.algorithms import ALGORITHMS
from workloads.errors import AzureError, UsageError, brief, quoted
from workloads.trust import SUBJECT

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport
    from azure.keyvault.certificates import CertificateClient, CertificatePolicy, KeyVaultCertificate

VALID_MONTHS = 12
LEFT_AT_LEAST = timedelta(days=1)
"""How long a certificate has to be good still: verifiers look at the time of verification."""


@dataclass(frozen=True)
class VaultCertificate:
    """A signing certificate whose key is in a vault."""

    chain: str
    """PEM, from leaf to root: the one certificate, as it is self-signed."""
    key_id: str
    """Address of the key, with its version."""


def ensure(
    shared: Mapping[str, Any],
    signing: Signing,
    credential: TokenCredential,
    *,
    tell: Tell = lambda _: None,
    transport: HttpTransport[Any, Any] | None = None,
) -> VaultCertificate:
    """The signing certificate of a shared stack with these outputs, made if it is not there.

    ``tell`` is told what is awaited; ``transport`` takes the place of the network. Raises UsageError for one that is
    there and does not fit, AzureError if the vault refuses or cannot be reached.
    """
    from azure.core.exceptions import ResourceNotFoundError
    from azure.keyvault.certificates import CertificateClient

    vault, name = str(shared["vault"]["uri"]), str(shared["certificateName"])
    subject = _subject(str(shared["trustedIdentity"]))
    options = {"transport": transport} if transport else {}
    needs = "the role Key Vault Certificates Officer on the vault"
    with (
        CertificateClient(vault, credential, **RETRIES, **options) as client,
        told(f"the certificate {name} in {vault}", needs),
    ):
        try:
            found = patiently(lambda: client.get_certificate(name), f"certificate {name}", tell)
        except ResourceNotFoundError:
            found = _create(client, vault, name, policy(signing, subject), tell)
    if not found.cer:
        raise AzureError(
            f"The certificate {name} in {vault} is still being made, by another command or by one that was cut off. "
            "Wait a minute and start again."
        )
    certificate = x509.load_der_x509_certificate(bytes(found.cer))
    if problems := [*_of_the_vault(found), *_differences(certificate, signing, subject)]:
        raise UsageError(
            f"The certificate {name} in {vault} cannot be what this stack signs with: {'; '.join(problems)}. Set "
            "signing.certificateName to a name that is free, and the program makes one that fits; nothing is replaced."
        )
    return VaultCertificate(certificate.public_bytes(Encoding.PEM).decode(), str(found.key_id))


def policy(signing: Signing, subject: x509.Name) -> CertificatePolicy:
    """What the Notary Project demands of a signing certificate, as Key Vault's policy."""
    from azure.keyvault.certificates import (
        CertificateContentType,
        CertificatePolicy,
        CertificatePolicyAction,
        KeyCurveName,
        KeyType,
        KeyUsageType,
        LifetimeAction,
        WellKnownIssuerNames,
    )

    algorithm = ALGORITHMS[signing.algorithm]
    elliptic = algorithm.kind == "EC"
    return CertificatePolicy(
        issuer_name=WellKnownIssuerNames.self,
        subject=_x500(subject),
        exportable=False,
        key_type=KeyType.ec if elliptic else KeyType.rsa,
        key_size=None if elliptic else algorithm.bits,
        key_curve_name=KeyCurveName(f"P-{algorithm.bits}") if elliptic else None,
        reuse_key=False,
        key_usage=[KeyUsageType.digital_signature],
        enhanced_key_usage=[Usage.CODE_SIGNING.dotted_string],
        content_type=CertificateContentType.pem,
        validity_in_months=VALID_MONTHS,
        lifetime_actions=[LifetimeAction(action=CertificatePolicyAction.email_contacts, days_before_expiry=30)],
    )


def _create(
    client: CertificateClient, vault: str, name: str, policy: CertificatePolicy, tell: Tell
) -> KeyVaultCertificate:
    """Makes a certificate and waits until it is there, telling how long."""
    from azure.core.exceptions import ResourceExistsError
    from azure.keyvault.certificates import KeyVaultCertificate

    what = f"making the certificate {name}"
    try:
        poller = patiently(lambda: client.begin_create_certificate(name, policy), what, tell)
    except ResourceExistsError as error:
        if code_of(error) != "ObjectIsDeletedButRecoverable":
            raise
        here = f"--vault-name {vault.partition('//')[2].partition('.')[0]} --name {name}"
        raise UsageError(
            f"The certificate {name} in {vault} was deleted, and keeps its name until it is purged. `az keyvault "
            f"certificate recover {here}` brings it back, `az keyvault certificate purge {here}` frees its name; or "
            "set signing.certificateName to another name."
        ) from error
    started = time.monotonic()
    tell(what)
    while not poller.done():
        poller.wait(1)
        tell(f"{what}: {poller.status()}, {time.monotonic() - started:.0f} s")
    made = poller.result()
    if isinstance(made, KeyVaultCertificate):
        return made
    reason = getattr(made.error, "message", None) or made.status_details or made.status
    raise AzureError(f"Azure failed at {what} in {vault}: {brief(reason)}. See it in the vault, and start again.")


def _of_the_vault(found: KeyVaultCertificate) -> Iterator[str]:
    if found.properties and found.properties.enabled is False:
        yield "it is disabled"
    if found.policy and found.policy.exportable:
        yield "its key can be exported, and whoever may read secrets has it"


def _differences(certificate: x509.Certificate, signing: Signing, subject: x509.Name) -> Iterator[str]:
    """What a verifier, or the stack's trust policy, would refuse the certificate for."""
    kind, wanted = kind_of(certificate.public_key()), ALGORITHMS[signing.algorithm].key
    if kind != wanted:
        yield f"its key is {kind} and not {wanted} (signing.algorithm {signing.algorithm})"
    if not _attributes(subject) <= _attributes(certificate.subject):
        yield (
            f"its subject is {quoted(certificate.subject.rfc4514_string())} and not "
            f"{quoted(subject.rfc4514_string())} (signing.commonName)"
        )
    if certificate.issuer != certificate.subject:
        yield "it is not self-signed"
    now = datetime.now(UTC)
    if ended := [*chains.validity_problems(certificate, now)]:
        yield from ended
    elif certificate.not_valid_after_utc < now + LEFT_AT_LEAST:
        yield f"it ends on {certificate.not_valid_after_utc:%Y-%m-%d at %H:%M} UTC"
    yield from chains.leaf_problems(certificate)


def _attributes(name: x509.Name) -> set[tuple[str, str]]:
    return {(each.oid.dotted_string, str(each.value)) for each in name}


def _subject(identity: str) -> x509.Name:
    """The subject in an identity of a trust policy, ``x509.subject: CN=…,O=…``."""
    text = identity.removeprefix(SUBJECT).strip()
    try:
        return x509.Name.from_rfc4514_string(re.sub(r"(?<!\\),\s+", ",", text))
    except ValueError:
        raise UsageError(
            f"The shared stack's output trustedIdentity is {quoted(identity)}, which has no subject. Bring the stack "
            "up again with this version."
        ) from None


def _x500(name: x509.Name) -> str:
    """A subject as Key Vault reads one: X.500 text, where a value with punctuation is in quotes."""

    def written(value: str) -> str:
        plain = re.fullmatch(r"[\w./@:()'-]+( [\w./@:()'-]+)*", value, re.ASCII)
        return value if plain else '"' + value.replace('"', '""') + '"'

    return ", ".join(f"{each.rfc4514_attribute_name}={written(str(each.value))}" for each in name)

"""Who signs on this machine: the genuine signer, those whose signatures have to be refused, and what is trusted.

The keys of every shared stack whose registries are not Azure's are made here, in files that only their owner can read,
or the genuine one is there already and named by path: it is never copied, and the state has its path alone. On Azure
the genuine one is in the Key Vault. The trust store has roots, which are the certificates themselves where those are
self-signed; the trust policy lists the genuine leaf's subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
from cryptography import x509

from infra.local.certificates import ORGANIZATION, root_of, signing_subject, trusted_identity
from infra.local.keys import SigningCertificate
from infra.settings import Settings
from infra.settings.registries import Signing
from workloads.errors import UsageError
from workloads.negatives import REFUSED_SIGNERS
from workloads.trust import trust_policy


@dataclass(frozen=True)
class Genuine:
    """The genuine signer's key, chain and trust root."""

    key_file: pulumi.Input[str]
    certificate: pulumi.Input[str]
    root: pulumi.Input[str]


def export(settings: Settings, folder: Path, made: pulumi.Resource) -> None:
    """Makes the keys in ``folder``, which is there once ``made`` is, and exports where they are and what is trusted."""
    signing = settings.signing

    def signer(name: str, subject: x509.Name, expired: bool = False) -> SigningCertificate:
        return SigningCertificate(
            name,
            folder=folder / name,
            algorithm=signing.algorithm,
            subject=subject.rfc4514_string(),
            expired=expired,
            intermediate=signing.intermediate,
            opts=pulumi.ResourceOptions(depends_on=[made]),
        )

    subject = signing_subject(signing.commonName)
    genuine: Genuine | SigningCertificate
    if signing.keyFile and signing.certificateFile:
        subject, genuine = _existing(signing)
    else:
        genuine = signer("signing", subject)
    refused = {
        kind: signer(
            f"signing-{kind}",
            subject if who.has_genuine_name else signing_subject(signing.commonName, f"{ORGANIZATION}-{kind}"),
            who.expired,
        )
        for kind, who in REFUSED_SIGNERS.items()
    }
    trusted = [genuine, *(refused[kind] for kind, who in REFUSED_SIGNERS.items() if who.in_trust_store)]
    pulumi.export("signingKeyFile", genuine.key_file)
    pulumi.export("signingCertificate", genuine.certificate)
    pulumi.export(
        "refusedSigners",
        {kind: {"keyFile": who.key_file, "certificate": who.certificate} for kind, who in refused.items()},
    )
    pulumi.export("trustStore", pulumi.Output.concat(*(who.root for who in trusted)))
    pulumi.export("trustPolicy", trust_policy(trusted_identity(subject)))


def _existing(signing: Signing) -> tuple[x509.Name, Genuine]:
    """The signer whose key is there already, with its subject. Raises UsageError if there is no certificate of it.

    Whether the chain keeps the rules and the key is its leaf's is looked at before anything is signed.
    """
    key, file = (Path(str(named)).expanduser().absolute() for named in (signing.keyFile, signing.certificateFile))
    try:
        chain = file.read_bytes().decode(errors="replace")
        subject = x509.load_pem_x509_certificates(chain.encode())[0].subject
    except OSError as error:
        raise UsageError(
            f"{file}, where the signing certificate is to be, cannot be read: {error.strerror}. Name another in "
            "signing.certificateFile."
        ) from None
    except ValueError:
        raise UsageError(
            f"{file} has no certificate in PEM form. Name one in signing.certificateFile, with those above it."
        ) from None
    return subject, Genuine(str(key), chain, root_of(chain))

"""Who signs on this machine: the genuine signer, those whose signatures have to be refused, and what is trusted.

The keys of every shared stack whose registries are not Azure's are made here, in files that only their owner can read;
on Azure the genuine one is in the Key Vault.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from infra.local import ratify
from infra.local.certificates import ORGANIZATION, signing_subject
from infra.local.keys import SigningCertificate
from infra.settings import Settings
from workloads.negatives import REFUSED_SIGNERS

KEY_TYPES: dict[str, Any] = {"ES256": "ec-p256", "PS256": "rsa-2048"}


def export(settings: Settings, folder: Path, made: pulumi.Resource) -> None:
    """Makes the keys in ``folder``, which is there once ``made`` is, and exports where they are and what is trusted."""
    common_name = settings.signing.commonName

    def signer(name: str, organization: str = ORGANIZATION, expired: bool = False) -> SigningCertificate:
        return SigningCertificate(
            name,
            folder=folder / name,
            key_type=KEY_TYPES[settings.signing.algorithm],
            common_name=common_name,
            organization=organization,
            expired=expired,
            opts=pulumi.ResourceOptions(depends_on=[made]),
        )

    genuine = signer("signing")
    refused = {
        kind: signer(f"signing-{kind}", ORGANIZATION if who.has_genuine_name else f"{ORGANIZATION}-{kind}", who.expired)
        for kind, who in REFUSED_SIGNERS.items()
    }
    trusted = [genuine, *(refused[kind] for kind, who in REFUSED_SIGNERS.items() if who.in_trust_store)]
    pulumi.export("signingKeyFile", genuine.key_file)
    pulumi.export("signingCertificate", genuine.certificate)
    pulumi.export(
        "refusedSigners",
        {kind: {"keyFile": who.key_file, "certificate": who.certificate} for kind, who in refused.items()},
    )
    pulumi.export("trustStore", pulumi.Output.concat(*(who.certificate for who in trusted)))
    pulumi.export("trustPolicy", ratify.trust_policy(signing_subject(common_name).rfc4514_string()))

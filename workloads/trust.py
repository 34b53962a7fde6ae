"""What verifiers are told to trust: the Notary Project's trust policy, and Ratify's verifier that has it.

Source: trust-store-trust-policy.md of the Notary Project's specifications; Ratify 1.4's configuration file.
"""

from __future__ import annotations

from typing import Any

SIGNATURE_TYPE = "application/vnd.cncf.notary.signature"
"""The artifact type of signatures, whatever their envelope."""
STORE = "certs"
"""The name of the trust store."""
SUBJECT = "x509.subject:"
"""What an identity of a trust policy begins with."""


def trust_policy(identity: str) -> dict[str, Any]:
    """The Notary Project trust policy of the stacks: strict, for every repository, trusting one signer.

    ``identity`` is the subject of the signer's certificate (RFC 4514). The trust store may have other certificates.
    """
    return {
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "default",
                "registryScopes": ["*"],
                "signatureVerification": {"level": "strict"},
                "trustStores": [f"ca:{STORE}"],
                "trustedIdentities": [f"{SUBJECT} {identity}"],
            }
        ],
    }


def verifier(certificates: str, policy: dict[str, Any]) -> dict[str, Any]:
    """Ratify's verifier of signatures as its configuration file has it; both envelopes are its to read.

    ``certificates`` is the path of the trust roots.
    """
    return {
        "name": "notation",
        "artifactTypes": SIGNATURE_TYPE,
        "verificationCerts": [certificates],
        "trustPolicyDoc": policy,
    }

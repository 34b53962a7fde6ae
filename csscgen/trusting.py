"""Whom Ratify is to trust when it judges what was seeded: the signer of a stack, or of certificates in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from csscgen.context import Context
from workloads.errors import UsageError
from workloads.trust import SUBJECT, trust_policy

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from csscgen.artifacts.deep import Trust


def of_stack(context: Context, who: TokenCredential | None) -> Trust:
    """What the stack's own Ratify trusts: by its shared stack's outputs, or the certificate in its Key Vault."""
    from csscgen.artifacts.deep import Trust

    shared = context.shared_outputs()
    if who is None:
        return Trust(shared["trustStore"], shared["trustPolicy"])
    from csscgen.azure import certificates

    signing = (context.stack.shared or context.stack).settings.signing
    certificate = certificates.ensure(shared, signing, who, tell=context.progress.update)
    return Trust(root_of(certificate.chain), trust_policy(shared["trustedIdentity"].removeprefix(SUBJECT).strip()))


def of_file(certificate: Path | None) -> Trust:
    """The signer whose certificates are in a file, from leaf to root. Raises UsageError if they cannot be used."""
    from csscgen.artifacts.chains import read
    from csscgen.artifacts.deep import Trust

    if certificate is None:
        raise UsageError("Say whom Ratify is to trust: --certificate FILE with the signer's certificates.")
    try:
        chain = certificate.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"The certificates {certificate} cannot be read: {error.strerror}.") from None
    return Trust(root_of(chain), trust_policy(read(chain)[0].subject.rfc4514_string()))


def root_of(chain: str) -> str:
    """The last certificate of a chain, which trust stores have."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from csscgen.artifacts.chains import read

    return read(chain)[-1].public_bytes(Encoding.PEM).decode()

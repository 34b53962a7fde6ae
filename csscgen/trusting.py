"""Whom Ratify is to trust when it judges what was seeded: the signer of a stack, or of certificates in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from csscgen.context import Context
from workloads.errors import UsageError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from csscgen.artifacts.keys import Trust


def of_stack(context: Context, who: TokenCredential | None) -> Trust:
    """What the stack's own Ratify trusts: by its shared stack's outputs, or the certificate in its Key Vault."""
    from csscgen.artifacts.keys import trust_of_chain, trust_of_stack

    shared, stack = context.shared_outputs(), context.stack.shared or context.stack
    if who is None:
        return trust_of_stack(stack.name, shared)
    from csscgen.azure import certificates

    certificate = certificates.ensure(shared, stack.settings.signing, who, tell=context.progress.update)
    return trust_of_chain(certificate.chain)


def of_file(certificate: Path | None) -> Trust:
    """The signer whose certificates are in a file, from leaf to root. Raises UsageError if they cannot be used."""
    from csscgen.artifacts.keys import trust_of_chain

    if certificate is None:
        raise UsageError("Say whom Ratify is to trust: --certificate FILE with the signer's certificates.")
    return trust_of_chain(chain_in(certificate))


def chain_in(file: Path) -> str:
    """The certificates in a file, as PEM. Raises UsageError if it cannot be read."""
    try:
        return file.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"The certificates {file} cannot be read: {error.strerror}.") from None

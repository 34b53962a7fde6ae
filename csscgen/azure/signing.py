"""Signing with a key that never leaves its Key Vault: a request to it for each signature.

A vault admits so many signatures in ten seconds by each kind of key (workloads/algorithms.py) and answers 429 beyond
that; what is answered so is asked again. Key Vault gets the digest of what is signed and returns r and s side by side,
or PSS: the form that envelopes have.
"""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cryptography.exceptions import InvalidSignature

from csscgen.artifacts.algorithms import verify
from csscgen.artifacts.chains import checked
from csscgen.artifacts.descriptors import Attachment, Descriptor
from csscgen.artifacts.signing import Signatures
from csscgen.azure.certificates import VaultCertificate
from csscgen.azure.credentials import RETRIES, Tell, patiently, told
from workloads.algorithms import EnvelopeName
from workloads.errors import AzureError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport

SHARE = 0.75
"""Of what a vault admits, that is asked for: Ratify reads from it too."""
METHODS = ["GET", "POST"]
"""What is asked again: by itself the SDK leaves a POST that was answered 429 at that, and signing is one."""
PROBE = b"ratify-perf"


class VaultSigner:
    """Signs with the key of a certificate in a vault. A context manager; ``sign`` may be called in several threads.

    A signature is made and verified at once, so that a key that cannot be used, or is of another certificate, is known
    before anything is pushed. ``per_second`` is how many signatures are asked for; None for what its kind of key is
    admitted. Raises AzureError if the vault refuses or cannot be reached.
    """

    remote = True

    def __init__(
        self,
        certificate: VaultCertificate,
        credential: TokenCredential,
        *,
        tell: Tell = lambda _: None,
        transport: HttpTransport[Any, Any] | None = None,
        envelope: EnvelopeName = "jws",
        per_second: float | None = None,
    ) -> None:
        from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm

        self._chain = checked(certificate.chain, at=datetime.now(UTC))
        self._signatures = Signatures(self._chain, envelope)
        self.thumbprints = self._signatures.thumbprints
        self._algorithm = SignatureAlgorithm(self._chain.algorithm.name)
        self._key_id = certificate.key_id
        options = {"transport": transport} if transport else {}
        self._client = CryptographyClient(self._key_id, credential, **RETRIES, **options)
        self._interval = 1 / (per_second or self._chain.algorithm.vault_limit / 10 * SHARE)
        self._turn = threading.Lock()
        self._next = 0.0  # by time.monotonic(): when the next signature may be asked for
        self._prove(tell)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def sign(self, subject: Descriptor, at: datetime, expiry: datetime | None = None) -> Attachment:
        return self._signatures.signed(subject, at, expiry, self._raw)

    def _raw(self, message: bytes) -> bytes:
        with self._told():
            return self._ask(message)

    def _told(self) -> Any:
        return told(f"signing with {self._key_id}", "the role Key Vault Crypto User on the vault")

    def _ask(self, message: bytes) -> bytes:
        self._await_turn()
        digest = hashlib.new(self._chain.algorithm.hash, message).digest()
        return bytes(self._client.sign(self._algorithm, digest, retry_on_methods=METHODS).signature)

    def _await_turn(self) -> None:
        with self._turn:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        time.sleep(turn - now)

    def _prove(self, tell: Tell) -> None:
        with self._told():
            signature = patiently(lambda: self._ask(PROBE), "signing key", tell)
        try:
            verify(self._chain.key, self._chain.algorithm, signature, PROBE)
        except InvalidSignature:
            raise AzureError(
                f"What {self._key_id} signs is not verified by the certificate of the same name. Give "
                "signing.certificateName a name that is free."
            ) from None

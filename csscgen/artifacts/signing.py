"""Who signs images: signatures by the Notary Project's specification, and the signer whose key is in a file.

A signature is the same wherever its key is: :class:`Signatures` makes it with anything that signs bytes. There is no
signer of them for Python, and the notation CLI signs one image per process. The algorithm follows from the key
(csscgen/artifacts/algorithms.py); a chain that verifiers would refuse is refused before anything is signed
(csscgen/artifacts/chains.py).
"""

from __future__ import annotations

import shlex
import stat
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from csscgen import __version__
from csscgen.artifacts import algorithms
from csscgen.artifacts.chains import Chain, checked
from csscgen.artifacts.descriptors import CREATED, Attachment, Content, Descriptor
from csscgen.artifacts.envelopes import FORMS, KEPT, Envelope, Sign, rfc3339
from workloads.algorithms import SUPPORTED_KEYS, EnvelopeName
from workloads.errors import UsageError
from workloads.trust import SIGNATURE_TYPE as SIGNATURE_TYPE

THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"


class Signer(Protocol):
    """Whoever can sign an image; the key may be anywhere."""

    @property
    def remote(self) -> bool:
        """Whether another machine is asked for each signature, so that signing is nothing for an event loop."""

    @property
    def thumbprints(self) -> str:
        """How the manifests of its signatures name its certificates: the value of their annotation THUMBPRINTS."""

    def sign(self, subject: Descriptor, at: datetime, expiry: datetime | None = None) -> Attachment:
        """Sign the image manifest ``subject``, with ``at`` (aware, to the second) as its time.

        ``expiry``, after ``at``, is when the signature ends to be good; None for never.
        """


class Signatures:
    """The signatures of one certificate, made with whatever signs bytes by its key. It may be used in several threads.

    ``chain`` is the certificate and those above it.
    """

    def __init__(self, chain: Chain, envelope: EnvelopeName = "jws") -> None:
        self._envelope: Envelope = FORMS[envelope](chain.algorithm, chain.der, f"csscgen/{__version__}")
        thumbprints = [certificate.fingerprint(hashes.SHA256()).hex() for certificate in chain.certificates]
        self.thumbprints = orjson.dumps(thumbprints).decode()
        self._annotations = lru_cache(KEPT)(lambda at: {THUMBPRINTS: self.thumbprints, CREATED: rfc3339(at)})

    def signed(self, subject: Descriptor, at: datetime, expiry: datetime | None, sign: Sign) -> Attachment:
        """A signature of ``subject``."""
        time = int(at.timestamp())
        data = self._envelope.sealed(subject, time, int(expiry.timestamp()) if expiry else None, sign)
        return Attachment(SIGNATURE_TYPE, Content.of(self._envelope.media_type, data), subject, self._annotations(time))


class LocalSigner:
    """Signs with a private key that is held in memory. The key appears in no message of it.

    ``key_pem`` is an unencrypted private key, ``chain_pem`` its certificate and those above it, from leaf to root.
    ``expired`` says that they may have ended, as those of images that have to be refused.

    Raises UsageError if they cannot be read, break a rule for what signs, or do not belong together.
    """

    remote = False

    def __init__(self, key_pem: str, chain_pem: str, *, envelope: EnvelopeName = "jws", expired: bool = False) -> None:
        key = private_key(key_pem)
        chain = checked(chain_pem, at=None if expired else datetime.now(UTC))
        if chain.key != key.public_key():
            raise UsageError(
                "The signing key does not belong to the first certificate of the chain. "
                "Give the private key of that certificate, and the chain from leaf to root."
            )
        self._signatures = Signatures(chain, envelope)
        self.thumbprints = self._signatures.thumbprints
        self._sign = algorithms.signing(key, chain.algorithm)

    def sign(self, subject: Descriptor, at: datetime, expiry: datetime | None = None) -> Attachment:
        return self._signatures.signed(subject, at, expiry, self._sign)


def private_key(pem: str) -> algorithms.PrivateKey:
    """The private key in ``pem``. Raises UsageError if it cannot be read, or is of a kind that is not supported."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise UsageError(
            "The signing key is encrypted. Give one that is not, such as `openssl pkey -in KEY -out FILE` writes."
        ) from None
    except (ValueError, UnsupportedAlgorithm):  # what they say may quote the key
        raise UsageError("The signing key cannot be read. Give an unencrypted private key in PEM form.") from None
    public = key.public_key()
    if algorithms.algorithm_of(public) is None:
        raise UsageError(
            f"The signing key is {algorithms.kind_of(public)}, and signatures are made with {SUPPORTED_KEYS}."
        )
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key


def read_key(file: Path) -> str:
    """The private key in ``file``, as PEM. Raises UsageError if it cannot be read, or others may read it.

    What others can read is nobody's key: a warning would be lost among the lines of a seeding, and ssh refuses too.
    """
    try:
        mode = file.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(
                f"Others may read or change the signing key {file} (mode {stat.S_IMODE(mode):04o}). `chmod 600 "
                f"{shlex.quote(str(file))}` keeps it to you."
            )
        return file.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UsageError(
            f"The signing key {file} cannot be read: {error.strerror}. Name a file that is there and is yours."
        ) from None

"""Notation signatures: JWS envelopes and what attaches them to an image.

An envelope is the same wherever its key is: :class:`Envelopes` makes it with anything that signs bytes. The formats are
those of the Notary Project specifications, signature-envelope-jws.md and signature-specification.md; the algorithm
follows from the key and cannot be chosen, because verifiers derive it from the certificate. There is no signer of them
for Python, and the notation CLI signs one image per process. Made here are ES256 (EC P-256) and PS256 (RSA 2048); other
keys are refused, as is a chain that does not belong together: verifiers would refuse it for every image, after
everything was pushed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, Protocol

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from csscgen import __version__
from csscgen.artifacts.descriptors import Attachment, Content, Descriptor
from workloads.errors import UsageError

SIGNATURE_TYPE = "application/vnd.cncf.notary.signature"
ENVELOPE_TYPE = "application/jose+json"
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
SCHEME = "io.cncf.notary.signingScheme"
SIGNING_TIME = "io.cncf.notary.signingTime"
SIGNING_AGENT = "io.cncf.notary.signingAgent"
EXPIRY = "io.cncf.notary.expiry"
CREATED = "org.opencontainers.image.created"
THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"

Algorithm = Literal["ES256", "PS256"]


class Signer(Protocol):
    """Whoever can sign an image; the key may be anywhere."""

    @property
    def remote(self) -> bool:
        """Whether another machine is asked for each signature, so that signing is nothing for an event loop."""

    def sign(self, subject: Descriptor, at: datetime, expiry: datetime | None = None) -> Attachment:
        """Sign the image manifest ``subject``, with ``at`` (aware, to the second) as its time.

        ``expiry``, after ``at``, is when the signature ends to be good; None for never.
        """


class Envelopes:
    """Makes the signatures of one certificate, with whatever signs bytes by its key.

    ``chain_pem`` is the certificate and those above it, from leaf to root; a self-signed certificate is a chain of one.
    Raises UsageError if it cannot be read, does not belong together, or is of a key that is not supported.
    """

    def __init__(self, chain_pem: str) -> None:
        chain = _chain(chain_pem)
        self.public_key = supported(chain[0].public_key())
        self.algorithm: Algorithm = "ES256" if isinstance(self.public_key, ec.EllipticCurvePublicKey) else "PS256"
        self._x5c = [
            base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode() for certificate in chain
        ]
        self._thumbprints = orjson.dumps(
            [certificate.fingerprint(hashes.SHA256()).hex() for certificate in chain]
        ).decode()

    def signed(
        self, subject: Descriptor, at: datetime, expiry: datetime | None, raw: Callable[[bytes], bytes]
    ) -> Attachment:
        """A signature of ``subject``; ``raw`` signs bytes in the form of RFC 7518 (r and s side by side, or PSS)."""
        time = rfc3339(at)
        envelope = Content.of(ENVELOPE_TYPE, self._envelope(subject, time, expiry, raw))
        annotations = {THUMBPRINTS: self._thumbprints, CREATED: time}
        return Attachment(SIGNATURE_TYPE, envelope, subject, annotations)

    def _envelope(
        self, subject: Descriptor, time: str, expiry: datetime | None, raw: Callable[[bytes], bytes]
    ) -> bytes:
        """The JWS in flattened JSON form (RFC 7515, 7.2.2). An expiry has to be critical."""
        end = {EXPIRY: rfc3339(expiry)} if expiry else {}
        protected = {
            "alg": self.algorithm,
            "cty": PAYLOAD_TYPE,
            "crit": [SCHEME, *end],
            SCHEME: "notary.x509",
            SIGNING_TIME: time,
            **end,
        }
        signed = _base64url(orjson.dumps(protected))
        payload = _base64url(orjson.dumps({"targetArtifact": subject.as_json()}))
        return orjson.dumps(
            {
                "payload": payload,
                "protected": signed,
                "header": {"x5c": self._x5c, SIGNING_AGENT: f"csscgen/{__version__}"},
                "signature": _base64url(raw(f"{signed}.{payload}".encode())),
            }
        )


class LocalSigner:
    """Signs with a private key that is held in memory. The key appears in no message of it.

    ``key_pem`` is an unencrypted private key, ``chain_pem`` its certificate and those above it, see
    :class:`Envelopes`. Raises UsageError if they cannot be read, are of a kind that is not supported, or do not belong
    together.
    """

    remote = False

    def __init__(self, key_pem: str, chain_pem: str) -> None:
        self._key = _private_key(key_pem)
        self._envelopes = Envelopes(chain_pem)
        if self._envelopes.public_key != self._key.public_key():
            raise UsageError(
                "The signing key does not belong to the first certificate of the chain. "
                "Give the private key of that certificate, and the chain from leaf to root."
            )

    def sign(self, subject: Descriptor, at: datetime, expiry: datetime | None = None) -> Attachment:
        return self._envelopes.signed(subject, at, expiry, self._raw)

    def _raw(self, message: bytes) -> bytes:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self._key.sign(message, pss(), hashes.SHA256())


def pss() -> padding.PSS:
    """The padding of PS256: its salt is as long as the hash."""
    return padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


def supported(key: object) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """A public key that signatures can be made with. Raises UsageError for any other."""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size == 2048:
        return key
    raise UsageError("The signing key is of a kind that is not supported. Use EC P-256 or RSA 2048.")


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):  # what they say may quote the key
        raise UsageError("The signing key cannot be read. Give an unencrypted private key in PEM form.") from None
    supported(key.public_key())
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key


def _chain(pem: str) -> list[x509.Certificate]:
    """The certificates, from leaf to root, each signed by the next and the last by itself."""
    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise UsageError("The certificate chain cannot be read. Give one or more certificates in PEM form.") from error
    for certificate, issuer in zip(chain, [*chain[1:], chain[-1]], strict=True):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise UsageError(
                f"The certificate of {certificate.subject.rfc4514_string()} was not issued by the "
                "next one of the chain. Give the whole chain, from leaf to self-signed root."
            ) from error
    return chain


def rfc3339(at: datetime) -> str:
    """In UTC without a fraction, which verifiers refuse."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

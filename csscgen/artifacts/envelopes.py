"""Signature envelopes of the Notary Project: JWS in flattened JSON form, and COSE_Sign1.

Sources: signature-envelope-jws.md (RFC 7515, 7.2.2) and signature-envelope-cose.md (RFC 9052, 4.2) of the Notary
Project's specifications. An envelope is made of pieces that are joined: what is of a certificate, of a second of
signing time and of an image is made once, because a test may need a hundred thousand signatures.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

import cbor2
import orjson

from csscgen.artifacts.descriptors import Descriptor
from workloads.algorithms import Algorithm, EnvelopeName

PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
SCHEME = "io.cncf.notary.signingScheme"
SIGNING_TIME = "io.cncf.notary.signingTime"
SIGNING_AGENT = "io.cncf.notary.signingAgent"
EXPIRY = "io.cncf.notary.expiry"
X509 = "notary.x509"
"""The signing scheme."""
KEPT = 256
"""How many images and seconds are remembered: signatures of an image are made one after the other."""

Sign = Callable[[bytes], bytes]
"""Signs bytes, in the form of RFC 7518: r and s side by side, or PSS."""


class Envelope(Protocol):
    """Makes the envelopes of one certificate. It may be called in several threads."""

    media_type: str

    def sealed(self, subject: Descriptor, at: int, expiry: int | None, sign: Sign) -> bytes:
        """The envelope of a signature of ``subject``, made ``at`` a time and good until ``expiry``: both in seconds
        since 1970; None for without end."""


class Jws:
    """JSON Web Signature."""

    media_type = "application/jose+json"

    def __init__(self, algorithm: Algorithm, chain: Sequence[bytes], agent: str) -> None:
        header = {"x5c": [base64.b64encode(der).decode() for der in chain], SIGNING_AGENT: agent}
        self._header = b'","header":' + orjson.dumps(header) + b',"signature":"'
        self._protected = lru_cache(KEPT)(
            lambda at, expiry: _base64url(orjson.dumps(_protected(algorithm, at, expiry)))
        )

    def sealed(self, subject: Descriptor, at: int, expiry: int | None, sign: Sign) -> bytes:
        protected, payload = self._protected(at, expiry), _encoded_payload(subject)
        signature = _base64url(sign(protected + b"." + payload))
        # Nothing in it has to be escaped: it is base64 throughout.
        return b"".join((b'{"payload":"', payload, b'","protected":"', protected, self._header, signature, b'"}'))


def _protected(algorithm: Algorithm, at: int, expiry: int | None) -> dict[str, object]:
    """An expiry has to be critical."""
    end = {} if expiry is None else {EXPIRY: rfc3339(expiry)}
    return {
        "alg": algorithm.name,
        "cty": PAYLOAD_TYPE,
        "crit": [SCHEME, *end],
        SCHEME: X509,
        SIGNING_TIME: rfc3339(at),
        **end,
    }


class Cose:
    """CBOR Object Signing and Encryption, COSE_Sign1_Tagged."""

    media_type = "application/cose"
    _TAGGED_ARRAY_OF_4 = b"\xd2\x84"
    _SIG_STRUCTURE = b"\x84" + cbor2.dumps("Signature1")
    _NO_EXTERNAL_DATA = cbor2.dumps(b"")

    def __init__(self, algorithm: Algorithm, chain: Sequence[bytes], agent: str) -> None:
        self._unprotected = cbor2.dumps({33: list(chain), SIGNING_AGENT: agent})  # 33 is x5chain, RFC 9360
        self._protected = lru_cache(KEPT)(
            lambda at, expiry: cbor2.dumps(cbor2.dumps(_protected_map(algorithm, at, expiry)))
        )

    def sealed(self, subject: Descriptor, at: int, expiry: int | None, sign: Sign) -> bytes:
        protected, payload = self._protected(at, expiry), _packed_payload(subject)
        signature = sign(b"".join((self._SIG_STRUCTURE, protected, self._NO_EXTERNAL_DATA, payload)))
        return b"".join((self._TAGGED_ARRAY_OF_4, protected, self._unprotected, payload, cbor2.dumps(signature)))


def _protected_map(algorithm: Algorithm, at: int, expiry: int | None) -> dict[int | str, object]:
    """Labels 1, 2 and 3 are alg, crit and content type; times are of tag 1, seconds since 1970."""
    end: dict[int | str, object] = {} if expiry is None else {EXPIRY: cbor2.CBORTag(1, expiry)}
    return {
        1: algorithm.cose,
        2: [SCHEME, *end],
        3: PAYLOAD_TYPE,
        SCHEME: X509,
        SIGNING_TIME: cbor2.CBORTag(1, at),
        **end,
    }


FORMS: dict[EnvelopeName, type[Jws] | type[Cose]] = {"jws": Jws, "cose": Cose}


def _payload(subject: Descriptor) -> bytes:
    return orjson.dumps({"targetArtifact": subject.as_json()})


@lru_cache(KEPT)
def _encoded_payload(subject: Descriptor) -> bytes:
    return _base64url(_payload(subject))


@lru_cache(KEPT)
def _packed_payload(subject: Descriptor) -> bytes:
    return cbor2.dumps(_payload(subject))


def tampered(envelope: bytes) -> bytes:
    """A well-formed envelope, of either form, with another first byte of its signature: verifiers have to refuse it."""
    if envelope.startswith(b"{"):
        document = orjson.loads(envelope)
        signature = document["signature"]
        document["signature"] = ("B" if signature[0] == "A" else "A") + signature[1:]
        return orjson.dumps(document)
    message = cbor2.loads(envelope)
    *parts, signed = message.value
    return cbor2.dumps(cbor2.CBORTag(message.tag, [*parts, bytes([signed[0] ^ 1]) + signed[1:]]))


def rfc3339(at: int) -> str:
    """A time in UTC without a fraction, which verifiers refuse."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")

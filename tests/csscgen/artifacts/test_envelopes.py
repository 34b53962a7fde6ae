"""The two forms of envelope, field for field as the Notary Project's specifications have them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from csscgen.artifacts.algorithms import algorithm_of, verify
from csscgen.artifacts.descriptors import IMAGE_MANIFEST, Descriptor
from csscgen.artifacts.envelopes import tampered
from csscgen.artifacts.signing import LocalSigner
from infra.local.certificates import signing_certificate
from workloads.algorithms import ALGORITHMS

SUBJECT = Descriptor(IMAGE_MANIFEST, "sha256:" + "ab" * 32, 742)
AT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=timezone(timedelta(hours=1)))
EXPIRY = AT + timedelta(days=1)
PAYLOAD = {"targetArtifact": {"mediaType": IMAGE_MANIFEST, "digest": SUBJECT.digest, "size": 742}}
CTY = "application/vnd.cncf.notary.payload.v1+json"
COSE_NUMBERS = {"ES256": -7, "ES384": -35, "ES512": -36, "PS256": -37, "PS384": -38, "PS512": -39}
KEYS = {name: signing_certificate(name, "a test", intermediate=True) for name in ALGORITHMS}


def decode(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def ders(name: str) -> list[bytes]:
    chain = x509.load_pem_x509_certificates(KEYS[name][1].encode())
    assert len(chain) == 3
    return [certificate.public_bytes(Encoding.DER) for certificate in chain]


def check(name: str, signature: bytes, message: bytes) -> None:
    key: Any = x509.load_der_x509_certificate(ders(name)[0]).public_key()
    algorithm = algorithm_of(key)
    assert algorithm and algorithm.name == name
    assert len(signature) == {"ES256": 64, "ES384": 96, "ES512": 132}.get(name, algorithm.bits // 8)
    verify(key, algorithm, signature, message)
    with pytest.raises(InvalidSignature):
        verify(key, algorithm, signature, message + b".")


@pytest.mark.parametrize("expiry", [None, EXPIRY])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_jws_is_flattened_json_with_the_fields_of_the_specification(name, expiry):
    made = LocalSigner(*KEYS[name], envelope="jws").sign(SUBJECT, AT, expiry)
    assert made.blob.descriptor.media_type == "application/jose+json"
    envelope = json.loads(made.blob.data)
    assert set(envelope) == {"payload", "protected", "header", "signature"}
    assert json.loads(decode(envelope["payload"])) == PAYLOAD
    end = {"io.cncf.notary.expiry": "2026-02-04T03:05:06Z"} if expiry else {}
    assert json.loads(decode(envelope["protected"])) == {
        "alg": name,
        "cty": CTY,
        "crit": ["io.cncf.notary.signingScheme", *end],
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": "2026-02-03T03:05:06Z",
        **end,
    }
    assert set(envelope["header"]) == {"x5c", "io.cncf.notary.signingAgent"}
    assert envelope["header"]["io.cncf.notary.signingAgent"].startswith("csscgen/")
    assert [base64.b64decode(each, validate=True) for each in envelope["header"]["x5c"]] == ders(name)
    check(name, decode(envelope["signature"]), f"{envelope['protected']}.{envelope['payload']}".encode())


@pytest.mark.parametrize("expiry", [None, EXPIRY])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_cose_envelope_is_a_tagged_sign1_with_the_fields_of_the_specification(name, expiry):
    made = LocalSigner(*KEYS[name], envelope="cose").sign(SUBJECT, AT, expiry)
    assert made.blob.descriptor.media_type == "application/cose"
    protected, unprotected, payload, signature = parts(made.blob.data)
    assert json.loads(payload) == PAYLOAD
    seconds = int(AT.timestamp())
    end = {"io.cncf.notary.expiry": when(seconds + 86_400)} if expiry else {}
    expected: dict[Any, Any] = {
        1: COSE_NUMBERS[name],
        2: ["io.cncf.notary.signingScheme", *end],
        3: CTY,
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": when(seconds),
        **end,
    }
    assert cbor2.loads(protected) == expected
    # Times are whole numbers of tag 1: nothing else is read.
    assert cbor2.dumps(cbor2.CBORTag(1, seconds)) in protected
    assert unprotected.keys() == {33, "io.cncf.notary.signingAgent"}
    assert list(unprotected[33]) == ders(name)
    assert unprotected["io.cncf.notary.signingAgent"].startswith("csscgen/")
    check(name, signature, cbor2.dumps(["Signature1", protected, b"", payload]))


def when(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def parts(envelope: bytes) -> list[Any]:
    message = cbor2.loads(envelope)
    assert message.tag == 18 and len(message.value) == 4
    assert cbor2.dumps(cbor2.CBORTag(18, list(message.value))) == envelope  # nothing in it that need not be
    return list(message.value)


@pytest.mark.parametrize("envelope", ["jws", "cose"])
def test_pieces_that_are_kept_are_those_of_the_image_and_the_time(envelope):
    signer = LocalSigner(*KEYS["ES256"], envelope=envelope)
    images = [SUBJECT, Descriptor(IMAGE_MANIFEST, "sha256:" + "cd" * 32, 743)]
    times = [AT, AT + timedelta(seconds=1)]
    seen = set()
    for image in images:
        for at in times:
            for expiry in (None, EXPIRY):
                made = signer.sign(image, at, expiry)
                data = made.blob.data
                if envelope == "jws":
                    document = json.loads(data)
                    payload, protected = decode(document["payload"]), decode(document["protected"])
                    check(
                        "ES256",
                        decode(document["signature"]),
                        f"{document['protected']}.{document['payload']}".encode(),
                    )
                else:
                    protected, _, payload, signature = parts(data)
                    check("ES256", signature, cbor2.dumps(["Signature1", protected, b"", payload]))
                assert json.loads(payload)["targetArtifact"]["digest"] == image.digest
                seen.add((payload, protected))
                created = json.loads(made.manifest.data)["annotations"]["org.opencontainers.image.created"]
                assert datetime.fromisoformat(created) == at.replace(microsecond=0)
    assert len(seen) == 8


@pytest.mark.parametrize("envelope", ["jws", "cose"])
def test_a_tampered_envelope_differs_in_its_signature_alone(envelope):
    genuine = LocalSigner(*KEYS["ES256"], envelope=envelope).sign(SUBJECT, AT, EXPIRY).blob.data
    changed = tampered(genuine)
    if envelope == "jws":
        one, two = json.loads(genuine), json.loads(changed)
        signatures = [decode(one.pop("signature")), decode(two.pop("signature"))]
    else:
        *one, first = parts(genuine)
        *two, second = parts(changed)
        signatures = [first, second]
    assert one == two
    assert len(genuine) == len(changed)
    assert signatures[0] != signatures[1] and signatures[0][1:] == signatures[1][1:]

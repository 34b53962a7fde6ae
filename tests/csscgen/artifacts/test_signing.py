from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from csscgen.artifacts.descriptors import IMAGE_MANIFEST, Descriptor
from csscgen.artifacts.signing import LocalSigner
from infra.local.certificates import authority, signing_certificate
from workloads.errors import UsageError

SUBJECT = Descriptor(IMAGE_MANIFEST, "sha256:" + "ab" * 32, 742)
AT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(("envelope", "media_type"), [("jws", "application/jose+json"), ("cose", "application/cose")])
@pytest.mark.parametrize("intermediate", [False, True])
def test_the_manifest_attaches_the_envelope_to_the_image(envelope, media_type, intermediate):
    key, chain = signing_certificate("ES256", "a test", intermediate=intermediate)
    signature = LocalSigner(key, chain, envelope=envelope).sign(SUBJECT, AT)
    data = signature.blob.data
    certificates = x509.load_pem_x509_certificates(chain.encode())
    assert json.loads(signature.manifest.data) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.cncf.notary.signature",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}",
            "size": 2,
        },
        "layers": [
            {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
        ],
        "subject": SUBJECT.as_json(),
        "annotations": {
            "io.cncf.notary.x509chain.thumbprint#S256": json.dumps(
                [each.fingerprint(hashes.SHA256()).hex() for each in certificates], separators=(",", ":")
            ),
            "org.opencontainers.image.created": "2026-02-03T03:05:06Z",
        },
    }


def test_two_signatures_differ_in_nothing_but_the_signature():
    signer = LocalSigner(*signing_certificate("ES256", "a test"))
    one, two = (json.loads(signer.sign(SUBJECT, AT).blob.data) for _ in range(2))
    assert one.pop("signature") != two.pop("signature")
    assert one == two


def test_a_chain_goes_into_the_envelope_from_leaf_to_root():
    root = authority("a root")
    key, leaf = root.issue("a leaf", server=False, client=False)
    envelope = json.loads(LocalSigner(key, leaf + root.cert_pem).sign(SUBJECT, AT).blob.data)
    names = [
        x509.load_der_x509_certificate(base64.b64decode(each)).subject.rfc4514_string()
        for each in envelope["header"]["x5c"]
    ]
    assert names == ["CN=a leaf", "CN=a root"]


def test_a_key_of_another_certificate_is_refused():
    key, _ = signing_certificate("ES256", "one")
    _, chain = signing_certificate("ES256", "two")
    with pytest.raises(UsageError, match="does not belong to the first certificate"):
        LocalSigner(key, chain)


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP256K1()])
def test_a_kind_of_key_that_is_not_supported_is_refused(curve):
    pem = ec.generate_private_key(curve).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(UsageError, match="The signing key is EC secp.*, and signatures are made with EC P-256"):
        LocalSigner(pem.decode(), "")


def test_what_is_not_a_key_is_refused_without_quoting_it():
    with pytest.raises(UsageError) as caught:
        LocalSigner("hunter2", "")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_is_not_a_certificate_is_refused():
    key, _ = signing_certificate("ES256", "one")
    with pytest.raises(UsageError, match="chain cannot be read"):
        LocalSigner(key, "")

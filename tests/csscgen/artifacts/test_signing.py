from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from csscgen.artifacts.descriptors import IMAGE_MANIFEST, Descriptor
from csscgen.artifacts.signing import LocalSigner
from infra.local.certificates import authority, signing_certificate
from workloads.errors import UsageError

SUBJECT = Descriptor(IMAGE_MANIFEST, "sha256:" + "ab" * 32, 742)
AT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=timezone(timedelta(hours=1)))


def decode(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture(scope="module", params=["ES256", "PS256"])
def signed(request):
    """(chain PEM, envelope, manifest) of one signature with each kind of key."""
    key, chain = signing_certificate(request.param, "a test")
    signature = LocalSigner(key, chain).sign(SUBJECT, AT)
    return chain, signature, json.loads(signature.blob.data)


def test_the_signature_verifies_with_the_certificate_in_the_envelope(signed):
    _, _, envelope = signed
    leaf = x509.load_der_x509_certificate(base64.b64decode(envelope["header"]["x5c"][0]))
    raw = decode(envelope["signature"])
    message = f"{envelope['protected']}.{envelope['payload']}".encode()
    key = leaf.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert len(raw) == 64
        der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        key.verify(der, message, ec.ECDSA(hashes.SHA256()))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        key.verify(raw, message, pss, hashes.SHA256())


def test_the_algorithm_follows_from_the_key(signed):
    chain, _, envelope = signed
    key = x509.load_pem_x509_certificate(chain.encode()).public_key()
    expected = "ES256" if isinstance(key, ec.EllipticCurvePublicKey) else "PS256"
    assert json.loads(decode(envelope["protected"]))["alg"] == expected


def test_the_envelope_has_what_the_specification_requires_and_no_more(signed):
    chain, _, envelope = signed
    assert set(envelope) == {"payload", "protected", "header", "signature"}
    assert json.loads(decode(envelope["payload"])) == {
        "targetArtifact": {
            "mediaType": SUBJECT.media_type,
            "digest": SUBJECT.digest,
            "size": SUBJECT.size,
        }
    }
    protected = json.loads(decode(envelope["protected"]))
    assert protected.pop("alg")
    assert protected == {
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "crit": ["io.cncf.notary.signingScheme"],
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": "2026-02-03T03:05:06Z",
    }
    assert envelope["header"]["io.cncf.notary.signingAgent"].startswith("csscgen/")
    der = x509.load_pem_x509_certificate(chain.encode()).public_bytes(serialization.Encoding.DER)
    assert [base64.b64decode(each) for each in envelope["header"]["x5c"]] == [der]


def test_the_manifest_attaches_the_envelope_to_the_image(signed):
    chain, signature, _ = signed
    manifest = json.loads(signature.manifest.data)
    data = signature.blob.data
    assert manifest["artifactType"] == "application/vnd.cncf.notary.signature"
    assert manifest["subject"]["digest"] == SUBJECT.digest
    assert manifest["config"]["digest"] == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    assert manifest["layers"] == [
        {
            "mediaType": "application/jose+json",
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "size": len(data),
        }
    ]
    thumbprints = manifest["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"]
    leaf = x509.load_pem_x509_certificate(chain.encode())
    assert json.loads(thumbprints) == [leaf.fingerprint(hashes.SHA256()).hex()]


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


def test_a_chain_without_its_root_is_refused():
    key, leaf = authority("a root").issue("a leaf")
    with pytest.raises(UsageError, match="was issued by 'CN=a root', so the chain lacks its self-signed root"):
        LocalSigner(key, leaf)


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


def test_the_time_is_written_in_utc_to_the_second(signed):
    _, signature, _ = signed
    created = json.loads(signature.manifest.data)["annotations"]["org.opencontainers.image.created"]
    assert datetime.fromisoformat(created) == AT.astimezone(UTC).replace(microsecond=0)

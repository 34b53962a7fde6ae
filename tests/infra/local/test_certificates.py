from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.local.certificates import CertificateAuthority, authority, signing_certificate, signing_subject


def load(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


@pytest.mark.parametrize("key_type", ["ES256", "PS256"])
def test_a_signing_certificate_keeps_the_rules_of_notary_project(key_type):
    key_pem, chain_pem = signing_certificate(key_type, "a load test")
    certificate = load(chain_pem)
    key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    assert key.public_key() == certificate.public_key()
    certificate.verify_directly_issued_by(certificate)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign and not usage.value.key_encipherment
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.CODE_SIGNING]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.subject.rfc4514_string() == "CN=a load test,O=ratify-perf,ST=WA,C=US"


def test_an_expired_certificate_has_the_same_subject_and_was_good_for_as_long():
    now = datetime.now(UTC)
    good, ended = (load(signing_certificate("ES256", "me", expired=expired)[1]) for expired in (False, True))
    assert good.subject == ended.subject == signing_subject("me")
    assert good.not_valid_before_utc < now < good.not_valid_after_utc
    assert timedelta(hours=23) < now - ended.not_valid_after_utc < timedelta(hours=25)
    lives = [each.not_valid_after_utc - each.not_valid_before_utc for each in (good, ended)]
    assert abs(lives[0] - lives[1]) < timedelta(seconds=2)


def test_another_organization_is_another_subject():
    _, chain = signing_certificate("ES256", "me", organization="others")
    assert load(chain).subject == signing_subject("me", "others") != signing_subject("me")


def test_an_authority_issues_certificates_that_a_tls_stack_trusts(tmp_path):
    root = authority("a control plane")
    key_pem, cert_pem = root.issue("a server")
    (tmp_path / "key.pem").write_text(key_pem)
    (tmp_path / "cert.pem").write_text(cert_pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.load_verify_locations(cadata=root.cert_pem)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cadata=root.cert_pem)
    client.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    handshake(server, client, "127.0.0.1")
    handshake(server, client, "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "127.0.0.2")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Both sides of a TLS connection in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


def test_a_certificate_names_groups_hosts_and_uses():
    root = authority("an authority")
    _, pem = root.issue(
        "a user",
        organization=["system:masters", "others"],
        ip=["127.0.0.1", "10.0.0.1"],
        dns=["localhost", "kubernetes.default.svc"],
        client=False,
    )
    certificate = load(pem)
    groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [group.value for group in groups] == ["system:masters", "others"]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "kubernetes.default.svc"]
    addresses = [ip_address("127.0.0.1"), ip_address("10.0.0.1")]
    assert names.get_values_for_type(x509.IPAddress) == addresses
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_client_s_certificate_names_no_host():
    _, pem = authority("an authority").issue("a client", server=False)
    with pytest.raises(x509.ExtensionNotFound):
        load(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_an_issued_certificate_points_at_the_key_that_signed_it():
    root = authority("an authority")
    issuer, certificate = load(root.cert_pem), load(root.issue("a server")[1])
    certificate.verify_directly_issued_by(issuer)
    key = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    pointer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert pointer.key_identifier == key


def test_certificates_are_backdated_and_end_after_thirty_days():
    certificate = load(authority("an authority").issue("a server")[1])
    now = datetime.now(UTC)
    assert timedelta(minutes=4) < now - certificate.not_valid_before_utc < timedelta(minutes=6)
    assert timedelta(days=29) < certificate.not_valid_after_utc - now <= timedelta(days=30)


def test_an_authority_can_be_kept_as_text_and_never_shows_its_key():
    root = authority("an authority")
    again = CertificateAuthority(root.key_pem, root.cert_pem)
    load(again.issue("a server")[1]).verify_directly_issued_by(load(root.cert_pem))
    assert "PRIVATE" not in repr(again)

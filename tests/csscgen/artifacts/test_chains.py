"""What verifiers would refuse a chain for is told before anything is signed, in one clear message each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from csscgen.artifacts.chains import checked
from csscgen.artifacts.signing import LocalSigner, read_key
from infra.local.certificates import signing_certificate, signing_subject
from tests.csscgen.azure.vaults import key_usage
from workloads.algorithms import ALGORITHMS
from workloads.errors import UsageError

NOW = datetime.now(UTC)


@dataclass
class Made:
    """A certificate to be, which keeps the rules but for what is changed."""

    name: str
    ca: bool = False
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    usage: list[str] | None = None
    critical: bool = True
    extended: list[Any] = field(default_factory=list)
    constraints: x509.BasicConstraints | None = None
    constraints_critical: bool = True
    begin: timedelta = timedelta(days=-1)
    end: timedelta = timedelta(days=30)

    def issued_by(self, issuer: Made) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(signing_subject(self.name))
            .issuer_name(signing_subject(issuer.name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + self.begin)
            .not_valid_after(NOW + self.end)
        )
        usage = (["keyCertSign"] if self.ca else ["digitalSignature"]) if self.usage is None else self.usage
        if usage:
            builder = builder.add_extension(key_usage(usage), critical=self.critical)
        constraints = self.constraints or x509.BasicConstraints(ca=self.ca, path_length=None)
        builder = builder.add_extension(constraints, critical=self.constraints_critical)
        if self.extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.extended), critical=False)
        return builder.sign(issuer.key, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> str:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates).decode()


def chain(**changed: Made) -> list[x509.Certificate]:
    leaf, between, root = (
        changed.get("leaf") or Made("leaf"),
        changed.get("between") or Made("between", ca=True),
        changed.get("root") or Made("root", ca=True),
    )
    return [leaf.issued_by(between), between.issued_by(root), root.issued_by(root)]


def of(**changed: Made) -> Callable[[], str]:
    return lambda: pem(*chain(**changed))


def alone(made: Made) -> Callable[[], str]:
    return lambda: pem(made.issued_by(made))


def short(length: int) -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=True, path_length=length)


P224 = ec.generate_private_key(ec.SECP224R1())
SHA1 = """-----BEGIN CERTIFICATE-----
MIIDWTCCAkGgAwIBAgIUP4pp1feJ7+7Z1OS5OH5rQoYrhsswDQYJKoZIhvcNAQEF
BQAwNjELMAkGA1UEBhMCVVMxCzAJBgNVBAgMAldBMQwwCgYDVQQKDANvbGQxDDAK
BgNVBAMMA29sZDAgFw0yNjExMjgxMjUzMzJaGA8yMTI2MTEwNDEyNTMzMlowNjEL
MAkGA1UEBhMCVVMxCzAJBgNVBAgMAldBMQwwCgYDVQQKDANvbGQxDDAKBgNVBAMM
A29sZDCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBALXQKIrlnnl1zT+j
Dn3j8wxqqlIkdYSQHddgp6jBym8iwiRXSxrNArS6OtbeZb9uRLOUKqXidLV+5L0K
dQ0i1sdYjJslCo60hCf1G+5OiU+3saEziXYWjvs13hivR06qdEHTpteOnyB4c86n
N1FZEz3nrcx9zgwtHQxIdXZIsBUsRxsqm9svThkR7B7YNMdQr4/KU8xDhzbPDiGF
lByRrfjUCTbNh+H1zv9iOShminlV6ejAqJtNF/jWO0zuXbhitgbLnZPbkpgMR20a
PW4iTzzL6whVl0KZ8r5iz8pQSGN9JRauQtQIPMakCuoiDjr157EJsQw+mwIWJx7p
Xlqmm+0CAwEAAaNdMFswHQYDVR0OBBYEFGXnhhPamsjcwkVgW5vv7cvxzVfsMB8G
A1UdIwQYMBaAFGXnhhPamsjcwkVgW5vv7cvxzVfsMA4GA1UdDwEB/wQEAwIHgDAJ
BgNVHRMEAjAAMA0GCSqGSIb3DQEBBQUAA4IBAQCyQ2gjNozOruMRRRGb80a74Nkr
C8ZSPA8SNUNKcqv62nd0mKQeQTTwM17NeLl19oImcFlTvF798T/+MW9FaRfLm3aN
rDKqKv55+4OIbTpJ7CesPshZuSVZu3Nxq6X0pAWWkf4CY0ElnXmJQd2enWDP+BpF
bg9SA9p9VTN3UyI2dkqRgUB2lLYDi0YU0ayFlaj8LdD0jKvSuvRZVtR03TZYnrgK
8QMZzhMVJf1ptIOSqQHAtrEkh+YLqIrO9ZQ/io7gCy0tNiyXo6g38Ytz8R7MS9M4
MZv3xiIZrJ/gu60Rm70eLlgG3ZTb3QbRp1L09CNc3WBqTPpWSNtcSdDyOrst
-----END CERTIFICATE-----
"""
"""By `openssl req -x509 -sha1`: nobody else makes them any more."""
CASES: dict[str, tuple[Callable[[], str], str]] = {
    "no certificate": (lambda: "nothing", "The certificate chain cannot be read. Give one or more"),
    "cut off": (lambda: of()()[:400], "The certificate chain cannot be read"),
    "without its root": (
        lambda: pem(*chain()[:2]),
        r"between.*was issued by '.*CN=root.*the chain lacks its self-signed root",
    ),
    "the leaf alone": (lambda: pem(chain()[0]), "leaf.*so the chain lacks its self-signed root"),
    "from root to leaf": (lambda: pem(*reversed(chain())), "root.*it is self-signed, and 'CN=between.* follows it"),
    "without what is between": (
        lambda: pem(chain()[0], chain()[2]),
        "leaf.*it was not issued by the next one, 'CN=root",
    ),
    "a stranger at the end": (
        lambda: pem(*chain(), *chain()[2:]),
        "root.*it is self-signed, and 'CN=root.* follows it",
    ),
    "a foreign issuer of the same name": (
        lambda: pem(chain()[0], *chain()[1:]),
        "leaf.*was not issued by the next one",
    ),
    "more key usages": (
        of(leaf=Made("leaf", usage=["digitalSignature", "keyEncipherment"])),
        "its key usage is digital_signature, key_encipherment and not digital_signature alone",
    ),
    "no digital signature": (of(leaf=Made("leaf", usage=["nonRepudiation"])), "its key usage is nothing and not"),
    "no key usage": (of(leaf=Made("leaf", usage=[])), "leaf.*it has no key usage"),
    "a key usage that is not critical": (of(leaf=Made("leaf", critical=False)), "its key usage is not critical"),
    "for TLS": (
        alone(Made("leaf", extended=[Usage.SERVER_AUTH])),
        "its extended key usage is 1.3.6.1.5.5.7.3.1 and not",
    ),
    "for TLS too": (of(leaf=Made("leaf", extended=[Usage.CODE_SIGNING, Usage.SERVER_AUTH])), "its extended key usage"),
    "an authority that signs": (alone(Made("leaf", constraints=short(0))), "it is an authority's"),
    "an authority that is none": (of(between=Made("between", usage=["keyCertSign"])), "between.*it is no authority's"),
    "an authority without key_cert_sign": (
        of(root=Made("root", ca=True, usage=["cRLSign"])),
        "root.*lacks key_cert_sign",
    ),
    "an authority's constraints that are not critical": (
        of(root=Made("root", ca=True, constraints_critical=False)),
        "root.*its basic constraints are not critical",
    ),
    "a path that is too long": (
        of(root=Made("root", ca=True, constraints=short(0))),
        "its path length is 0, and 1 auth",
    ),
    "an end": (of(leaf=Made("leaf", end=timedelta(hours=-1))), "leaf.*it ended on 20"),
    "an end of the root": (of(root=Made("root", ca=True, end=timedelta(hours=-1))), "root.*it ended on 20"),
    "a beginning to come": (of(leaf=Made("leaf", begin=timedelta(days=3))), "leaf.*it is good from 20.* only"),
    "SHA-1": (lambda: SHA1, "old.*its signature is over SHA1, which verifiers refuse"),
    "RSA 1024": (
        of(leaf=Made("leaf", key=rsa.generate_private_key(65537, 1024))),
        "its key is RSA 1024, and signatures",
    ),
    "another curve": (
        of(leaf=Made("leaf", key=P224)),
        "its key is EC secp224r1, and signatures are made with EC P-256",
    ),
    "another kind of key": (
        of(leaf=Made("leaf", key=ed25519.Ed25519PrivateKey.generate())),
        "its key is of another kind",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_a_chain_that_verifiers_would_refuse_is_told(what):
    made, said = CASES[what]
    with pytest.raises(UsageError, match=said) as told:
        checked(made(), at=NOW)
    assert "\n" not in str(told.value) and str(told.value).endswith(".")


@pytest.mark.parametrize("usage", [["digitalSignature"], ["digitalSignature", "nonRepudiation"]])
@pytest.mark.parametrize("extended", [[], [Usage.CODE_SIGNING], [x509.ObjectIdentifier("1.2.3")]])
def test_what_the_specification_allows_is_taken(usage, extended):
    leaf = Made("leaf", usage=usage, extended=extended)
    assert checked(of(leaf=leaf)(), at=NOW).algorithm.name == "ES256"
    assert len(checked(alone(leaf)(), at=NOW).certificates) == 1
    assert checked(of(root=Made("root", ca=True, constraints=short(1)))(), at=NOW)


@pytest.mark.parametrize("intermediate", [False, True])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_chains_that_are_made_keep_the_rules(name, intermediate):
    chain = checked(signing_certificate(name, "a test", intermediate=intermediate)[1], at=NOW)
    assert (chain.algorithm.name, len(chain.certificates)) == (name, 3 if intermediate else 1)


@pytest.mark.parametrize("intermediate", [False, True])
def test_one_that_ended_is_taken_only_where_that_is_meant(intermediate):
    pair = signing_certificate("ES256", "a test", expired=True, intermediate=intermediate)
    with pytest.raises(UsageError, match="it ended on 20"):
        LocalSigner(*pair)
    LocalSigner(*pair, expired=True)


def test_an_encrypted_key_is_told_with_what_decrypts_it():
    key = ec.generate_private_key(ec.SECP256R1())
    kept = serialization.BestAvailableEncryption(b"hunter2")
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kept).decode()
    with pytest.raises(UsageError, match="The signing key is encrypted. .*openssl pkey"):
        LocalSigner(text, "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path, mode):
    file = tmp_path / "a key"
    file.write_text(signing_certificate("ES256", "a test")[0])
    file.chmod(mode)
    with pytest.raises(UsageError, match=rf"\(mode {mode:04o}\). `chmod 600 '.*a key'`"):
        read_key(file)
    file.chmod(0o600)
    assert "PRIVATE KEY" in read_key(file)


def test_a_key_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="gone cannot be read: No such file"):
        read_key(tmp_path / "gone")

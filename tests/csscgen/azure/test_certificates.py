"""The signing certificate in Key Vault: made by the policy, taken if it fits, told what differs."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from csscgen.artifacts.chains import checked
from csscgen.azure import certificates, credentials
from csscgen.azure.certificates import VaultCertificate
from infra.local import certificates as local
from infra.settings import Signing
from tests.csscgen.azure.vaults import SHARED, TOKEN, VAULT, VERSION, Answer, Credential, Vault, error, key_usage
from workloads.algorithms import ALGORITHMS
from workloads.errors import AzureError, ProjectError, UsageError

SIGNING = Signing()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "EVERY_SECONDS", 0.01)


def ensure(vault: Vault, signing: Signing = SIGNING, shared: Any = SHARED, **options: Any) -> VaultCertificate:
    return certificates.ensure(shared, signing, Credential(), transport=vault.transport(), **options)


def refused(vault: Vault, kind: type[ProjectError], signing: Signing = SIGNING) -> str:
    """What is told: sentences, in which no token is."""
    with pytest.raises(kind) as raised:
        ensure(vault, signing)
    text = str(raised.value)
    assert TOKEN not in text and "\n" not in text and text.endswith(".")
    return text


def test_the_policy_is_what_the_notary_project_demands():
    vault = Vault()
    ensure(vault)
    properties = vault.policy["x509_props"]
    assert vault.policy["issuer"]["name"] == "Self"
    assert vault.policy["key_props"] == {"exportable": False, "kty": "EC", "crv": "P-256", "reuse_key": False}
    assert vault.policy["secret_props"] == {"contentType": "application/x-pem-file"}
    assert (properties["key_usage"], properties["ekus"]) == (["digitalSignature"], ["1.3.6.1.5.5.7.3.3"])
    assert properties["validity_months"] == 12
    assert [action["action"]["action_type"] for action in vault.policy["lifetime_actions"]] == ["EmailContacts"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_is_made_once_and_then_taken(algorithm: Any):
    vault, signing = Vault(), Signing(algorithm=algorithm)
    made = ensure(vault, signing)
    again = ensure(vault, signing)
    assert made == again
    assert [request for request in vault.seen if request.startswith("POST")] == ["POST /certificates/signing/create"]
    assert made.key_id == f"{VAULT}keys/signing/{VERSION}"
    assert checked(made.chain, at=datetime.now(UTC)).algorithm.name == algorithm


def test_what_is_awaited_is_told():
    told: list[str] = []
    vault = Vault(pending=2)
    transport = vault.transport()
    transport.sleep = lambda duration: time.sleep(duration / 100)  # type: ignore[method-assign]
    certificates.ensure(SHARED, SIGNING, Credential(), tell=told.append, transport=transport)
    assert told[0] == "making the certificate signing"
    later = [line.removeprefix(told[0]) for line in told[1:]]
    assert later and all(re.fullmatch(r": (inprogress|completed), \d+ s", line) for line in later)


@pytest.mark.parametrize("common_name", ["ratify-perf", 'a load, "test" + more; #1', " padded ", "a  b", "x=y", "<&>"])
def test_its_subject_is_the_identity_that_is_trusted(common_name: str):
    subject = local.signing_subject(common_name)
    vault = Vault()
    made = ensure(vault, shared={**SHARED, "trustedIdentity": f"x509.subject: {subject.rfc4514_string()}"})
    assert set(x509.load_pem_x509_certificate(made.chain.encode()).subject) == set(subject)


def test_an_identity_may_have_a_space_after_its_commas():
    spaced = "x509.subject: C=US, ST=WA, O=ratify-perf, CN=ratify-perf"
    vault = Vault()
    assert ensure(vault, shared={**SHARED, "trustedIdentity": spaced}) == ensure(vault)


def test_an_identity_without_a_subject_is_told():
    with pytest.raises(UsageError, match=r"trustedIdentity is 'x509.subject: \*', which has no subject"):
        ensure(Vault(), shared={**SHARED, "trustedIdentity": "x509.subject: *"})


def held(certificate: x509.Certificate, key: Any) -> Vault:
    vault = Vault()
    vault.hold(certificate, key)
    return vault


def made(**changed: Any) -> tuple[x509.Certificate, Any]:
    """A certificate that fits but for what is changed."""
    key = changed.get("key") or ec.generate_private_key(ec.SECP256R1())
    name = changed.get("name") or local.signing_subject("ratify-perf")
    builder = local._builder(
        name, changed.get("issuer", name), key.public_key(), local.SIGNING_VALID, changed.get("age", timedelta())
    )
    if usage := changed.get("usage", ["digitalSignature"]):
        builder = builder.add_extension(key_usage(usage), critical=changed.get("critical", True))
    if extended := changed.get("extended", [ExtendedKeyUsageOID.CODE_SIGNING]):
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    return builder.sign(key, hashes.SHA256()), key


@pytest.mark.parametrize("changed", [{}, {"extended": []}])
def test_one_that_fits_is_taken_whoever_made_it(changed: dict[str, Any]):
    vault = held(*made(**changed))
    ensure(vault)
    assert set(vault.seen) == {"GET /certificates/signing/"}


YEAR = local.SIGNING_VALID
DIFFERENCES: dict[str, tuple[dict[str, Any], str]] = {
    "another kind of key": (
        {"key": rsa.generate_private_key(65537, 2048)},
        r"its key is RSA 2048 and not EC P-256 \(signing.algorithm ES256\)",
    ),
    "another curve": ({"key": ec.generate_private_key(ec.SECP384R1())}, "its key is EC P-384 and not EC P-256"),
    "another subject": (
        {"name": local.signing_subject("somebody")},
        "its subject is 'CN=somebody,.*and not 'CN=",
    ),
    "an issuer": ({"issuer": local.signing_subject("an authority")}, "it is not self-signed"),
    "an end": ({"age": YEAR + timedelta(days=1)}, "it ended on 20"),
    "an end that is near": ({"age": YEAR - timedelta(hours=1)}, "it ends on 20.* at "),
    "a beginning that is to come": ({"age": timedelta(days=-3)}, "it is good from 20.* only"),
    "more key usages": (
        {"usage": ["digitalSignature", "keyEncipherment"]},
        "its key usage is digital_signature, key_encipherment and not",
    ),
    "no key usage": ({"usage": []}, "it has no key usage"),
    "a key usage that is not critical": ({"critical": False}, "its key usage is not critical"),
    "the vault's own default": (
        {"extended": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]},
        "its extended key usage is 1.3.6.1.5.5.7.3.1, 1.3.6.1.5.5.7.3.2 and not 1.3.6.1.5.5.7.3.3",
    ),
    "more than code signing": (
        {"extended": [ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH]},
        "its extended key usage is",
    ),
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_one_that_does_not_fit_is_refused_and_left_as_it_is(what: str):
    changed, said = DIFFERENCES[what]
    vault = held(*made(**changed))
    before = vault.certificate
    text = refused(vault, UsageError)
    assert text.startswith(f"The certificate signing in {VAULT} cannot be what this stack signs with: ")
    assert "Set signing.certificateName to a name that is free" in text
    with pytest.raises(UsageError, match=said):
        ensure(vault)
    assert vault.certificate == before
    assert not [request for request in vault.seen if not request.startswith("GET")]


def test_all_that_differs_is_told_at_once():
    vault = held(*made(name=local.signing_subject("somebody"), usage=[]))
    vault.enabled, vault.policy = False, {"key_props": {"exportable": True, "kty": "EC"}}
    text = refused(vault, UsageError, replace(SIGNING, algorithm="PS256"))
    for said in ("it is disabled", "can be exported", "not RSA 2048", "CN=somebody", "no key usage"):
        assert said in text


def test_one_that_was_deleted_is_told_with_what_brings_it_back():
    vault = Vault(deleted=True)
    text = refused(vault, UsageError)
    assert "`az keyvault certificate recover --vault-name kv-test --name signing` brings it back" in text
    assert "purge --vault-name kv-test --name signing" in text


def test_one_that_is_still_being_made_is_told():
    vault = Vault(policy={"key_props": {"kty": "EC"}})
    vault.certificate = b""
    body = {"id": f"{VAULT}certificates/signing/{VERSION}", "attributes": {"enabled": False}}
    vault.faults = [("GET /certificates/signing/", Answer(200, body))]
    assert "is still being made" in refused(vault, AzureError)


def test_an_operation_that_fails_is_told_with_its_reason():
    text = refused(Vault(failure="the subject is no X.500 name"), AzureError)
    assert "Azure failed at making the certificate signing" in text and "the subject is no X.500 name" in text


def test_a_role_that_is_not_known_yet_is_waited_for():
    told: list[str] = []
    vault = Vault(faults=[("GET /certificates", error(403, "Forbidden", inner="ForbiddenByRbac"))] * 3)
    ensure(vault, tell=told.append)
    assert sum("waiting" in line and "for the role" in line for line in told) == 3


NEVER = 10**4
REFUSALS: dict[str, tuple[Answer | Exception, str]] = {
    "no role": (
        error(403, "Forbidden", "Caller is not authorized. appid=1;oid=2", "ForbiddenByRbac"),
        r"it answered 403 \(ForbiddenByRbac\). The login needs the role Key Vault Certificates Officer on the vault",
    ),
    "a firewall": (error(403, "Forbidden", inner="ForbiddenByFirewall"), "Its firewall lets this machine not in"),
    "a throttled vault": (error(429, "Throttled"), r"it answered 429 \(Throttled\) again and again"),
    "a fault of its own": (
        error(500, "InternalServerError", "sorry"),
        r"answered 500 \(InternalServerError\): sorry",
    ),
    "no login": (
        error(401, "Unauthorized", "AKV10032"),
        "no login to it works. Log in with `az login`",
    ),
    "no answer": (
        requests.ConnectionError("<urllib3.connection.HTTPSConnection object at 0x1>: Name or service not known"),
        r"the connection failed \(Name or service not known\). Check the network",
    ),
    "half an answer": (requests.ReadTimeout("read timed out"), r"the connection failed \(read timed out\)"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_vault_that_refuses_is_told_in_a_sentence(what: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(credentials, "ROLE_SECONDS", 0.05)
    fault, said = REFUSALS[what]
    vault = Vault(faults=[("GET", fault)] * NEVER)
    with pytest.raises(AzureError, match=said):
        ensure(vault)
    assert refused(vault, AzureError).startswith(f"Azure failed at the certificate signing in {VAULT}: ")


def test_a_certificate_that_is_not_there_any_more_is_no_traceback():
    vault = Vault(faults=[("GET /certificates/signing/pending", error(404, "CertificateNotFound"))])
    assert "it answered 404 (CertificateNotFound)" in refused(vault, AzureError)

"""Signing with a key in Key Vault: what comes out is verified, and what goes wrong is told."""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
import requests
from cryptography import x509

from csscgen.artifacts.algorithms import algorithm_of, verify
from csscgen.artifacts.descriptors import IMAGE_MANIFEST, Descriptor
from csscgen.artifacts.seeder import SIGNING_THREADS, seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from csscgen.azure import certificates, credentials
from csscgen.azure.certificates import VaultCertificate
from csscgen.azure.signing import VaultSigner
from infra.local.certificates import signing_certificate
from infra.settings import Signing
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import FakeRegistry, waiter  # noqa: F401
from tests.csscgen.azure.vaults import SHARED, TOKEN, Answer, Credential, Vault, error
from workloads.algorithms import ALGORITHMS
from workloads.errors import AzureError
from workloads.naming import ImageSet

SUBJECT = Descriptor(IMAGE_MANIFEST, "sha256:" + "ab" * 32, 742)
AT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
SIGN = "POST /keys/.*/sign"


@pytest.fixture(params=ALGORITHMS)
def vault(request):
    made = Vault()
    certificates.ensure(SHARED, Signing(algorithm=request.param), Credential(), transport=made.transport())
    return made


@pytest.fixture
def elliptic():
    made = Vault()
    certificates.ensure(SHARED, Signing(), Credential(), transport=made.transport())
    made.seen.clear()
    return made


def certificate(vault: Vault) -> VaultCertificate:
    assert vault.key and (algorithm := algorithm_of(vault.key.public_key()))
    signing = Signing(algorithm=algorithm.name)
    return certificates.ensure(SHARED, signing, Credential(), transport=vault.transport())


def signer(vault: Vault, **options: Any) -> VaultSigner:
    return VaultSigner(certificate(vault), Credential(), transport=vault.transport(), **options)


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_envelope_verifies_with_the_certificate_in_it(vault):
    with signer(vault) as there:
        envelope = json.loads(there.sign(SUBJECT, AT).blob.data)
    key: Any = x509.load_der_x509_certificate(base64.b64decode(envelope["header"]["x5c"][0])).public_key()
    message, raw = f"{envelope['protected']}.{envelope['payload']}".encode(), decode(envelope["signature"])
    algorithm = algorithm_of(key)
    assert algorithm
    verify(key, algorithm, raw, message)


def test_a_vault_s_key_makes_cose_envelopes_as_well(elliptic):
    with signer(elliptic, envelope="cose") as there:
        made = there.sign(SUBJECT, AT)
    assert made.blob.descriptor.media_type == "application/cose"
    assert cbor2.loads(made.blob.data).tag == 18


@pytest.mark.parametrize(("algorithm", "rate"), [("ES512", 300), ("PS256", 300), ("PS384", 75), ("PS512", 37.5)])
def test_three_quarters_of_what_a_vault_admits_by_the_kind_of_key_are_asked_for(algorithm, rate):
    vault = Vault()
    certificates.ensure(SHARED, Signing(algorithm=algorithm), Credential(), transport=vault.transport())
    with signer(vault) as there:
        assert there._interval == pytest.approx(1 / rate)


def test_it_is_the_envelope_that_a_key_in_a_file_makes(elliptic):
    local = LocalSigner(*signing_certificate("ES256", "ratify-perf")).sign(SUBJECT, AT, AT.replace(year=2027))
    with signer(elliptic) as there:
        remote = there.sign(SUBJECT, AT, AT.replace(year=2027))
    one, two = json.loads(local.blob.data), json.loads(remote.blob.data)
    assert (one["payload"], one["protected"]) == (two["payload"], two["protected"])
    assert one.keys() == two.keys() and one["header"].keys() == two["header"].keys()
    assert local.annotations.keys() == remote.annotations.keys()


def test_what_is_signed_never_leaves_but_as_a_digest(elliptic):
    with signer(elliptic) as there:
        there.sign(SUBJECT, AT)
    assert [request.split("/")[1] for request in elliptic.seen] == ["certificates", "keys", "keys", "keys"]


def test_a_login_without_the_right_to_get_keys_signs_all_the_same(elliptic):
    elliptic.faults = [("GET /keys", error(403, "Forbidden", inner="ForbiddenByRbac"))]
    with signer(elliptic) as there:
        assert there.sign(SUBJECT, AT).blob.data


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3"}])
def test_a_throttled_vault_is_asked_again_after_a_while(elliptic, headers):
    throttled = Answer(429, {"error": {"code": "Throttled", "message": "no"}}, headers)
    chosen = certificate(elliptic)
    transport = elliptic.transport()
    with VaultSigner(chosen, Credential(), transport=transport) as there:
        elliptic.faults = [(SIGN, throttled)] * 4
        assert there.sign(SUBJECT, AT).blob.data
    assert not elliptic.faults
    assert transport.slept == ([3.0] * 4 if headers else [1.6, 3.2, 6.4])


FAULTS: dict[str, tuple[Answer | Exception, str]] = {
    "no role": (
        error(403, "Forbidden", "Caller is not authorized", "ForbiddenByRbac"),
        r"it answered 403 \(ForbiddenByRbac\). The login needs the role Key Vault Crypto User on the vault",
    ),
    "throttled": (error(429, "Throttled"), r"it answered 429 \(Throttled\) again and again"),
    "gone": (error(404, "KeyNotFound"), r"it answered 404 \(KeyNotFound\)"),
    "down": (requests.ConnectionError("Name or service not known"), "the connection failed .* Check the network"),
}


@pytest.mark.parametrize("when", ["at once", "later"])
@pytest.mark.parametrize("what", FAULTS)
def test_a_vault_that_does_not_sign_is_told_in_a_sentence(elliptic, monkeypatch, what, when):
    monkeypatch.setattr(credentials, "ROLE_SECONDS", 0.05)
    monkeypatch.setattr(credentials, "EVERY_SECONDS", 0.01)
    fault, said = FAULTS[what]
    chosen = certificate(elliptic)

    def break_it() -> None:
        elliptic.faults = [(SIGN, fault)] * 1000

    with pytest.raises(AzureError, match=said) as raised:
        if when == "at once":
            break_it()
        with VaultSigner(chosen, Credential(), transport=elliptic.transport()) as there:
            break_it()
            there.sign(SUBJECT, AT)
    text = str(raised.value)
    assert text.startswith("Azure failed at signing with https://kv-test.vault.azure.net/keys/signing/")
    assert TOKEN not in text and "\n" not in text


def test_a_role_that_is_not_known_yet_is_waited_for(elliptic, monkeypatch):
    monkeypatch.setattr(credentials, "EVERY_SECONDS", 0.01)
    told: list[str] = []
    elliptic.faults = [(SIGN, error(403, "Forbidden", inner="ForbiddenByRbac"))] * 2
    signer(elliptic, tell=told.append)
    assert len(told) == 2 and "for the role" in told[0]


def test_a_key_of_another_certificate_is_found_out_at_once(vault):
    chosen = certificate(vault)
    vault.make()
    with pytest.raises(AzureError, match="is not verified by the certificate of the same name"):
        VaultSigner(chosen, Credential(), transport=vault.transport())


def test_no_more_is_asked_for_than_a_vault_admits(elliptic):
    with signer(elliptic, per_second=50) as there:
        started = time.monotonic()
        threads = [threading.Thread(target=there.sign, args=(SUBJECT, AT)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert time.monotonic() - started >= 9 / 50


@asynchronous
async def test_images_are_seeded_with_it_a_few_signatures_at_a_time(elliptic, waiter):  # noqa: F811
    names: set[str] = set()
    with signer(elliptic) as there:
        ask = there._ask

        def noted(message: bytes) -> bytes:
            names.add(threading.current_thread().name)
            time.sleep(0.01)
            return ask(message)

        there._ask = noted  # type: ignore[method-assign]
        async with FakeRegistry() as registry:
            report = await seed([ImageSet(5, 4)], Target(registry.host), signer=there, waiter=waiter)
    assert (report.images, report.signatures) == (5, 20)
    assert all(name.startswith("signing") for name in names) and 1 < len(names) <= SIGNING_THREADS


@asynchronous
async def test_a_seeding_ends_with_what_the_vault_says(elliptic, waiter):  # noqa: F811
    with signer(elliptic) as there:
        elliptic.faults = [(SIGN, error(404, "KeyNotFound"))] * 100
        async with FakeRegistry() as registry:
            with pytest.raises(AzureError, match="KeyNotFound"):
                await seed([ImageSet(5, 4)], Target(registry.host), signer=there, waiter=waiter)

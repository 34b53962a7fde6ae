"""What is seeded, judged by the real Ratify, on the emulator and on the CNCF registry."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from csscgen.artifacts.logins import read_login
from csscgen.artifacts.seeder import SeedReport, seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from infra.local.certificates import ORGANIZATION, signing_certificate, signing_subject
from tests.csscgen.artifacts.verifying import Served, counts, serving, verification
from workloads.naming import ImageSet
from workloads.negatives import KINDS, REFUSED_SIGNERS

pytestmark = pytest.mark.real

COMMON_NAME = 'a load, "test" + more; #1'
"""With everything that a trust policy has to quote."""


@pytest.fixture(scope="module", params=["emulator", "acr", "no referrers API", "distribution"])
def registry(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp(request.param.replace(" ", "-"))) as served:
        yield served


@dataclass(frozen=True)
class Signers:
    """The genuine signer and those who are refused, with the trust store of a shared stack."""

    number: int
    genuine: LocalSigner
    refused: dict[str, LocalSigner]
    trust_store: str


@pytest.fixture(scope="module", params=["ES256", "PS256"])
def signers(request):
    keys = {
        kind: signing_certificate(
            request.param,
            COMMON_NAME,
            organization=ORGANIZATION if who.has_genuine_name else f"{ORGANIZATION}-{kind}",
            expired=who.expired,
        )
        for kind, who in REFUSED_SIGNERS.items()
    }
    key, certificate = signing_certificate(request.param, COMMON_NAME)
    trusted = [certificate, *(keys[kind][1] for kind, who in REFUSED_SIGNERS.items() if who.in_trust_store)]
    refused = {kind: LocalSigner(*pair, expired=True) for kind, pair in keys.items()}
    # The two kinds of key share a registry, so each seeds sets of its own: signatures are counted, not compared.
    return Signers(request.param_index, LocalSigner(key, certificate), refused, "".join(trusted))


@pytest.fixture
def verify(tmp_path, signers, registry):
    """Run ``ratify verify`` with the configuration of the stacks; its report."""
    identity = signing_subject(COMMON_NAME).rfc4514_string()
    return verification(tmp_path, signers.trust_store, identity, registry.pull)


def seeded(registry: Served, waiter: Path, signers: Signers, *sets: ImageSet) -> SeedReport:
    own = [replace(images, shard=signers.number) for images in sets]
    logins = [read_login(registry.push, registry.host)] if registry.push else []
    return asyncio.run(
        seed(
            own,
            Target(registry.host, logins=logins),
            signer=signers.genuine,
            refused=signers.refused,
            waiter=waiter,
        )
    )


def references(registry: Served, signers: Signers, images: ImageSet) -> list[str]:
    return list(replace(images, shard=signers.number).references(registry.host))


def test_ratify_accepts_every_seeded_signature(registry, waiter, signers, verify):
    images = ImageSet(containers=2, signatures=5)
    report = seeded(registry, waiter, signers, images)
    again = seeded(registry, waiter, signers, images)
    assert report.signatures == 10
    assert (again.pushed, again.present) == (0, 12)
    for reference in references(registry, signers, images):
        verdict = verify(reference)
        reports = verdict["verifierReports"]
        assert verdict["isSuccess"], verdict
        assert len({each["referenceDigest"] for each in reports}) == 5
        assert all(each["isSuccess"] and each["verifierName"] == "notation" for each in reports)


@pytest.mark.parametrize("registry", ["acr"], indirect=True)
def test_ratify_pays_for_each_operation_with_a_challenge_and_a_token(registry, waiter, signers, verify):
    """With logins a cold verification of K signatures costs 3K+2 operations, each of them three requests."""
    images = ImageSet(containers=1, signatures=3)
    seeded(registry, waiter, signers, images)
    before = counts(registry.host)
    (reference,) = references(registry, signers, images)
    assert verify(reference)["isSuccess"]
    now = counts(registry.host)
    changed = {name: now[name] - before.get(name, 0) for name in now}
    pages = 2  # of two referrers each
    assert changed['registry_requests_total{category="oauth",status="200"}'] >= 3 * 3 + 2
    assert changed['registry_requests_total{category="read",status="401"}'] >= 3 * 3 + 1
    assert changed['registry_requests_total{category="list_referrers",status="200"}'] == pages
    assert changed['registry_requests_total{category="read",status="307"}'] == 3
    assert changed['registry_data_requests_total{status="200"}'] == 3


def refusals(verdict: dict[str, Any]) -> list[str]:
    """Why Ratify refused, a reason for each thing it looked at; its report of a refusal has no isSuccess."""
    assert not verdict.get("isSuccess", False)
    assert not any(each["isSuccess"] for each in verdict["verifierReports"])
    return [each["errorReason"] for each in verdict["verifierReports"]]


def test_ratify_refuses_an_image_of_a_scenario_without_signatures(registry, waiter, signers, verify):
    images = ImageSet(containers=1, signatures=0)
    seeded(registry, waiter, signers, images)
    (reference,) = references(registry, signers, images)
    (reason,) = refusals(verify(reference))
    assert re.fullmatch(REASONS["unsigned"], reason)


REASONS = {
    "unsigned": "No verification results for the artifact .*",
    "tampered-manifest": "content descriptor mismatch",
    "tampered-envelope": "signature is invalid. Error: crypto/(ecdsa|rsa): verification error",
    "expired": "digital signature has expired on .*",
    "expired-certificate": "verification time is after certificate .* validity period, it was expired at .*",
    "wrong-ca": "the signature's certificate chain does not contain any trusted certificate",
    "wrong-subject": "content descriptor mismatch",
    "revoked": "signing certificate from the digital signature does not match the X.509 trusted identities .*",
    "missing-blob": ".*@sha256:[0-9a-f]{64}: not found",
    "sbom": "No verification results for the artifact .*",
}
"""What Ratify says of each kind, as a regular expression."""


@pytest.mark.parametrize("kind", KINDS)
def test_ratify_refuses_every_negative_image_and_accepts_it_when_it_is_restored(
    registry, waiter, signers, verify, kind
):
    images = ImageSet(containers=1, signatures=2, variant=kind)
    seeded(registry, waiter, signers, images)
    (reference,) = references(registry, signers, images)
    reasons = refusals(verify(reference))
    assert all(re.fullmatch(REASONS[kind], reason) for reason in reasons), reasons
    assert len(reasons) == (1 if kind in ("unsigned", "sbom") else 2)

    seeded(registry, waiter, signers, replace(images, restored=True))
    verdict = verify(reference)
    assert verdict["isSuccess"], verdict
    assert sum(each["isSuccess"] for each in verdict["verifierReports"]) == 2

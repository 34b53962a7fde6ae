"""What is seeded, judged by the real Ratify, on the emulator and on the CNCF registry."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import orjson
import pytest

from csscgen.artifacts.descriptors import IMAGE_MANIFEST, Content
from csscgen.artifacts.seeder import SeedReport, seed
from csscgen.artifacts.signing import ENVELOPE_TYPE, LocalSigner, Signature, Signer
from infra.local.certificates import signing_certificate
from infra.local.sockets import free_ports
from tests.csscgen.artifacts.binaries import binary
from workloads.naming import ImageSet

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[3]
SIGNED = ImageSet(containers=2, signatures=5)
UNSIGNED = ImageSet(containers=1, signatures=0)


@contextmanager
def running(argv: list[str], url: str, log: Path):
    """A registry that answers; it is stopped at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdout=output, stderr=output, cwd=ROOT, env=os.environ | {"OTEL_TRACES_EXPORTER": "none"}
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urlopen(url, timeout=5).close()
                break
            except (URLError, ConnectionError):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module", params=["emulator", "distribution"])
def registry(request, tmp_path_factory):
    """The host of a registry with contents in memory."""
    folder = tmp_path_factory.mktemp(request.param)
    (port,) = free_ports(1)
    if request.param == "emulator":
        argv = [sys.executable, "-m", "infra.local.registry", f"--port={port}", "--size=L", "--region=x"]
    else:
        config = {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"inmemory": {}},
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        (folder / "config.yml").write_text(json.dumps(config))
        argv = [binary("registry"), "serve", str(folder / "config.yml")]
    with running(argv, f"http://127.0.0.1:{port}/v2/", folder / "log"):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module", params=["ec-p256", "rsa-2048"])
def key(request):
    return signing_certificate(request.param, "a load test")


@pytest.fixture
def verify(tmp_path, key):
    """Run ``ratify verify`` at level strict, trusting one certificate; its report."""
    ratify = binary("ratify")
    (tmp_path / "trust.crt").write_text(key[1])
    trust = {
        "name": "default",
        "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:certs"],
        "trustedIdentities": ["x509.subject: C=US, ST=WA, O=ratify-perf"],
    }
    config = {
        "store": {
            "version": "1.0.0",
            "plugins": [{"name": "oras", "useHttp": True, "localCachePath": str(tmp_path / "blobs")}],
        },
        "policy": {
            "version": "1.0.0",
            "plugin": {"name": "configPolicy", "artifactVerificationPolicies": {"default": "all"}},
        },
        "verifier": {
            "version": "1.0.0",
            "plugins": [
                {
                    "name": "notation",
                    "artifactTypes": "application/vnd.cncf.notary.signature",
                    "verificationCerts": [str(tmp_path / "trust.crt")],
                    "trustPolicyDoc": {"version": "1.0", "trustPolicies": [trust]},
                }
            ],
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(config))

    def run(reference: str) -> Any:
        answer = subprocess.run(
            [ratify, "verify", "-c", str(tmp_path / "config.json"), "-s", reference],
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(tmp_path), "RATIFY_LOG_LEVEL": "error"},
        )
        start = answer.stdout.find("{")
        assert start >= 0, f"Ratify printed no report: {answer.stdout}{answer.stderr}"
        return json.JSONDecoder().raw_decode(answer.stdout[start:])[0]

    return run


def seeded(registry: str, waiter: Path, signer: Signer, *sets: ImageSet) -> SeedReport:
    return asyncio.run(seed(sets, registry=registry, signer=signer, waiter=waiter))


def test_ratify_accepts_every_seeded_signature(registry, waiter, key, verify):
    # The two kinds of key share a registry, so each seeds a set of its own: signatures are counted, not compared.
    images = replace(SIGNED, shard=int(LocalSigner(*key).algorithm == "ES256"))
    report = seeded(registry, waiter, LocalSigner(*key), images)
    again = seeded(registry, waiter, LocalSigner(*key), images)
    assert report.signatures == 10
    assert (again.pushed, again.present) == (0, 12)
    for reference in images.references(registry):
        verdict = verify(reference)
        reports = verdict["verifierReports"]
        assert verdict["isSuccess"], verdict
        assert len({each["referenceDigest"] for each in reports}) == 5
        assert all(each["isSuccess"] and each["verifierName"] == "notation" for each in reports)


def refusals(verdict: dict[str, Any]) -> list[str]:
    """Why Ratify refused, a reason for each thing it looked at; its report of a refusal has no isSuccess."""
    assert not verdict.get("isSuccess", False)
    assert not any(each["isSuccess"] for each in verdict["verifierReports"])
    return [each["errorReason"] for each in verdict["verifierReports"]]


def test_ratify_refuses_an_unsigned_image(registry, waiter, key, verify):
    seeded(registry, waiter, LocalSigner(*key), UNSIGNED)
    (reference,) = UNSIGNED.references(registry)
    (reason,) = refusals(verify(reference))
    assert reason.startswith("No verification results for the artifact")


class Tampering:
    """Signs properly, and then changes the payload that was signed."""

    def __init__(self, signer: LocalSigner) -> None:
        self._signer = signer

    def sign(self, subject, at) -> Signature:
        signature = self._signer.sign(subject, at)
        other = self._signer.sign(replace(subject, size=subject.size + 1), at)
        payload = orjson.loads(other.envelope.data)["payload"]
        envelope = Content.of(
            ENVELOPE_TYPE, orjson.dumps({**orjson.loads(signature.envelope.data), "payload": payload})
        )
        manifest = orjson.loads(signature.manifest.data)
        layers = [envelope.descriptor.as_json()]
        return Signature(envelope, Content.of_json(IMAGE_MANIFEST, {**manifest, "layers": layers}))


def test_ratify_refuses_a_tampered_signature(registry, waiter, key, verify):
    images = ImageSet(1, 1, shard=int(LocalSigner(*key).algorithm == "ES256"))
    seeded(registry, waiter, Tampering(LocalSigner(*key)), images)
    (reference,) = images.references(registry)
    (reason,) = refusals(verify(reference))
    assert reason.startswith("signature is invalid")


def test_ratify_refuses_the_signatures_of_somebody_else(registry, waiter, key, verify):
    images = ImageSet(1, 2, shard=int(LocalSigner(*key).algorithm == "ES256"))
    stranger = LocalSigner(*signing_certificate("ec-p256", "somebody else"))
    seeded(registry, waiter, stranger, images)
    (reference,) = images.references(registry)
    assert len(reasons := refusals(verify(reference))) == 2
    assert all(reason.endswith("does not contain any trusted certificate") for reason in reasons)

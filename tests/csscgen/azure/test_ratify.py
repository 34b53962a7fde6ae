"""What is seeded the way that Azure is seeded, judged by the real Ratify: a login by an exchange of tokens at the
emulator of ACR, signatures by a key that stays in a vault (of straw, with a real key)."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from csscgen.artifacts.seeder import seed
from csscgen.artifacts.targets import Target
from csscgen.azure import certificates, registries
from csscgen.azure.signing import VaultSigner
from infra.local.certificates import signing_subject
from infra.local.sockets import free_ports
from infra.settings import Signing
from tests.csscgen.artifacts.binaries import binary
from tests.csscgen.artifacts.verifying import credentials, running, verification
from tests.csscgen.azure.vaults import SHARED, Credential, Vault
from workloads.naming import ImageSet

pytestmark = pytest.mark.real

COMMON_NAME = 'a load, "test" + more; #1'
"""With everything that a trust policy, and Key Vault, have to quote."""


@pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
def test_ratify_accepts_what_the_vault_signed_and_the_exchanged_login_pushed(tmp_path: Path, algorithm: Any):
    identity = signing_subject(COMMON_NAME).rfc4514_string()
    shared = {**SHARED, "trustedIdentity": f"x509.subject: {identity}"}
    vault = Vault()
    certificate = certificates.ensure(shared, Signing(algorithm), Credential(), transport=vault.transport())
    port, data = free_ports(2)
    host = f"127.0.0.1:{port}"
    made = credentials(tmp_path, [host])
    aad_token = json.loads(Path(made["identities"]).read_text())["push"]["aadToken"]
    argv = [sys.executable, "-m", "infra.local.registry", f"--port={port}", "--size=L", "--region=x"]
    argv += [f"--identities={made['identities']}", f"--data-port={data}", "--referrers-page=2"]
    with (
        running(argv, f"http://{host}/metrics", tmp_path / "log"),
        VaultSigner(certificate, Credential(), transport=vault.transport()) as signer,
    ):
        login = registries.EntraLogin(host, Credential(aad_token))
        images = ImageSet(containers=2, signatures=3)
        waiter = Path(binary("waiter"))
        report = asyncio.run(seed([images], Target(host, logins=[login]), signer=signer, waiter=waiter))
        assert (report.images, report.signatures) == (2, 6)
        verify = verification(tmp_path, certificate.chain, identity, Path(made["pull"]))
        for reference in images.references(host):
            verdict = verify(reference)
            assert verdict["isSuccess"], verdict
            assert len(verdict["verifierReports"]) == 3
    assert sum(request.endswith("/sign") for request in vault.seen) == 7, (
        "six signatures and the first, to prove the key"
    )

"""The distribution specification's own conformance program against the emulator."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.csscgen.artifacts.binaries import binary
from tests.infra.local.registry.test_main import free_port, started

pytestmark = pytest.mark.real

ALWAYS = {
    "OCI_VERSION": "1.1",
    "OCI_TLS": "disabled",
    # What the specification leaves to a registry, and this one does.
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
}
PASSWORD = "a-password"
IDENTITY = {"password": PASSWORD, "actions": ["pull", "push", "delete", "metadata_read"]}
OPTIONAL = {"blob-mount-anonymous"}
"""What the specification allows a registry not to do: a mount without the source's name."""


def conformance(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {**ALWAYS, "OCI_RESULTS_DIR": str(folder / "results"), "PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [binary("conformance")], cwd=folder, env=settings, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("acr", [False, True], ids=["plain", "with logins, data endpoint and disk"])
def test_the_specifications_own_program_finds_nothing(tmp_path, acr):
    (tmp_path / "identities.json").write_text(json.dumps({"me": IDENTITY}))
    strict = [
        f"--identities={tmp_path / 'identities.json'}",
        f"--data-port={free_port()}",
        f"--storage={tmp_path / 'contents'}",
    ]
    with started("L", *(strict if acr else [])) as (_, port):
        login = {"OCI_USERNAME": "me", "OCI_PASSWORD": PASSWORD} if acr else {}
        done = conformance(tmp_path, OCI_REGISTRY=f"127.0.0.1:{port}", **login)
    assert done.returncode == 0, done.stdout
    verdicts = [
        line.strip().rpartition(": ") for line in done.stdout.splitlines() if line.strip().startswith("OCI Conf")
    ]
    assert len(verdicts) > 100
    skipped = {name.rpartition("/")[2] for name, _, verdict in verdicts if verdict == "Skip"}
    assert skipped <= OPTIONAL


def test_the_program_would_find_something(tmp_path):
    """Without the referrers API it does, so it does look."""
    with started("L", "--referrers-page=0") as (_, port):
        done = conformance(tmp_path, OCI_REGISTRY=f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert "artifacts-with-subject/referrers: FAIL" in done.stdout

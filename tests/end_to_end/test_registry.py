"""A run against the emulated registry with all that it can be told to do, and where its passwords are afterwards."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.conftest import Place

pytestmark = pytest.mark.real

STACK = ("--stack", "local-smoke")
TOKEN = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
"""How every token of the registry begins: its header, encoded."""


def test_a_slow_registry_with_short_tokens_small_pages_and_a_disk_serves_a_run_and_tells_no_secret(
    place: Place,
) -> None:
    changes = {
        "storage": "disk",
        "tokenSeconds": 1,
        "referrersPage": 1,
        "latencyMs": 1,
        "bandwidthMbps": 50,
        "anonymousPull": True,
    }
    words = [word for key, value in changes.items() for word in ("--set", f"registry.{key}={json.dumps(value)}")]

    done = place.csscgen("run", *STACK, *words, "--keep")

    assert done.returncode == 0, done.stderr
    summary = place.summary()
    assert summary["pods"]["ready"] == 5
    answers = summary["registry"]["requests"]
    assert answers["401"] > 0 and answers["307"] > 0
    secrets = [secret for file in place.folder.rglob("registry-credentials/**/*.json") for secret in passwords(file)]
    assert len(secrets) == 3 * 2 + 3 * 2
    told = [TOKEN, *secrets]
    shown = (done.stdout + done.stderr).encode() + place.csscgen("outputs", *STACK).stdout.encode()
    for process in psutil.process_iter(["cmdline"]):
        shown += " ".join(process.info["cmdline"] or []).encode()
    assert not [each for each in told if each in shown]
    files = [file for file in place.folder.rglob("*") if file.is_file() and "registry-credentials" not in file.parts]
    assert not [file for file in files if any(each in file.read_bytes() for each in told)]
    assert place.csscgen("destroy", *STACK, "--shared").returncode == 0
    assert place.leftovers() == []


def passwords(file: Path) -> list[bytes]:
    """The secrets of an identities file, or of a docker config.json, where they are encoded as well."""
    content = json.loads(file.read_text())
    if "auths" not in content:
        return [identity[key].encode() for identity in content.values() for key in ("password", "aadToken")]
    (auth,) = {entry["auth"] for entry in content["auths"].values()}
    return [auth.encode(), b64decode(auth).partition(b":")[2]]

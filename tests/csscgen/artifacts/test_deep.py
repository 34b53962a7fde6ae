"""The real Ratify, asked for what was seeded: what it has to accept, what to refuse, and what is named as wrong."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from csscgen.artifacts.deep import judge
from csscgen.artifacts.keys import Trust
from csscgen.artifacts.logins import read_login
from csscgen.artifacts.seeder import seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from csscgen.trusting import of_file
from infra.local.certificates import signing_certificate
from infra.local.sockets import free_ports
from tests.csscgen.artifacts.binaries import binary
from tests.csscgen.artifacts.verifying import credentials, running
from workloads.errors import ToolError
from workloads.naming import ImageSet

pytestmark = pytest.mark.real
SETS = [
    ImageSet(3, 2),
    ImageSet(2, 0),
    ImageSet(2, 2, variant="tampered-envelope"),
    ImageSet(1, 2, shard=1, variant="missing-blob", restored=True),
]


@pytest.fixture
def place(tmp_path, signer, waiter):
    """An emulator that wants logins, with images, and whom Ratify is to trust."""
    (port,) = free_ports(1)
    host = f"127.0.0.1:{port}"
    made = credentials(tmp_path, [host])
    argv = [sys.executable, "-m", "infra.local.registry", f"--port={port}", "--size=L", "--region=x"]
    push = made["push"] if isinstance(made["push"], str) else made["push"][0]
    with running([*argv, f"--identities={made['identities']}"], f"http://{host}/metrics", tmp_path / "log"):
        target = Target(host, logins=[read_login(Path(push), host)])
        key, certificate = signing_certificate("ES256", "a test")
        (tmp_path / "chain.pem").write_text(certificate)
        asyncio.run(seed(SETS, target, signer=LocalSigner(key, certificate), waiter=waiter))
        yield target, of_file(tmp_path / "chain.pem")


def test_ratify_judges_every_image_as_it_has_to(place):
    target, trust = place
    ratify = Path(binary("ratify"))
    judged = asyncio.run(judge(SETS, target, ratify=ratify, trust=trust))
    assert (judged.judged, judged.accepted, judged.refused, judged.signatures) == (8, 4, 4, 8)
    assert judged.problems == []
    assert asyncio.run(judge(SETS, target, ratify=ratify, trust=trust, sample=3)).judged == 3


def test_what_is_not_judged_as_it_has_to_be_is_named(place, tmp_path):
    target, trust = place
    ratify = Path(binary("ratify"))
    (tmp_path / "other.pem").write_text(signing_certificate("ES256", "another")[1])
    stranger = Trust(of_file(tmp_path / "other.pem").certificates, trust.policy)
    judged = asyncio.run(judge(SETS[:1], target, ratify=ratify, trust=stranger))
    assert judged.refused == 3 and all("Ratify refuses it: " in problem for problem in judged.problems)
    taken_for_bad = replace(SETS[0], variant="wrong-ca")
    object.__setattr__(taken_for_bad, "repository", SETS[0].repository)
    judged = asyncio.run(judge([taken_for_bad], target, ratify=ratify, trust=trust))
    assert judged.accepted == 3 and all("it has to refuse it" in problem for problem in judged.problems)


def test_a_ratify_that_does_not_run_is_told(tmp_path):
    target = Target("127.0.0.1:1")
    with pytest.raises(ToolError, match="Ratify did not start"):
        asyncio.run(judge([ImageSet(1, 1)], target, ratify=Path("/bin/false"), trust=Trust("", {})))

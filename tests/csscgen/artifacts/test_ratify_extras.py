"""What the real Ratify makes of images that have more than signatures attached to them."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from csscgen.artifacts.seeder import seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from infra.local.certificates import signing_certificate, signing_subject
from infra.local.sockets import free_ports
from tests.csscgen.artifacts.conftest import ELF
from tests.csscgen.artifacts.verifying import counts, running, verification
from workloads.naming import ImageSet
from workloads.referrers import SBOM_TYPES, Extra

pytestmark = pytest.mark.real

COMMON_NAME = "a test of extras"
EXTRAS = (*(Extra(each, 4096) for each in SBOM_TYPES), Extra("application/vnd.example.thing", 300_000, count=3))
CASES = {
    "nothing else": ImageSet(1, 2),
    "extras": ImageSet(1, 2, extras=EXTRAS),
    "extras alone": ImageSet(1, 0, extras=EXTRAS),
    "extras on a negative image": ImageSet(1, 2, variant="expired", extras=EXTRAS),
    "extras on a restored image": ImageSet(1, 2, variant="expired", restored=True, extras=EXTRAS),
}


@dataclass(frozen=True)
class World:
    """An emulator of a registry, somebody who signs, and the real Ratify."""

    host: str
    signer: LocalSigner
    waiter: Path
    verify: Callable[[str], Any]

    def seed(self, images: ImageSet) -> str:
        """The reference of the one image of a set, which is in the registry then."""
        asyncio.run(seed([images], Target(self.host), signer=self.signer, waiter=self.waiter))
        (reference,) = images.references(self.host)
        return reference

    def asked(self) -> Counter[str]:
        """What the registry was asked for so far, by category and status."""
        page = counts(self.host)
        return Counter({name: int(page[name]) for name in page if name.startswith("registry_requests_total")})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extras")
    (port,) = free_ports(1)
    host = f"127.0.0.1:{port}"
    argv = [sys.executable, "-m", "infra.local.registry", f"--port={port}", "--size=L", "--region=x"]
    key, certificate = signing_certificate("ES256", COMMON_NAME)
    waiter = folder / "waiter"
    waiter.write_bytes(ELF)
    identity = signing_subject(COMMON_NAME).rfc4514_string()
    with running(argv, f"http://{host}/metrics", folder / "log"):
        yield World(host, LocalSigner(key, certificate), waiter, verification(folder, certificate, identity, None))


@pytest.mark.parametrize("case", CASES)
def test_images_with_good_signatures_pass_and_all_others_are_refused(world, case):
    images = CASES[case]
    verdict = world.verify(world.seed(images))
    assert verdict.get("isSuccess", False) == (images.signatures > 0 and (images.variant is None or images.restored))
    # It looks at signatures alone: what it has no verifier for is not even in its report.
    reported = {each.get("artifactType") for each in verdict["verifierReports"]} - {None, ""}
    assert reported <= {"application/vnd.cncf.notary.signature"}, verdict


def test_what_ratify_has_no_verifier_for_costs_it_no_request(world):
    costs = []
    for images in (ImageSet(1, 3), ImageSet(1, 3, extras=EXTRAS)):
        reference = world.seed(images)
        before = world.asked()
        assert world.verify(reference)["isSuccess"]
        costs.append(world.asked() - before)
    assert costs[0] == costs[1]
    assert costs[0].total() >= 3 * 3 + 2

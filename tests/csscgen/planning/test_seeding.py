"""What seeding is planned to send, against what a registry sees of the real seeder."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from csscgen.artifacts.seeder import seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from csscgen.planning.seeding import seeding
from infra.local.certificates import signing_certificate
from infra.settings import Settings
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import ELF, FakeRegistry
from workloads.negatives import REFUSED_SIGNERS

SCENARIOS: dict[str, dict[str, Any]] = {
    "signed": {"containers": 4, "signatures": 3},
    "unsigned": {"containers": 4, "signatures": 0},
    "images of their own": {"containers": 3, "signatures": 2, "shards": 4, "uniqueImages": True},
    "negative": {
        "containers": 2,
        "signatures": 2,
        "shards": 12,
        "negatives": {"missing-blob": 0.1, "unsigned": 0.1, "sbom": 0.1, "expired": 0.1},
    },
}
CATEGORIES = {"HEAD": "read", "GET": "read", "PUT": "write", "POST": "write", "DELETE": "delete"}


@pytest.mark.parametrize("single_post", [True, False], ids=["whole blobs", "blobs in two requests"])
@pytest.mark.parametrize("case", SCENARIOS)
@asynchronous
async def test_the_registry_sees_the_requests_that_were_planned(case, single_post, tmp_path):
    platform = "local" if single_post else "azure"
    config = {"platform": platform, "sharedStack": "shared", "scenario": {"replicas": 12, **SCENARIOS[case]}}
    settings = Settings.read(config, "a test")
    shared = Settings.read({"platform": platform, "registry": {"login": "off"}}, "a test")
    waiter = tmp_path / "waiter"
    waiter.write_bytes(ELF + random.Random(0).randbytes(200_000))  # larger than what one request may hold
    names = [None, *REFUSED_SIGNERS]
    signers = {name: LocalSigner(*signing_certificate("ec-p256", str(name))) for name in names}
    async with FakeRegistry(single_post=single_post) as registry:
        await seed(
            settings.plan.image_sets,
            Target(registry.host),
            signer=signers.pop(None),
            refused={name: signer for name, signer in signers.items() if name},
            waiter=waiter,
        )
        seen: Counter[str] = Counter()
        for what, count in registry.seen.items():
            method, kind = what.split()
            seen["list_referrers" if kind == "referrers" else CATEGORIES[method]] += count
    planned = seeding(settings, shared).requests
    assert seen == Counter(
        {name: count for name in ("read", "write", "delete", "list_referrers") if (count := getattr(planned, name))}
    )


def test_an_image_with_signatures_is_one_write_and_three_for_each():
    def writes(signatures: int) -> int:
        config = {"platform": "azure", "sharedStack": "shared", "scenario": {"signatures": signatures}}
        return seeding(Settings.read(config, "a"), Settings.read({"platform": "azure"}, "a")).requests.write

    assert writes(6) - writes(5) == 10 * 3
    assert writes(5) == 10 * (1 + 3 * 5) + 3 * 2  # and the three blobs that all share

"""What seeding is planned to send, against what registries see of the real seeder."""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from csscgen.artifacts import client
from csscgen.artifacts.descriptors import IMAGE_MANIFEST, Descriptor
from csscgen.artifacts.logins import Login, read_login
from csscgen.artifacts.seeder import SeedReport, seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from csscgen.planning import seeding as counting
from csscgen.planning.abilities import Abilities
from csscgen.planning.bodies import Bodies
from csscgen.planning.data import model
from csscgen.planning.requests import Requests
from csscgen.planning.seeding import seeding
from infra.local.certificates import signing_certificate
from infra.local.sockets import free_ports
from infra.settings import Settings, Signing
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.artifacts.conftest import ELF, FakeRegistry
from tests.csscgen.artifacts.verifying import counts, credentials, running
from workloads.naming import ImageSet
from workloads.negatives import REFUSED_SIGNERS

REFERRERS = [
    {"artifactType": "application/spdx+json", "bytes": 2000, "share": 0.5},
    {"artifactType": "application/vnd.example.large", "bytes": 70_000, "count": 2, "share": 0.3},
]
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
    "restored": {"containers": 2, "signatures": 1, "shards": 2, "negatives": {"wrong-ca": 0.5}, "restored": "on"},
    "extra referrers": {"containers": 6, "signatures": 1, "shards": 2, "uniqueImages": True, "referrers": REFERRERS},
    "extra referrers alone": {"containers": 5, "signatures": 0, "referrers": REFERRERS},
}
CATEGORIES = {"HEAD": "read", "GET": "read", "PUT": "write", "POST": "write", "DELETE": "delete"}
PAGE = 3


def sets_of(case: str) -> list[ImageSet]:
    config = {"sharedStack": "shared", "scenario": {"replicas": 12, **SCENARIOS[case]}}
    return Settings.read(config, "a test").plan.image_sets


def exact(requests: Requests) -> dict[str, int]:
    return {name: count for name, count in asdict(requests).items() if count}


@dataclass
class Sower:
    """Seeds, with one key for each who signs."""

    folder: Path
    signers: dict[str | None, LocalSigner] = field(
        default_factory=lambda: {
            name: LocalSigner(*signing_certificate("ES256", str(name))) for name in (None, *REFUSED_SIGNERS)
        }
    )

    def __post_init__(self) -> None:
        self.waiter = self.folder / "waiter"
        self.waiter.write_bytes(ELF + random.Random(0).randbytes(200_000))  # more than what one request may hold

    async def seed(self, sets: list[ImageSet], target: Target) -> SeedReport:
        refused = {name: signer for name, signer in self.signers.items() if name}
        return await seed(sets, target, signer=self.signers[None], refused=refused, waiter=self.waiter)


@pytest.fixture(scope="module")
def sower(tmp_path_factory):
    return Sower(tmp_path_factory.mktemp("sower"))


FAKES = {
    "whole blobs": Abilities(whole_blobs=True),
    "blobs in two requests": Abilities(),
    "nothing is mounted": Abilities(whole_blobs=True, mounts=False),
    "no referrers API": Abilities(referrers_api=False),
    "short pages": Abilities(referrers_page=PAGE),
}


@pytest.mark.parametrize("can", FAKES.values(), ids=FAKES)
@pytest.mark.parametrize("case", SCENARIOS)
@asynchronous
async def test_a_registry_sees_the_requests_that_were_planned(sower, case, can):
    received = 0

    async def weigh(request: web.Request) -> None:
        nonlocal received
        body = await request.read()
        received += len(body)

    sets = sets_of(case)
    registry = FakeRegistry(
        single_post=can.whole_blobs,
        mounts=can.mounts,
        referrers_api=can.referrers_api,
        page_size=can.referrers_page,
        fault=weigh,
    )
    async with registry:
        report = await sower.seed(sets, Target(registry.host))
    seen: Counter[str] = Counter()
    for what, count in registry.seen.items():
        method, kind = what.split()
        seen["list_referrers" if kind == "referrers" else CATEGORIES[method]] += count
    planned = seeding(sets, can, Bodies())
    assert dict(seen) == exact(planned.requests)
    assert (report.images, report.pushed) == (planned.images, planned.manifests)
    layers = 1 if can.mounts else len(sets)  # the stand-in of the layer has another size than the real one
    stand_in = max(len(blob) for blob in registry.blobs.values() if blob[:2] == b"\x1f\x8b")
    assert received == pytest.approx(planned.bytes + layers * (stand_in - model().layer_bytes), rel=0.02)


EMULATORS = {
    "plain": Abilities(whole_blobs=True),
    "logins": Abilities(whole_blobs=True, login=True),
    "no referrers API": Abilities(whole_blobs=True, referrers_api=False),
    "short pages": Abilities(whole_blobs=True, referrers_page=PAGE),
}


@pytest.fixture(scope="module", params=EMULATORS)
def emulator(request, tmp_path_factory):
    """An emulator, what it can do, and who may push to it."""
    can = EMULATORS[request.param]
    folder = tmp_path_factory.mktemp("emulator")
    (port,) = free_ports(1)
    host = f"127.0.0.1:{port}"
    page = can.referrers_page if can.referrers_api else 0
    argv = [sys.executable, "-m", "infra.local.registry", f"--port={port}", "--size=L", "--region=x"]
    argv.append(f"--referrers-page={page}")
    login = None
    if can.login:
        made = credentials(folder, [host])
        argv.append(f"--identities={made['identities']}")
        login = read_login(Path(made["push"]), host)
    with running(argv, f"http://{host}/metrics", folder / "log"):
        yield host, can, login


def counted(host: str) -> Counter[str]:
    """What the emulator has counted so far, by the names of Requests."""
    found: Counter[str] = Counter()
    for name, count in counts(host).items():
        if name.startswith("registry_requests_total"):
            labels = dict(pair.split("=") for pair in name.partition("{")[2].rstrip("}").replace('"', "").split(","))
            refused = {"read": "read_challenges", "list_referrers": "list_challenges"}
            category, status = labels["category"], labels["status"]
            found[refused.get(category, category) if status == "401" else category] += int(count)
    return found


@pytest.mark.parametrize("case", SCENARIOS)
@asynchronous
async def test_the_emulator_counts_the_requests_that_were_planned(sower, emulator, case, tmp_path):
    host, can, login = emulator
    logins: list[Login] = [login] if login else []
    sets = sets_of(case)
    target = Target(host, logins=logins, journal=tmp_path / "journal")
    before = counted(host)
    await sower.seed(sets, target)
    between = counted(host)
    planned = seeding(sets, can, Bodies())
    assert dict(between - before) == exact(planned.requests)

    await sower.seed(sets, target)
    again = seeding(sets, can, Bodies(), complete=planned.images)
    seen, expected = dict(counted(host) - between), exact(again.requests)
    if not can.referrers_api:  # that there is none is found out by the first who reads a list: how many ask until then?
        assert seen.pop("list_referrers", 0) <= expected.pop("list_referrers", 0)
    assert seen == expected
    assert (again.manifests, again.bytes, again.requests.write) == (0, 0, 0)


@asynchronous
async def test_a_seeding_of_which_a_part_is_there_asks_for_the_rest(sower, emulator, tmp_path):
    """Whole sets of which some are there; of a set that is there in part it is an estimate."""
    host, can, login = emulator
    target = Target(host, logins=[login] if login else [], journal=tmp_path / "journal")
    sets = [ImageSet(7, 2, shard) for shard in range(4)]
    await sower.seed(sets[:2], target)
    before = counted(host)
    await sower.seed(sets, target)
    planned = seeding(sets, can, Bodies(), complete=14)
    assert dict(counted(host) - before) == exact(planned.requests)
    assert planned.manifests == 14 * 3


def test_the_figures_of_the_client_are_its_own():
    assert counting.CONCURRENCY == client.CONCURRENCY
    assert counting.SINGLE_POST_LIMIT == client.SINGLE_POST_LIMIT


def test_an_image_with_signatures_is_one_write_and_three_for_each():
    def writes(signatures: int) -> int:
        return seeding([ImageSet(10, signatures)], Abilities(), Bodies()).requests.write

    assert writes(6) - writes(5) == 10 * 3
    assert writes(5) == 10 * (1 + 3 * 5) + 3 * 2  # and the three blobs that all share


def test_a_second_identity_has_tokens_of_its_own():
    sets = [ImageSet(5, 2, shard) for shard in range(3)]
    one, two = (seeding(sets, Abilities(login=True), Bodies(), identities=count) for count in (1, 2))
    assert one.requests.oauth == 3 + 2  # for each repository, and for those that mount from the first
    assert replace(two.pushing, oauth=0) == replace(one.pushing, oauth=0)
    assert two.requests.oauth == 2 * one.requests.oauth


@pytest.mark.parametrize("algorithm", ["ES256", "ES512", "PS256"])
@pytest.mark.parametrize("envelope", ["jws", "cose"])
@pytest.mark.parametrize("intermediate", [False, True], ids=["one certificate", "a chain"])
def test_a_signature_has_the_bytes_that_were_measured(algorithm, envelope, intermediate):
    key, chain = signing_certificate(algorithm, "ratify-perf", intermediate=intermediate)
    images = ImageSet(1, 1)
    subject = Descriptor(IMAGE_MANIFEST, f"sha256:{'0' * 64}", 530)
    made = LocalSigner(key, chain, envelope=envelope).sign(subject, datetime.now(UTC))
    bodies = Bodies(Signing(algorithm=algorithm, envelope=envelope, intermediate=intermediate))
    planned = bodies.image(images, {None: 1}, Abilities()) - bodies.image(images, {}, Abilities())
    assert planned == pytest.approx(made.blob.descriptor.size + made.manifest.descriptor.size, rel=0.02)

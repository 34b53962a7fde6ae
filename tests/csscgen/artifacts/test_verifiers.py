"""Signatures of every algorithm, envelope and kind of chain, judged by the real Ratify and by notation's library.

Both are given what ``csscgen keys export`` writes.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from csscgen.artifacts import keys
from csscgen.artifacts.descriptors import Attachment, Descriptor
from csscgen.artifacts.seeder import seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from infra.local.certificates import ORGANIZATION, root_of, signing_certificate
from tests.csscgen.artifacts.verifying import Served, notation_verify, ratify_verify, serving
from workloads.algorithms import ALGORITHMS
from workloads.naming import ImageSet
from workloads.negatives import REFUSED_SIGNERS

pytestmark = pytest.mark.real

FORMS = {"jws": "application/jose+json", "cose": "application/cose"}
CASES = [
    *(("emulator", *case) for case in product(ALGORITHMS, FORMS, (False, True))),
    *(("distribution", *case) for case in product(ALGORITHMS, FORMS, (True,))),
]
COMMON_NAME = 'a load, "test" + more; #1'


@pytest.fixture(scope="module")
def registries(tmp_path_factory):
    with ExitStack() as held:
        kinds = ("emulator", "distribution")
        yield {kind: held.enter_context(serving(kind, tmp_path_factory.mktemp(kind))) for kind in kinds}


@dataclass(frozen=True)
class Limited:
    """A signer whose signatures are good for a day."""

    signer: LocalSigner
    remote = False

    @property
    def thumbprints(self) -> str:
        return self.signer.thumbprints

    def sign(self, subject: Descriptor, at: datetime, expiry: datetime | None = None) -> Attachment:
        return self.signer.sign(subject, at, expiry or at + timedelta(days=1))


@dataclass(frozen=True)
class Judged:
    """What the two say of an image: whether it is good, and each reason why not."""

    ratify: tuple[bool, list[str]]
    notation: tuple[list[str], list[str]]
    """Media types, and errors."""


@dataclass(frozen=True)
class Seeded:
    registry: Served
    shard: int
    folder: Path

    def judge(self, images: ImageSet) -> Judged:
        (reference,) = replace(images, shard=self.shard).references(self.registry.host)
        told = ratify_verify(self.folder / "ratify" / "config.json", reference)
        reasons = [each["errorReason"] for each in told["verifierReports"] if not each["isSuccess"]]
        signatures = notation_verify(self.folder / "notation", reference)["signatures"]
        errors = [each["error"] for each in signatures if each["error"] is not None]
        return Judged((told.get("isSuccess", False), reasons), ([each["mediaType"] for each in signatures], errors))


GENUINE, LIMITED = ImageSet(1, 2), ImageSet(1, 3)
BAD = {kind: ImageSet(1, 1, variant=kind) for kind in ("tampered-envelope", "expired", *REFUSED_SIGNERS)}


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def seeded(request, registries, waiter, tmp_path):
    """Images signed by the genuine signer and by those who are refused, with the trust store of a shared stack."""
    kind, algorithm, envelope, intermediate = request.param
    shard = CASES.index(request.param)

    def made(**how: Any) -> tuple[str, str]:
        return signing_certificate(algorithm, COMMON_NAME, intermediate=intermediate, **how)

    genuine = made()
    others = {
        name: made(organization=ORGANIZATION if who.has_genuine_name else f"{ORGANIZATION}-{name}", expired=who.expired)
        for name, who in REFUSED_SIGNERS.items()
    }
    signer = LocalSigner(*genuine, envelope=envelope)
    refused = {name: LocalSigner(*pair, envelope=envelope, expired=True) for name, pair in others.items()}
    registry = registries[kind]

    def push(by: Any, *sets: ImageSet) -> None:
        own = [replace(images, shard=shard) for images in sets]
        asyncio.run(seed(own, Target(registry.host), signer=by, refused=refused, waiter=waiter))

    push(signer, GENUINE, *BAD.values())
    push(Limited(signer), LIMITED)
    trusted = [others[name][1] for name, who in REFUSED_SIGNERS.items() if who.in_trust_store]
    trust = keys.trust_of_chain(genuine[1])
    trust = replace(trust, certificates="".join(map(root_of, [genuine[1], *trusted])), plain_http=True)
    keys.export(keys.for_notation(trust), tmp_path / "notation")
    keys.export(keys.for_ratify(trust, tmp_path / "ratify"), tmp_path / "ratify")
    return Seeded(registry, shard, tmp_path), FORMS[envelope]


REASONS = {
    "tampered-envelope": "signature is invalid. Error: .*verification error|.*signature is invalid.*",
    "expired": "digital signature has expired on .*",
    "expired-certificate": ".*verification time is after certificate .* validity period, it was expired at .*",
    "wrong-ca": ".*certificate chain does not contain any trusted certificate.*",
    "revoked": ".*does not match the X.509 trusted identities .*",
}


def test_both_verifiers_accept_what_is_genuine_and_refuse_what_is_not(seeded):
    there, media_type = seeded
    for images in (GENUINE, LIMITED):
        found = there.judge(images)
        assert found == Judged((True, []), ([media_type] * images.signatures, []))
    for kind, images in BAD.items():
        found = there.judge(images)
        (good, (reason,)), (types, (error,)) = found.ratify, found.notation
        assert not good and types == [media_type]
        assert re.fullmatch(REASONS[kind], reason), reason
        assert re.fullmatch(REASONS[kind], error), error

"""A seeding that is killed at any moment: the next one goes on, and no image has a signature too many or too few."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter

import pytest

from csscgen.artifacts.seeder import seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from csscgen.artifacts.verifying import verify
from csscgen.concurrency import for_each
from infra.local.certificates import signing_certificate
from infra.local.sockets import free_ports
from tests.csscgen.artifacts.verifying import ROOT, running
from workloads.naming import ImageSet

SETS = [ImageSet(40, 3), ImageSet(10, 2, shard=1, variant="sbom"), ImageSet(5, 0)]
SEEDER = """
import asyncio, json, sys
from pathlib import Path
from csscgen.artifacts.seeder import seed
from csscgen.artifacts.signing import LocalSigner
from csscgen.artifacts.targets import Target
from tests.csscgen.artifacts.test_killed import SETS
folder, host, journal = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
signer = LocalSigner((folder / "key").read_text(), (folder / "chain").read_text())
target = Target(host, journal=Path(journal) if journal else None)
print("began", flush=True)
asyncio.run(seed(SETS, target, signer=signer, waiter=folder / "waiter", concurrency=8))
"""


@pytest.mark.parametrize("remembers", [True, False], ids=["with its journal", "without a journal"])
@pytest.mark.parametrize("page", [100, 0], ids=["referrers-api", "referrers-tag"])
def test_it_goes_on_after_a_kill_and_signs_nothing_twice(tmp_path, waiter, page, remembers):
    (port,) = free_ports(1)
    host = f"127.0.0.1:{port}"
    key, chain = signing_certificate("ES256", "a test")
    (tmp_path / "key").write_text(key)
    (tmp_path / "chain").write_text(chain)
    journal = tmp_path / "journal" if remembers else None
    emulator = [sys.executable, "-m", "infra.local.registry", f"--port={port}", "--size=L", "--region=x"]
    words = [sys.executable, "-c", SEEDER, str(tmp_path), host, str(journal or "")]
    moments = random.Random(page + remembers)
    with running([*emulator, f"--referrers-page={page}"], f"http://{host}/metrics", tmp_path / "log"):
        for _ in range(4):
            process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None and process.stdout.readline() == "began\n"
            time.sleep(moments.uniform(0.02, 0.3))
            process.kill()
            process.wait()
            process.stdout.close()
        target = Target(host, journal=journal)
        signer = LocalSigner(key, chain)

        async def finish() -> None:
            report = await seed(SETS, target, signer=signer, waiter=waiter)
            assert (report.images, report.signatures) == (55, 120)
            assert (await seed(SETS, target, signer=signer, waiter=waiter)).pushed == 0
            found = await verify(SETS, target, waiter=waiter)
            assert (found.problems, found.attachments) == ([], 140)

        asyncio.run(finish())
        counts = asyncio.run(signatures(host, page))
    if page:  # where lists are tags, a kill before the list is written leaves manifests that nobody lists
        assert counts == Counter({3: 40, 0: 15})


async def signatures(host: str, page: int) -> Counter[int]:
    """How many images have how many signatures, by the registry's own lists."""
    found: Counter[int] = Counter()
    async with Target(host).client() as client:

        async def look(item: tuple[str, str]) -> None:
            digest = await client.head_manifest(*item)
            assert digest is not None
            kinds = [json.dumps(entry) for entry in await client.referrers(item[0], digest)]
            found[sum("vnd.cncf.notary.signature" in each for each in kinds)] += 1

        await for_each([(images.repository, tag) for images in SETS for tag in images.tags], look, 8)
    return found

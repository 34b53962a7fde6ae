"""csscgen artifacts without a stack: seed, verify, list, prune, by the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.certificates import signing_certificate
from tests.csscgen.artifacts.conftest import FakeRegistry
from tests.csscgen.commands import csscgen
from tests.csscgen.servers import in_background
from tests.csscgen.worlds import stand_in_tools
from workloads.naming import ImageSet

NAME = ImageSet(3, 2).repository
IMAGES = ("-c", "3", "--num-referrers", "2")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder, stand-ins of tools, and a key."""
    monkeypatch.setenv("CSSCGEN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/nonexistent")
    stand_in_tools()
    key, certificate = signing_certificate("ES256", "a test")
    (tmp_path / "key.pem").touch(mode=0o600)
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "chain.pem").write_text(certificate)
    return tmp_path


@pytest.fixture(params=[True, False], ids=["referrers-api", "referrers-tag"])
def registry(request: pytest.FixtureRequest) -> Iterator[FakeRegistry]:
    with in_background(FakeRegistry(referrers_api=request.param)) as registry:
        yield registry


@pytest.fixture
def artifacts(place: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command on registries and returns its JSON."""

    def run(command: str, *words: str, code: int = 0) -> Any:
        keys = ("--key", str(place / "key.pem"), "--certificate", str(place / "chain.pem"))
        got, out, err = csscgen(
            capsys, "artifacts", command, *words, "--json", "--quiet", *(keys if command == "seed" else ())
        )
        assert got == code, err
        return json.loads(out)

    return run


def test_several_registries_are_seeded_read_back_listed_and_emptied_at_once(artifacts):
    with in_background(FakeRegistry()) as one, in_background(FakeRegistry(referrers_api=False)) as other:
        both = ("--registry-host", one.host, "--registry-host", other.host)
        reports = artifacts("seed", *both, *IMAGES)
        assert [(each["registry"], each["pushed"], each["signatures"]) for each in reports] == [
            (one.host, 9, 6),
            (other.host, 9, 6),
        ]
        assert [each["pushed"] for each in artifacts("seed", *both, *IMAGES)] == [0, 0]
        assert [each["problems"] for each in artifacts("verify", *both, *IMAGES)] == [[], []]
        rows = artifacts("list", *both)
        assert [(row["registry"], row["repository"], row["images"], row["attachments"]) for row in rows] == [
            (one.host, NAME, 3, {"signature": 6}),
            (other.host, NAME, 3, {"signature": 6}),
        ]
        assert all(row["bytes"] > 6 * 1000 for row in rows)
        assert [each["images"] for each in artifacts("prune", *both, "--all", "--dry-run")] == [3, 3]
        assert one.signatures(NAME) and other.signatures(NAME)
        pruned = artifacts("prune", *both, "--all")
        assert [(each["images"], each["attachments"], each["repositories"]) for each in pruned] == [(3, 6, [NAME])] * 2
        assert not one.manifests and not other.manifests
        assert [each["pushed"] for each in artifacts("seed", *both, *IMAGES)] == [9, 9]


def test_what_is_missing_is_named_and_the_exit_code_tells(artifacts, registry, place, capsys):
    host = ("--registry-host", registry.host)
    artifacts("seed", *host, *IMAGES)
    del registry.manifests[NAME, "2"]
    (found,) = artifacts("verify", *host, *IMAGES, code=1)
    assert found["problems"] == [f"{NAME}:2: the image is missing"]
    code, _, err = csscgen(capsys, "artifacts", "verify", *host, *IMAGES, "--quiet")
    assert code == 1
    assert "does not hold what it should:\n  - 3-containers-2-referrers:2: the image is missing" in err


def test_images_of_their_own_for_each_workload(artifacts, registry):
    (report,) = artifacts(
        "seed", "--registry-host", registry.host, "-c", "1", "--num-referrers", "1", "--shards", "4", "--unique-images"
    )
    assert report["images"] == 4
    rows = artifacts("list", "--registry-host", registry.host)
    assert [row["repository"] for row in rows] == [ImageSet(1, 1, shard).repository for shard in range(4)]


def test_images_that_are_too_many_are_pruned_and_those_of_the_plan_are_kept(artifacts, registry):
    host = ("--registry-host", registry.host)
    artifacts("seed", *host, *IMAGES)
    registry.manifests[NAME, "4"] = registry.manifests[NAME, "extra"] = registry.manifests[NAME, "3"]
    kept = len(registry.signatures(NAME))
    (pruned,) = artifacts("prune", *host, *IMAGES)
    assert (pruned["images"], pruned["attachments"]) == (2, 0)
    assert {tag for _, tag in registry.manifests if ":" not in tag and not tag.startswith("sha256-")} == set("123")
    assert len(registry.signatures(NAME)) == kept
    assert artifacts("verify", *host, *IMAGES)[0]["problems"] == []


def test_images_of_another_name_are_neither_listed_nor_pruned(artifacts, registry):
    host = ("--registry-host", registry.host)
    artifacts("seed", *host, *IMAGES)
    registry.manifests["theirs", "1"] = registry.manifests[NAME, "1"]
    assert [row["repository"] for row in artifacts("list", *host)] == [NAME]
    artifacts("prune", *host, "--all")
    assert {name for name, _ in registry.manifests} == {"theirs"}


def test_the_journal_names_the_repositories_of_a_registry_that_does_not(artifacts, registry):
    from aiohttp import web

    async def silent(request: web.Request) -> web.Response | None:
        return web.Response(status=403) if request.path == "/v2/_catalog" else None

    host = ("--registry-host", registry.host)
    artifacts("seed", *host, *IMAGES)
    registry.fault = silent
    assert [row["repository"] for row in artifacts("list", *host)] == [NAME]


def test_what_was_seeded_is_told_in_words(place, registry, capsys):
    code, out, err = csscgen(capsys, "artifacts", "seed", "--registry-host", registry.host, "-c", "2", *ZERO)
    assert code == 0
    assert f"{registry.host}: 2 images with 0 signatures: 2 manifests pushed, 0 were there;" in out
    assert "The images are left unsigned" in err


ZERO = ("--num-referrers", "0")


def test_signatures_of_images_without_a_stack_can_be_cose(artifacts, registry):
    host = ("--registry-host", registry.host)
    artifacts("seed", *host, *IMAGES, "--envelope", "cose")
    assert [each["problems"] for each in artifacts("verify", *host, *IMAGES)] == [[]]
    envelopes = [data for data in registry.blobs.values() if data.startswith(b"\xd2\x84")]
    assert len(envelopes) == 6

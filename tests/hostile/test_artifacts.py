"""Words, files and places that csscgen artifacts cannot work with: a sentence for each, and nothing touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.certificates import signing_certificate
from tests.csscgen.artifacts.conftest import FakeRegistry
from tests.csscgen.servers import in_background
from tests.csscgen.worlds import stand_in_tools
from tests.hostile.cases import Case, Csscgen, assert_refused
from tests.hostile.conftest import Project
from tests.hostile.test_registries import hasty as hasty

HERE = ("--registry-host", "127.0.0.1:1")
IMAGES = ("-c", "1", "--num-referrers", "1")
KEYS = ("--key", "key.pem", "--certificate", "chain.pem")


@pytest.fixture(autouse=True)
def place(project: Project) -> Iterator[Project]:
    stand_in_tools()
    key, certificate = signing_certificate("ES256", "a test")
    other = signing_certificate("ES256", "another")[1]
    for name, text in {"key.pem": key, "chain.pem": certificate, "other.pem": other, "none.pem": "nothing"}.items():
        (project.root / name).touch(mode=0o600)
        (project.root / name).write_text(text)
    (project.root / "config.json").write_text('{"auths": {"elsewhere": {"auth": "QQ=="}}}')
    (project.root / "folder").mkdir()
    yield project


WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "nothing to work on": (IMAGES, ("either --stack NAME, or --registry-host HOST",)),
    "both": (("--stack", "local-S", *HERE, *IMAGES), ("either --stack NAME, or --registry-host HOST",)),
    "no images": ((*HERE, "-c", "0", "--num-referrers", "1"), ("no images", "give 1 or more")),
    "images below zero": ((*HERE, "-c", "-5", "--num-referrers", "1"), ("no images", "give 1 or more")),
    "a million images": ((*HERE, "-c", "1000000", "--num-referrers", "1"), ("1,000,000 images, more than",)),
    "10,000 signatures": ((*HERE, "-c", "1", "--num-referrers", "10000"), ("--num-referrers 10000 is not from 0 to",)),
    "how many is not said": ((*HERE, "-c", "1"), ("Say which images",)),
    "no shards": ((*HERE, *IMAGES, "--shards", "0"), ("--shards 0 is not from 1 to 1,000",)),
    "images of a stack by option": (("--stack", "local-S", *IMAGES), ("scenario.containers=N",)),
    "settings without a stack": ((*HERE, *IMAGES, "--set", "registry.size=S"), ("are of a stack",)),
    "a registry that everybody shares": (("--registry-host", "docker.io", *IMAGES), ("that everybody shares",)),
    "one of several that everybody shares": (
        (*HERE, "--registry-host", "ghcr.io", *IMAGES),
        ("The registry ghcr.io is one that everybody shares",),
    ),
    "a registry that is no address": (
        ("--registry-host", "http://x/y", *IMAGES),
        ("is not the address of a registry",),
    ),
    "nobody's login": ((*HERE, *IMAGES, "--credentials", "config.json"), ("config.json has no login to 127.0.0.1:1",)),
    "a login that is not there": ((*HERE, *IMAGES, "--credentials", "none.json"), ("none.json cannot be read",)),
    "a login in a folder": ((*HERE, *IMAGES, "--credentials", "folder"), ("folder cannot be read",)),
}


@pytest.mark.parametrize("command", ["seed", "verify", "prune"])
@pytest.mark.parametrize("name", WORDS)
def test_words(csscgen: Csscgen, command: str, name: str) -> None:
    words, says = WORDS[name]
    words = tuple(str(Path.cwd() / word) if word == "config.json" else word for word in words)
    assert_refused(csscgen("artifacts", command, *words, "--quiet"), Case("", says))


SIGNERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "nobody": ((), ("Say who signs", "csscgen keys create")),
    "a key alone": (("--key", "key.pem"), ("Say who signs",)),
    "a key that is not there": (("--key", "no.pem", "--certificate", "chain.pem"), ("no.pem cannot be read",)),
    "a certificate that is not there": (("--key", "key.pem", "--certificate", "no.pem"), ("no.pem cannot be read",)),
    "a key that is none": (("--key", "none.pem", "--certificate", "chain.pem"), ("signing key cannot be read",)),
    "a certificate that is none": (("--key", "key.pem", "--certificate", "none.pem"), ("cannot be read",)),
    "a key of another certificate": (("--key", "key.pem", "--certificate", "other.pem"), ("does not belong to",)),
}


@pytest.mark.parametrize("name", SIGNERS)
def test_signers(csscgen: Csscgen, name: str) -> None:
    words, says = SIGNERS[name]
    assert_refused(csscgen("artifacts", "seed", *HERE, *IMAGES, *words, "--quiet"), Case("", says))


@pytest.mark.parametrize("command", ["seed", "verify", "list", "prune"])
def test_a_registry_that_is_away(csscgen: Csscgen, command: str) -> None:
    words = (*HERE, *(KEYS if command == "seed" else ()), *(IMAGES if command != "list" else ()))
    says = "does not tell which repositories it has" if command == "list" else "failed"
    assert_refused(csscgen("artifacts", command, *words, "--quiet"), Case("", ("The registry 127.0.0.1:1", says), 1))


def test_one_registry_that_is_away_holds_up_no_other(csscgen: Csscgen) -> None:
    with in_background(FakeRegistry()) as registry:
        said = csscgen(
            "artifacts", "seed", *HERE, "--registry-host", registry.host, *IMAGES, *KEYS, "--quiet", "--profile", "none"
        )
        assert_refused(said, Case("", ("127.0.0.1:1 failed", f"Nothing failed in {registry.host}"), 1))
        assert len(registry.signatures("1-containers-1-referrers")) == 1


def journal(project: Project, host: str) -> Path:
    return project.state / "seeded" / f"{host.replace(':', '_')}.jsonl"


@pytest.mark.parametrize("what", ["a folder in its place", "a file in its folder's place", "another file"])
def test_a_journal_that_cannot_be_written(csscgen: Csscgen, place: Project, what: str) -> None:
    with in_background(FakeRegistry()) as registry:
        file = journal(place, registry.host)
        if what == "a folder in its place":
            file.mkdir(parents=True)
        elif what == "a file in its folder's place":
            place.state.mkdir(exist_ok=True)
            file.parent.touch()
        else:
            file.parent.mkdir(parents=True)
            file.write_text("somebody's notes\n")
        said = csscgen("artifacts", "seed", "--registry-host", registry.host, *IMAGES, *KEYS, "--quiet")
        assert_refused(said, Case("", (str(file), "journal")))
        assert registry.seen.total() == 0


def test_a_deep_verification_without_anybody_to_trust(csscgen: Csscgen) -> None:
    words = ("artifacts", "verify", *HERE, *IMAGES, "--quiet")
    assert_refused(csscgen(*words, "--deep"), Case("", ("whom Ratify is to trust",)))
    assert_refused(csscgen(*words, "--sample", "5"), Case("", ("--sample is for --deep",)))

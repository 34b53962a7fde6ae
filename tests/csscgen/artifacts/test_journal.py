"""The journal of a seeding: what it knows after a kill, and what it says of files that are none of it."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csscgen.artifacts import journal as journals
from csscgen.artifacts.journal import Journal, lines, opened
from tests.csscgen.artifacts.asynchronous import asynchronous
from workloads.errors import SeedError, UsageError

HOST = "127.0.0.1:5000"
DIGEST = f"sha256:{'a' * 64}"
SIGNATURES = [f"sha256:{digit * 64}" for digit in "123"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seeded" / "journal.jsonl"


def complete(journal: Journal, tag: str = "1", count: int = 3) -> None:
    journal.complete("a", tag, DIGEST, {None: SIGNATURES[:count]})


@asynchronous
async def test_what_was_written_is_known_to_the_next(file):
    async with opened(file, HOST) as journal:
        complete(journal)
        journal.complete("a", "2", DIGEST, {None: [], "sbom": SIGNATURES})
    async with opened(file, HOST) as journal:
        assert journal.has("a", "1", DIGEST, {None: 3})
        assert journal.has("a", "2", DIGEST, {"sbom": 3})
        assert journal.attached("a", "1", SIGNATURES[::-1])
        assert not journal.has("a", "1", DIGEST, {None: 2})
        assert not journal.has("a", "1", DIGEST, {None: 3, "sbom": 1})
        assert not journal.has("a", "1", SIGNATURES[0], {None: 3})
        assert not journal.attached("a", "1", SIGNATURES[:2])
        assert not journal.has("b", "1", DIGEST, {None: 3})
        assert journal.mentions("a", "1") and not journal.mentions("a", "3")


@asynchronous
async def test_the_last_word_on_an_image_counts(file):
    async with opened(file, HOST) as journal:
        complete(journal, count=1)
        complete(journal)
        complete(journal, "2")
        journal.forget("a", "2")
        journal.complete("b", "1", DIGEST, {})
        journal.complete("b", "2", DIGEST, {})
        journal.forget("b")
    async with opened(file, HOST) as journal:
        assert journal.has("a", "1", DIGEST, {None: 3})
        assert not journal.mentions("a", "2")
        assert journal.repositories == ["a"]


@pytest.mark.parametrize("cut", [1, 20, 200])
@asynchronous
async def test_a_line_that_a_kill_tore_is_passed_over(file, cut):
    async with opened(file, HOST) as journal:
        complete(journal)
        complete(journal, "2")
    file.write_bytes(file.read_bytes()[:-cut])
    async with opened(file, HOST) as journal:
        assert journal.has("a", "1", DIGEST, {None: 3})
        complete(journal, "3")
    async with opened(file, HOST) as journal:
        assert journal.has("a", "3", DIGEST, {None: 3})
        assert journal.mentions("a", "2") == (cut == 1)


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 500,
        bytes(range(256)),
        b"[1]\n",
        b'{"repository": 5}\n',
        b'{"repository": "a", "tag": "1"}\n',
        b"[" * 9999,
    ],
    ids=["zeros", "binary", "a list", "a number", "half of it", "deep"],
)
@asynchronous
async def test_lines_that_are_none_are_passed_over(file, damage):
    async with opened(file, HOST) as journal:
        complete(journal)
    file.write_bytes(file.read_bytes() + damage + b"\n" + file.read_bytes().splitlines(keepends=True)[1])
    async with opened(file, HOST) as journal:
        assert journal.has("a", "1", DIGEST, {None: 3})


@pytest.mark.parametrize("there", [0, 1, 30])
@asynchronous
async def test_a_first_line_that_was_cut_off_is_written_again(file, there):
    async with opened(file, HOST):
        pass
    header = file.read_bytes()
    file.write_bytes(header[:there])
    async with opened(file, HOST) as journal:
        complete(journal)
    assert file.read_bytes().startswith(header)


FOREIGN = {
    "of another registry": (
        b'{"format":"csscgen seeding journal 1","registry":"other"}\n',
        "is one of the registry other",
    ),
    "of another version": (b'{"format":"csscgen seeding journal 9","registry":"x"}\n', "is one of another version"),
    "something else": (b"[core]\n  bare = false\n", "is none. Remove it, or move it away"),
    "binary": (bytes(range(256)) * 100, "is none"),
    "10 MB on a line": (b"x" * 10_000_000, "is none"),
}


@pytest.mark.parametrize("name", FOREIGN)
@asynchronous
async def test_a_file_that_is_something_else_is_told_and_left_alone(file, name):
    content, says = FOREIGN[name]
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(UsageError, match=says):
        async with opened(file, HOST):
            pass
    assert file.read_bytes() == content


@asynchronous
async def test_a_place_that_cannot_be_written_is_told_before_anything_is_done(tmp_path):
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    for place in (tmp_path / "a file" / "journal", tmp_path / "a folder", Path("/proc/journal")):
        with pytest.raises(UsageError, match="cannot be written: .* CSSCGEN_STATE"):
            async with opened(place, HOST):
                pass


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file of this process grows beyond a size, in bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@asynchronous
async def test_a_disk_that_is_full_is_told_at_once_and_what_was_written_is_known(file):
    async with opened(file, HOST) as journal:
        complete(journal)
        with room(file.stat().st_size + 50), pytest.raises(SeedError, match="cannot be written: .*Make room"):
            complete(journal, "2")
    async with opened(file, HOST) as journal:
        assert journal.mentions("a", "1") and not journal.mentions("a", "2")
        complete(journal, "3")
    async with opened(file, HOST) as journal:
        assert journal.mentions("a", "3")


@asynchronous
async def test_one_that_is_mostly_superseded_is_written_anew(file, monkeypatch):
    monkeypatch.setattr(journals, "SPARE_LINES", 10)
    async with opened(file, HOST) as journal:
        for _ in range(20):
            complete(journal)
            complete(journal, "2")
        complete(journal, "3")
        journal.forget("a", "3")
    size = file.stat().st_size
    async with opened(file, HOST) as journal:
        assert len(list(lines(file))) == 2
        assert file.stat().st_size < size / 10
        complete(journal, "4")
    async with opened(file, HOST) as journal:
        assert [journal.mentions("a", tag) for tag in "1234"] == [True, True, False, True]
    assert sorted(each.name for each in file.parent.iterdir()) == [file.name]


@asynchronous
async def test_a_second_seeding_of_a_registry_waits_for_the_first(file, monkeypatch):
    monkeypatch.setattr(journals, "POLL_SECONDS", 0.01)
    waits = 0

    def wait() -> None:
        nonlocal waits
        waits += 1

    async def second() -> bool:
        async with opened(file, HOST, wait) as journal:
            return journal.mentions("a", "1")

    async with opened(file, HOST) as journal:
        other = asyncio.create_task(second())
        while not waits:
            await asyncio.sleep(0.01)
        complete(journal)
    assert await other


def test_without_a_file_it_is_only_in_memory():
    journal = Journal()
    complete(journal)
    assert journal.attached("a", "1", SIGNATURES)


@asynchronous
async def test_sixty_thousand_digests_take_a_few_megabytes(file):
    import tracemalloc

    file.parent.mkdir()
    header = json.dumps({"format": journals.FORMAT, "registry": HOST}, separators=(",", ":"))
    with file.open("w") as target:
        target.write(header + "\n")
        for number in range(10_000):
            digests = [f"sha256:{number * 5 + each:064x}" for each in range(5)]
            line = {"repository": "a", "tag": str(number), "digest": DIGEST, "attached": [[None, digests]]}
            target.write(json.dumps(line) + "\n")
    tracemalloc.start()
    async with opened(file, HOST) as journal:
        current, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert journal.mentions("a", "9999")
    assert sys.getsizeof(journal) < 1000
    assert current < 5e6 and peak < 8e6

"""The journal of a seeding: which images a registry has been given in full, so that it need not be asked again.

A file of JSON lines that is only appended to: first what it is and of which registry, then a line for each image that
is complete, with the digests of what is attached to it, and a line for what is so no more. A line is written when the
registry has acknowledged all of it, so that a kill loses questions and not knowledge; what a kill tore is passed over,
like any line that cannot be read, because the registry is the truth and is asked about what is not here. One seeding
at a time has the journal of a registry: two that know nothing of each other would sign twice.

In memory an image is two fingerprints of 16 bytes. Without a file all of it is only in memory.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from analysis.shapes import Fault, entries, fault, items, maybe, text
from workloads.errors import SeedError, UsageError, named

FORMAT = "csscgen seeding journal 1"
LONGEST_HEADER = 4096
POLL_SECONDS = 0.2
SPARE_LINES = 1000
"""Superseded lines that a journal may have beside as many as are good, before it is written anew."""
Attached = Mapping[str | None, Sequence[str]]
"""The digests of what is attached to an image, by kind."""


def _pair(value: Any) -> Fault | None:
    if not isinstance(value, list) or len(value) != 2:
        return fault(value)
    return maybe(text)(value[0]) or items(text)(value[1])


COMPLETE = entries({"repository": text, "tag": text, "digest": text, "attached": items(_pair)})
GONE = entries({"repository": text, "gone": maybe(text)})
"""The forms of a line: of an image that is complete, and of one that is so no more (all of a repository if null)."""


@asynccontextmanager
async def opened(
    file: Path | None, registry: str, on_wait: Callable[[], None] = lambda: None
) -> AsyncIterator[Journal]:
    """The journal of a registry, for one seeding; ``on_wait`` is called now and then while another has it.

    Raises UsageError if the file cannot be written, or is none of this registry's.
    """
    if file is None:
        yield Journal()
        return
    while (handle := _locked(file)) is None:
        on_wait()
        await asyncio.sleep(POLL_SECONDS)
    journal = Journal(file, handle)
    try:
        journal._load(registry)
        yield journal
    finally:
        journal._close()


class Journal:
    """Of one registry. Opened by :func:`opened`; without a file it is forgotten with this object."""

    def __init__(self, file: Path | None = None, handle: int = -1) -> None:
        self._file = file
        self._handle = handle
        self._known: dict[str, dict[str, bytes]] = {}

    @property
    def repositories(self) -> list[str]:
        """Those that have a complete image."""
        return [repository for repository, tags in self._known.items() if tags]

    def mentions(self, repository: str, tag: str) -> bool:
        """Whether an image was complete, whatever is wanted of it now."""
        return tag in self._known.get(repository, ())

    def has(self, repository: str, tag: str, digest: str, counts: Mapping[str | None, int]) -> bool:
        """Whether an image is complete with this digest and so many attachments of each kind."""
        known = self._known.get(repository, {}).get(tag)
        return known is not None and known[:16] == _image(digest, counts)

    def attached(self, repository: str, tag: str, digests: Sequence[str]) -> bool:
        """Whether these are the digests of what was attached to an image; their order does not matter."""
        known = self._known.get(repository, {}).get(tag)
        return known is not None and known[16:] == _digests(digests)

    def complete(self, repository: str, tag: str, digest: str, attached: Attached) -> None:
        """The registry has acknowledged an image and all that is attached to it. Raises SeedError if the file cannot
        be written."""
        self._known.setdefault(repository, {})[tag] = _record(digest, attached)
        if self._file is not None:
            pairs = [[kind, list(digests)] for kind, digests in attached.items()]
            self._append({"repository": repository, "tag": tag, "digest": digest, "attached": pairs})

    def forget(self, repository: str, tag: str | None = None) -> None:
        """An image of a repository is complete no more; none of them is if ``tag`` is None."""
        if self._forget(repository, tag) and self._file is not None:
            self._append({"repository": repository, "gone": tag})

    def _forget(self, repository: str, tag: str | None) -> bool:
        if tag is None:
            return bool(self._known.pop(repository, None))
        return self._known.get(repository, {}).pop(tag, None) is not None

    def _append(self, line: dict[str, Any]) -> None:
        data = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        try:
            if os.write(self._handle, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise SeedError(
                f"The journal of the seeding, {self._file}, cannot be written: {error.strerror}. Make room, or name "
                "another folder with CSSCGEN_STATE, and seed again: it goes on with what the registry has."
            ) from error

    def _load(self, registry: str) -> None:
        """Read what is there, end a line that a kill tore, and write anew what is mostly superseded."""
        assert self._file is not None
        header = orjson.dumps({"format": FORMAT, "registry": registry}, option=orjson.OPT_APPEND_NEWLINE)
        try:
            found = os.pread(self._handle, LONGEST_HEADER, 0)
            if header.startswith(found):  # new, or cut off before its first line was whole
                os.ftruncate(self._handle, 0)
                if os.write(self._handle, header) < len(header):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return
            if not found.startswith(header):
                raise _foreign(self._file, registry, found)
            lines = self._read()
            size = os.fstat(self._handle).st_size
            if os.pread(self._handle, 1, size - 1) != b"\n":
                os.write(self._handle, b"\n")
            good = sum(map(len, self._known.values()))
            if lines > 2 * good + SPARE_LINES:
                self._compact(header)
        except OSError as error:
            raise _unwritable(self._file, error) from error

    def _read(self) -> int:
        """Take in every line that can be read; how many lines there are."""
        count = 0
        assert self._file is not None
        for line in lines(self._file):
            count += 1
            if "digest" in line:
                record = _record(line["digest"], {kind: digests for kind, digests in line["attached"]})
                self._known.setdefault(line["repository"], {})[line["tag"]] = record
            else:
                self._forget(line["repository"], line["gone"])
        return count

    def _compact(self, header: bytes) -> None:
        """Write the journal anew without the lines that others superseded, and put it in the place of the old one."""
        assert self._file is not None
        draft = self._file.with_name(f"{self._file.name}.tmp")
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        written: set[tuple[str, str]] = set()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with open(handle, "wb", closefd=False) as target:
                target.write(header)
                for line in lines(self._file):
                    if "digest" not in line:
                        continue
                    key = line["repository"], line["tag"]
                    record = _record(line["digest"], {kind: digests for kind, digests in line["attached"]})
                    if key not in written and self._known.get(key[0], {}).get(key[1]) == record:
                        written.add(key)
                        target.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            os.replace(draft, self._file)
        except OSError:
            os.close(handle)
            draft.unlink(missing_ok=True)
            return  # it is as good as it was, only longer
        os.close(self._handle)
        self._handle = handle

    def _close(self) -> None:
        os.close(self._handle)


def lines(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal that can be read, in their order, without the first; none if there is no journal."""
    with suppress(FileNotFoundError), file.open("rb") as source:
        source.readline(LONGEST_HEADER)
        for data in source:
            try:
                line = orjson.loads(data)
            except orjson.JSONDecodeError:
                continue
            if COMPLETE(line) is None or GONE(line) is None:
                yield line


def _locked(file: Path) -> int | None:
    """A handle of the journal, which nobody else has; None if somebody has it."""
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(file, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_ino == os.stat(file).st_ino:
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                os.close(handle)
                raise _unwritable(file, error) from error
        os.close(handle)  # it was written anew, or removed, between the two


def _unwritable(file: Path, error: OSError) -> UsageError:
    return UsageError(
        f"The journal of the seeding, {file}, cannot be written: {error.strerror}. Make it possible, or name another "
        "folder with CSSCGEN_STATE."
    )


def _foreign(file: Path, registry: str, found: bytes) -> UsageError:
    """What is in the place of a journal is none, or is of another registry or version."""
    try:
        header = orjson.loads(found.partition(b"\n")[0])
        if header["format"] != FORMAT:
            what = f"is one of another version ({named(header['format'])})"
        else:
            what = f"is one of the registry {named(header['registry'])}"
    except (orjson.JSONDecodeError, LookupError, TypeError):
        what = "is none"
    return UsageError(
        f"{file} is to be the journal of what was seeded to {registry}, and {what}. Remove it, or move it away: it "
        "only spares questions to the registry."
    )


def _record(digest: str, attached: Attached) -> bytes:
    counts = {kind: len(digests) for kind, digests in attached.items()}
    return _image(digest, counts) + _digests([each for digests in attached.values() for each in digests])


def _image(digest: str, counts: Mapping[str | None, int]) -> bytes:
    told = sorted((kind is not None, kind or "", count) for kind, count in counts.items() if count)
    return _fingerprint(f"{digest} {told}")


def _digests(digests: Sequence[str]) -> bytes:
    return _fingerprint(" ".join(sorted(digests)))


def _fingerprint(told: str) -> bytes:
    return blake2b(told.encode("utf-8", "replace"), digest_size=16).digest()

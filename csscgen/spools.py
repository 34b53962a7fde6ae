"""metrics.spool: the scrapes of a run as they come, so that a harness that is killed has not taken them with it.

A frame per scrape: its compressed length, a checksum and its time (``>IId``), then JSON and page, compressed. A kill
may tear the last frame: it is dropped when the spool is read, and cut off before another is appended. The frames become
metrics.parquet in the order of their times, when the run ends or when a run that was cut off is reported.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from analysis.sample_writer import SampleWriter
from analysis.shapes import Fault, boolean, entries, fault, items, maybe, moment, number, one_of, text
from csscgen.scraping import Scrape
from workloads.ratify.metrics import CAME, LEFT

FILE = "metrics.spool"
PARQUET = "metrics.parquet"
HEAD = struct.Struct(">IId")
SALT = 1
"""What checksums start from, so that a run of zeros, as a file system leaves it, is no frame."""
LEVEL = 1


def _pair(value: Any) -> Fault | None:
    return items(number)(value) or (None if len(value) == 2 else fault(value))


ABOUT = entries(
    {"target": text, "asked": boolean, "process": maybe(_pair), "page": boolean}, {"mark": maybe(one_of(CAME, LEFT))}
)
"""The form of what is before the page in a frame."""


class Frame(NamedTuple):
    """Where a scrape is in the file."""

    time: float
    offset: int
    length: int


class Spool:
    """Scrapes on disk. Safe for one writer; what is there already is kept."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        end = sum(frames[-1][1:]) if (frames := list(index(self.file))) else 0
        self._handle = os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o644)
        os.ftruncate(self._handle, end)
        os.lseek(self._handle, end, os.SEEK_SET)

    def append(self, scrape: Scrape) -> None:
        """Writes one scrape; it is the kernel's when this returns."""
        about = {"target": scrape.target, "asked": scrape.asked, "process": scrape.process, "mark": scrape.mark}
        text = json.dumps({**about, "page": scrape.page is not None}).encode() + b"\n" + (scrape.page or b"")
        body = zlib.compress(text, LEVEL)
        os.write(self._handle, HEAD.pack(len(body), zlib.crc32(body, SALT), scrape.time) + body)

    def __iter__(self) -> Iterator[Scrape]:
        """Every scrape, by time."""
        return read(self.file)

    def close(self) -> None:
        """Ends writing."""
        os.close(self._handle)


def index(file: Path) -> Iterator[Frame]:
    """The whole frames of a spool, in the order of their writing; none if there is no spool."""
    try:
        with file.open("rb") as source:
            while len(head := source.read(HEAD.size)) == HEAD.size:
                length, checksum, time = HEAD.unpack(head)
                offset = source.tell()
                body = source.read(length)
                if not length or len(body) < length or zlib.crc32(body, SALT) != checksum or moment(time):
                    return  # torn by a kill, or damaged: what follows cannot be told apart
                yield Frame(time, offset, length)
    except FileNotFoundError:
        return


def read(file: Path) -> Iterator[Scrape]:
    """The scrapes of a spool, by time; one at a time is in memory."""
    frames = sorted(index(file))
    if not frames:
        return
    with file.open("rb") as source:
        for frame in frames:
            source.seek(frame.offset)
            if scrape := _scrape(frame.time, source.read(frame.length)):
                yield scrape


def _scrape(time: float, body: bytes) -> Scrape | None:
    """A scrape from the body of its frame; None if that is none, which only another program can have written."""
    try:
        head, _, page = zlib.decompress(body).partition(b"\n")
        about = orjson.loads(head)
    except (zlib.error, orjson.JSONDecodeError):
        return None
    if ABOUT(about):
        return None
    process = (about["process"][0], about["process"][1]) if about["process"] else None
    return Scrape(time, about["target"], about["asked"], page if about["page"] else None, process, about.get("mark"))


def rounds(file: Path) -> list[float]:
    """The times of the rounds of scrapes, in order."""
    return sorted({frame.time for frame in index(file)})


def publish(folder: Path) -> None:
    """Makes metrics.parquet of a run's spool, and removes the spool. Does nothing if there is none."""
    file = folder / FILE
    if not file.exists():
        return
    with SampleWriter(folder / PARQUET) as writer:
        for scrape in read(file):
            writer.write(scrape.time, scrape.target, scrape.samples())
    file.unlink()

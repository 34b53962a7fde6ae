"""Just enough of PNG to look at a screenshot: 8-bit RGB or RGBA without interlacing (w3.org/TR/png-3)."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path

Color = tuple[int, int, int]


def colors(path: Path) -> Counter[Color]:
    """How many pixels of a picture have each colour."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, depth, kind = int.from_bytes(data[16:20], "big"), data[24], data[25]
    assert depth == 8 and kind in (2, 6) and data[28] == 0
    channels = 3 if kind == 2 else 4
    packed, position = b"", 8
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"IDAT":
            packed += data[position + 8 : position + 8 + length]
        position += length + 12
    found: Counter[Color] = Counter()
    row = bytearray(width * channels)
    raw, size = zlib.decompress(packed), width * channels + 1
    for start in range(0, len(raw), size):
        row = _unfiltered(raw[start], bytearray(raw[start + 1 : start + size]), row, channels)
        found.update(zip(row[0::channels], row[1::channels], row[2::channels], strict=True))
    return found


def _unfiltered(kind: int, row: bytearray, above: bytearray, step: int) -> bytearray:
    for index in range(len(row)):
        left = row[index - step] if index >= step else 0
        corner = above[index - step] if index >= step else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = above[index]
        elif kind == 3:
            guess = (left + above[index]) // 2
        elif kind == 4:
            guess = _paeth(left, above[index], corner)
        else:
            return row
        row[index] = (row[index] + guess) & 0xFF
    return row


def _paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    return min((left, above, corner), key=lambda one: abs(estimate - one))

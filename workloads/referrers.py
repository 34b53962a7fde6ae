"""Extra referrers: what is attached to images beside their signatures, or instead of them, such as SBOMs.

Settings say what, names and seeder go by it. The same extras and seed give the same images the same ones on every
machine and with every version of Python: shares are exact fractions of the decimals that were written, and the choice
comes from a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from workloads.trust import SIGNATURE_TYPE

SBOM_TYPES = ("application/spdx+json", "application/vnd.cyclonedx+json")
"""The artifact types that get a document of their kind; all others get bytes."""
LEAST_SBOM_BYTES = 1024
"""What a document without packages takes, and some space to fill."""
MOST_BYTES = 8_000_000
"""Of one extra."""
MOST_BYTES_OF_AN_IMAGE = 16_000_000
"""Of all extras of one image, which a seeder makes at once."""
MOST_COPIES = 50
"""Of one extra on one image."""
MOST_EXTRAS = 16
"""Of a scenario."""


@dataclass(frozen=True)
class Extra:
    """Something that is attached to a share of the images of each set."""

    artifact_type: str
    """A media type."""
    size: int
    """Of its blob, in bytes."""
    count: int = 1
    """On each of the images that have it."""
    share: float = 1.0
    """Of the images of a set that have it, from 0 to 1."""


def carriers(extra: Extra, tags: Sequence[str], key: str) -> frozenset[str]:
    """The tags of those images of a set that have the extra; ``key`` is what the choice depends on.

    Their number is the share of the set by largest remainder: of a half image there is one.
    """
    if extra.share == 1:
        return frozenset(tags)
    order = sorted(tags, key=lambda tag: hashlib.sha256(f"{key}/{tag}".encode()).digest())
    return frozenset(order[: apportion(extra.share, len(tags))])


def apportion(share: float, images: int) -> int:
    """How many of so many images have an extra."""
    # By way of text, which makes 0.1 a tenth.
    return int(Fraction(str(share)) * images + Fraction(1, 2))


def fingerprint(extras: Sequence[Extra], seed: int) -> str:
    """Six hexadecimal digits by which other extras, or another choice of images, are told apart in a name."""
    told = repr([seed, *((extra.artifact_type, extra.size, extra.count, float(extra.share)) for extra in extras)])
    return hashlib.sha256(told.encode()).hexdigest()[:6]


def most_bytes(extras: Sequence[Extra]) -> int:
    """Bytes of the extras of an image that has all of them."""
    return sum(extra.size * extra.count for extra in extras if extra.share)


def problems(extras: Sequence[Extra], containers: int) -> Iterator[str]:
    """What is wrong with extras on sets of so many images: a sentence for each problem."""
    if len(extras) > MOST_EXTRAS:
        yield f"there can be at most {MOST_EXTRAS}, got {len(extras)}; `count` attaches several of one kind."
    together = most_bytes(extras)
    if together > MOST_BYTES_OF_AN_IMAGE:
        yield (
            f"an image that has all of them would have {together:,} bytes attached, and {MOST_BYTES_OF_AN_IMAGE:,} are "
            "the most, as those of several images are in memory at once; lower bytes or count."
        )
    for extra in extras:
        if extra.artifact_type == SIGNATURE_TYPE:
            yield (
                f"{SIGNATURE_TYPE} is the artifact type of signatures; their number is scenario.signatures, and ones "
                "that are not good are kinds of scenario.negatives."
            )
        if extra.artifact_type in SBOM_TYPES and extra.size < LEAST_SBOM_BYTES:
            yield (
                f"a document of {extra.artifact_type} takes at least {LEAST_SBOM_BYTES} bytes, got {extra.size}; raise "
                "bytes."
            )
        if extra.share and not apportion(extra.share, containers):
            yield (
                f"of {containers} images the share {extra.share:g} of {extra.artifact_type} comes to none; "
                f"{_least_share(containers):g} would do."
            )


def _least_share(containers: int) -> float:
    """The least share, in hundredths, that comes to an image; sets have no more than a hundred."""
    return ceil(Fraction(100, 2 * containers)) / 100

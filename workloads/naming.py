"""The names of images and workloads. Seeder, workload generator and report all take them from here and nowhere else.

The scheme is csscgen's: the repository is ``<containers>-containers-<signatures>-referrers``, the tags are 1 to
``containers``, so that whoever has images from that tool can point a run at them. With unique images every workload
has a set of its own, ``<containers>-containers-<signatures>-referrers-<shard>``. Negative images have their kind at the
end: ``10-containers-5-referrers-expired``.

Where something else is attached as well (workloads/referrers.py) the name ends in ``-x`` and six digits of a hash of
what, and of the seed that chooses the images. A seeding counts what is attached to an image, and neither takes away nor
guesses: sets that differ in it must not meet in one repository, where the second would find the first one's images
with too much or too little on them. A hash, because the extras are a list of any length, and a container's name, which
the repository is a part of, has 63 characters. csscgen has no such images, so its names stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from workloads.referrers import Extra, carriers, fingerprint


@dataclass(frozen=True)
class ImageSet:
    """The images of one workload: one repository with a tag per container, each signed ``signatures`` times."""

    containers: int
    signatures: int
    shard: int | None = None
    """Index of the workload that owns the set; None where workloads share it."""
    variant: str | None = None
    """The kind of negative image (workloads/negatives.py); None for genuine ones."""
    restored: bool = False
    """Whether negative images have genuine signatures as well, so that they have to pass."""
    extras: tuple[Extra, ...] = ()
    """What is attached to shares of the images beside signatures."""
    seed: int = 0
    """Says which of the images those are; 0 where there are no extras."""

    @cached_property
    def repository(self) -> str:
        own = "" if self.shard is None else f"-{self.shard}"
        kind = "" if self.variant is None else f"-{self.variant}"
        extras = f"-x{fingerprint(self.extras, self.seed)}" if self.extras else ""
        return f"{self.containers}-containers-{self.signatures}-referrers{own}{kind}{extras}"

    @property
    def tags(self) -> list[str]:
        return [str(number) for number in range(1, self.containers + 1)]

    @cached_property
    def carriers(self) -> list[frozenset[str]]:
        """The tags of the images that have an extra, for each of ``extras``."""
        return [
            carriers(extra, self.tags, f"{self.seed}/{number}/{self.repository}")
            for number, extra in enumerate(self.extras)
        ]

    def extra(self, kind: str | None) -> Extra | None:
        """The extra referrer that an attachment of a kind is, ``extra-<which>-<copy>``; None for any other kind."""
        return self.extras[int(kind.split("-")[1])] if kind is not None and kind.startswith("extra-") else None

    def references(self, host: str) -> Iterator[str]:
        """The image references, ``host/repository:tag``, in the order of the containers."""
        return (f"{host}/{self.repository}:{tag}" for tag in self.tags)
